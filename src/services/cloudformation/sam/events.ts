/** `Events` of a function: the kinds that there are. One that lands later is a file of its own, and a line here. */
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import { badEvent, badResource } from "./errors.ts";
import type { SamContext, SamResource } from "./expansion.ts";
import { pullEvents } from "./pull-event.ts";
import { ruleEvents } from "./rule-event.ts";
import { s3Event } from "./s3-event.ts";
import { scheduleEvent } from "./schedule-event.ts";
import { snsEvent } from "./sns-event.ts";

/** The function or its alias, as an event source sees it. */
export interface EventTarget {
  /** What a permission names: the function's name, or the alias's ARN. */
  name: Json;
  arn: Json;
  /** The role that SAM makes for the function, if it does. */
  roleId: string | undefined;
  /** Attributes that everything made of the function has. */
  shared: JsonObject;
}

export interface SamEvent {
  eventId: string;
  /** Of what the event makes: the function's and the event's together. */
  logicalId: string;
  properties: JsonObject;
  target: EventTarget;
}

/** What an event source makes, and the resources that it changes. */
export type EventSource = (event: SamEvent, context: SamContext) => Readonly<Record<string, JsonObject>>;

const sources: Readonly<Record<string, EventSource>> = {
  S3: s3Event,
  SNS: snsEvent,
  ScheduleV2: scheduleEvent,
  ...pullEvents,
  ...ruleEvents,
};

/** AWS's other kinds, and the service that each waits for. Source: SAM guide, "EventSource". */
const awaited: Readonly<Record<string, string>> = {
  AlexaSkill: "Alexa",
  Api: "API Gateway",
  CloudWatchLogs: "subscription filters of CloudWatch Logs",
  Cognito: "Cognito",
  DocumentDB: "DocumentDB",
  HttpApi: "API Gateway",
  IoTRule: "IoT",
  MQ: "Amazon MQ",
  MSK: "Amazon MSK",
  SelfManagedKafka: "event source mappings of Lambda",
};

/** What the events of a function make. Each sees what those before it have changed; `own` is what the function has made. */
export function eventsOf(
  sam: SamResource,
  target: EventTarget,
  own: Readonly<Record<string, JsonObject>>,
  context: SamContext,
): Record<string, JsonObject> {
  const events = member(sam.properties, "Events");
  if (!isMap(events)) return {};
  const resources = new Map([...context.resources, ...Object.entries(own)]);
  const made: Record<string, JsonObject> = {};
  for (const [eventId, event] of inOrder(events)) {
    const [source, properties] = readEvent(sam.logicalId, eventId, event);
    const logicalId = `${sam.logicalId}${eventId}`;
    const parts = source({ eventId, logicalId, properties, target }, { ...context, resources });
    for (const [id, part] of Object.entries(parts)) {
      resources.set(id, part);
      made[id] = part;
    }
  }
  return made;
}

/** As AWS's transform goes through them: by path where they have one, else by id. */
function inOrder(events: JsonObject): readonly (readonly [string, Json])[] {
  const key = ([id, event]: readonly [string, Json]): string => {
    const properties = isMap(event) ? member(event, "Properties") : undefined;
    const path = isMap(properties) ? member(properties, "Path") : undefined;
    return typeof path === "string" ? path : id;
  };
  return Object.entries(events).toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function readEvent(logicalId: string, eventId: string, event: Json): readonly [EventSource, JsonObject] {
  const type = isMap(event) ? member(event, "Type") : undefined;
  const source = typeof type === "string" && Object.hasOwn(sources, type) ? sources[type] : undefined;
  if (!isMap(event) || source === undefined) throw refusal(logicalId, eventId, type);
  const properties = member(event, "Properties") ?? {};
  if (!isMap(properties)) {
    throw badResource(`${logicalId}${eventId}`, "Properties of a resource must be an object.");
  }
  return [source, properties];
}

function refusal(logicalId: string, eventId: string, type: Json | undefined) {
  const service = typeof type === "string" ? awaited[type] : undefined;
  if (service !== undefined && typeof type === "string") {
    return badEvent(logicalId, eventId, `Mikan does not implement events of type '${type}' yet: they need ${service}.`);
  }
  const given = typeof type === "string" ? type : "None";
  return badEvent(
    logicalId,
    eventId,
    `Resource dict has missing or invalid value for key Type. Event Type is: ${given}.`,
  );
}
