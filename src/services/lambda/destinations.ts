/** Where records of events can go. Source: Lambda guide, "Capturing records of Lambda asynchronous invocations". */
import { parseArn } from "../../base/arn.ts";
import { Fault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { LambdaDeps } from "./deps.ts";
import { invalid, notYet } from "./faults.ts";
import { eventPayloadBytesMax } from "./limits.ts";
import { arnOf, functionRef, latest, type FunctionRef } from "./names.ts";
import { isReachable, sendMessage } from "./outlets.ts";

export type Outcome = "OnSuccess" | "OnFailure";

/** A record on its way. */
export interface Parcel {
  /** ARN. */
  destination: string;
  outcome: Outcome;
  /** JSON. */
  record: string;
  /** The function that was run. */
  source: FunctionRef;
  roleArn: string;
  requestId: string;
  /** When it ended, by the wall clock. */
  endedMs: number;
}

export interface DestinationDeps extends Pick<LambdaDeps, "peers"> {
  /** Queues an event of another function. */
  queue(ref: FunctionRef, request: { requestId: string; payload: Uint8Array }, call: Call): Promise<void>;
}

type Send = (deps: DestinationDeps, parcel: Parcel, call: Call) => Promise<void>;

async function sendToFunction({ queue }: DestinationDeps, parcel: Parcel, call: Call): Promise<void> {
  const payload = Buffer.from(parcel.record);
  if (payload.byteLength > eventPayloadBytesMax) {
    throw new Fault("RecordTooLarge", `The record of ${payload.byteLength} bytes is larger than an event may be.`);
  }
  await queue(functionRef(parcel.destination, undefined, call), { requestId: call.requestId, payload }, call);
}

/** `aws/lambda/async/tiles/2026/01/31/2026-01-31T09.05.07-<uuid>` */
export function recordKey({ source, endedMs, requestId }: Pick<Parcel, "source" | "endedMs" | "requestId">): string {
  const time = new Date(endedMs).toISOString();
  const [day = "", clock = ""] = time.slice(0, 19).split("T");
  // AWS's is any UUID; the request's own makes a second attempt write the same object.
  return `aws/lambda/async/${source.name}/${day.replaceAll("-", "/")}/${day}T${clock.replaceAll(":", ".")}-${requestId}`;
}

async function sendToBucket({ peers }: DestinationDeps, parcel: Parcel, call: Call): Promise<void> {
  const { destination, record, source, roleArn } = parcel;
  const Bucket = destination.slice(destination.lastIndexOf(":") + 1);
  const principal = { kind: "role", account: source.account, roleArn, session: source.name } as const;
  const input = { Bucket, Key: recordKey(parcel), Body: Buffer.from(record), ContentType: "application/json" };
  await peers.s3.PutObject(input, { ...call, principal });
}

async function sendToOutlet({ peers }: DestinationDeps, parcel: Parcel, call: Call): Promise<void> {
  const { destination: target, record: body, source, roleArn, outcome } = parcel;
  const principal = { kind: "role", account: source.account, roleArn, session: source.name } as const;
  const detailType = `Lambda Function Invocation Result - ${outcome === "OnSuccess" ? "Success" : "Failure"}`;
  const message = { target, body, detailType, source: arnOf({ ...source, qualifier: source.qualifier ?? latest }) };
  await sendMessage(peers, message, { ...call, principal });
}

interface Kind {
  outcomes: readonly Outcome[];
  send: Send;
}

/** By the service in the ARN. */
const kinds: Readonly<Record<string, Kind>> = {
  lambda: { outcomes: ["OnSuccess", "OnFailure"], send: sendToFunction },
  s3: { outcomes: ["OnFailure"], send: sendToBucket },
  sqs: { outcomes: ["OnSuccess", "OnFailure"], send: sendToOutlet },
  sns: { outcomes: ["OnSuccess", "OnFailure"], send: sendToOutlet },
  events: { outcomes: ["OnSuccess", "OnFailure"], send: sendToOutlet },
};

function kindOf(destination: string): { service: string; kind: Kind } | undefined {
  const service = parseArn(destination)?.service;
  const kind = service !== undefined && Object.hasOwn(kinds, service) ? kinds[service] : undefined;
  return service === undefined || kind === undefined ? undefined : { service, kind };
}

/** Throws AWS's fault for what is no destination of this outcome, and refuses by name what this node has no service for. */
export async function checkDestination(
  { peers }: Pick<LambdaDeps, "peers">,
  destination: string,
  outcome: Outcome,
  source: FunctionRef,
  call: Call,
): Promise<void> {
  const found = kindOf(destination);
  if (found === undefined || !found.kind.outcomes.includes(outcome) || destination.endsWith(".fifo")) {
    throw invalid(`The destination ARN ${destination} is invalid.`);
  }
  const { service, kind } = found;
  if (kind.send === sendToOutlet && !(await isReachable(peers, destination, call))) {
    throw notYet(`DestinationConfig.${outcome} of the service ${service}`);
  }
  if (service !== "lambda") return;
  const target = functionRef(destination, undefined, call);
  const whole = (ref: FunctionRef) => arnOf({ ...ref, qualifier: ref.qualifier ?? latest });
  if (whole(target) === whole(source)) throw invalid("You can't specify the function as a destination for itself.");
}

/** Hands a record over; a fault tells the outbox to try again. */
export async function sendRecord(deps: DestinationDeps, parcel: Parcel, call: Call): Promise<void> {
  const send = kindOf(parcel.destination)?.kind.send;
  if (send === undefined) throw invalid(`The destination ARN ${parcel.destination} is invalid.`);
  await send(deps, parcel, call);
}
