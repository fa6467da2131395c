/** Events as EventBridge hands them on. Source: EventBridge user guide, "AWS service event metadata". */
import { valueAt } from "./json-path.ts";

export interface Envelope {
  id: string;
  detailType: string;
  source: string;
  /** Of whoever put it. */
  account: string;
  timeMs: number;
  region: string;
  resources: readonly string[];
  /** A JSON object, as it was put: numbers keep their digits. */
  detail: string;
  /** Of an event that comes again out of an archive. */
  replayName?: string;
}

/** To the second, as in every event. */
export const timeText = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const outsideStrings = /("(?:[^"\\]|\\.)*")|\s+/g;

/** JSON without white space between its tokens. */
export const compact = (json: string) => json.replace(outsideStrings, "$1");

/** The event as JSON, in AWS's order. */
export function eventText(envelope: Envelope): string {
  const { id, detailType, source, account, timeMs, region, resources, detail, replayName } = envelope;
  const head = {
    version: "0",
    id,
    "detail-type": detailType,
    source,
    account,
    time: timeText(timeMs),
    region,
    ...(replayName === undefined ? {} : { "replay-name": replayName }),
    resources,
  };
  return `${JSON.stringify(head).slice(0, -1)},"detail":${detail}}`;
}

/** What precedes the detail in an event's text: the end of the list of resources, which holds none of this unescaped. */
const detailMark = `],"detail":`;

/** Reads what {@link eventText} wrote: an event keeps its id, account, region and time wherever it goes. */
export function readEvent(event: string): Envelope {
  const read: unknown = JSON.parse(event);
  const text = (name: string) => {
    const value = valueAt(read, [name]);
    return typeof value === "string" ? value : "";
  };
  const resources = valueAt(read, ["resources"]);
  const replay = text("replay-name");
  return {
    id: text("id"),
    detailType: text("detail-type"),
    source: text("source"),
    account: text("account"),
    timeMs: Date.parse(text("time")),
    region: text("region"),
    resources: Array.isArray(resources) ? resources.map(String) : [],
    detail: event.slice(event.indexOf(detailMark) + detailMark.length, -1),
    ...(replay === "" ? {} : { replayName: replay }),
  };
}
