/** Events that go from one bus to another. */
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { admit } from "./access.ts";
import { findBus } from "./bus-rows.ts";
import type { Handover } from "./delivering.ts";
import type { EventsDeps } from "./deps.ts";
import type { Envelope } from "./envelope.ts";
import { fault, noBus } from "./faults.ts";
import type { Ingestion } from "./ingestion.ts";
import { valueAt } from "./json-path.ts";
import { busOfArn } from "./names.ts";

/** An event keeps its id, account, region and time on its way. */
function envelopeOf(event: string): Envelope {
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

/** What precedes the detail in an event's text: the end of the list of resources, which holds none of this unescaped. */
const detailMark = `],"detail":`;

/** Source: user guide, "Sending and receiving events between event buses": an event goes over one border only. */
export function forwarding(ingestion: Ingestion) {
  return async ({ store }: EventsDeps, { parcel, call }: Handover): Promise<void> => {
    const { target, rule, event, traceHeader, hopped } = parcel;
    if (hopped)
      throw fault("HopLimit", "The event came from another event bus already, and is not sent to a third one.");
    const bus = must(busOfArn(target.Arn), "a bus's ARN");
    const row = await store.read((tx) => findBus(tx, bus));
    if (row === undefined) throw noBus(bus.bus);
    admit(row, "PutEvents", senderOf(rule.account, call));
    const rest = traceHeader === undefined ? {} : { traceHeader };
    await ingestion.take([{ bus, envelope: envelopeOf(event), trace: call.trace, hopped: true, ...rest }]);
  };
}

/** Without a role it is the rule's account that sends. */
function senderOf(account: string, { principal }: Call): Pick<Call, "account" | "principal"> {
  if (principal.kind !== "service") return { account: principal.account, principal };
  return { account, principal: { kind: "user", account, accessKeyId: account } };
}
