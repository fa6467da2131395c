/** Where a pipe's events go. Source: EventBridge guide, "Pipes targets". */
import { parseArn, type Arn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { visitDestination } from "./destinations.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { entriesMax } from "./limits.ts";
import { parameterOf } from "./paths.ts";
import type { Settings } from "./settings.ts";

/** One event on its last step. */
export interface Outgoing {
  /** As the source or the enrichment has it: parameters that are paths look into it. */
  event: unknown;
  /** As the input template makes it. */
  input: unknown;
  /** When the source took it. */
  sentMs: number;
}

export interface Delivering {
  peers: Peers;
  settings: Settings;
  pipe: { name: string };
  arn: Arn;
  call: Call;
}

/** What of a batch failed: by index, or by the ids of messages that a function names. */
export type Failures = { indexes: readonly number[] } | { payload: Uint8Array };

type ParametersName = Exclude<keyof NonNullable<Settings["TargetParameters"]>, "InputTemplate">;

interface TargetKind {
  /** The member of the parameters that belongs to it; another is refused. */
  parameters?: ParametersName;
  check?(settings: Settings, arn: Arn): void;
  /** Hands events over. Throws where all have failed. */
  deliver(delivering: Delivering, events: readonly Outgoing[]): Promise<Failures>;
}

const none: Failures = { indexes: [] };

const textOf = (input: unknown) => (typeof input === "string" ? input : JSON.stringify(input));

interface Entries {
  Failed?: readonly { Id?: string | undefined }[] | undefined;
}

/** Hands events over in batches of ten; entries have their indexes as ids. */
async function inBatches<E>(
  events: readonly Outgoing[],
  entryOf: (event: Outgoing, Id: string) => E,
  send: (entries: E[], firstIndex: number) => Promise<Entries>,
): Promise<Failures> {
  const indexes: number[] = [];
  for (let start = 0; start < events.length; start += entriesMax) {
    const entries = events.slice(start, start + entriesMax).map((event, n) => entryOf(event, String(start + n)));
    const { Failed = [] } = await send(entries, start);
    indexes.push(...Failed.map(({ Id }) => Number(Id)));
  }
  return { indexes };
}

const lambda: TargetKind = {
  parameters: "LambdaFunctionParameters",
  check(_settings, { resource }) {
    if (!resource.startsWith("function:")) throw invalid("The target is no function.");
  },
  async deliver({ peers, settings, call }, events) {
    const isAsync = settings.TargetParameters?.LambdaFunctionParameters?.InvocationType === "FIRE_AND_FORGET";
    const { FunctionError, Payload } = await peers.lambda.Invoke(
      {
        FunctionName: settings.Target,
        InvocationType: isAsync ? "Event" : "RequestResponse",
        Payload: Buffer.from(JSON.stringify(events.map(({ input }) => input))),
      },
      call,
    );
    if (FunctionError !== undefined) throw fault("TargetFailed", `The function failed: ${FunctionError}`);
    return isAsync || Payload === undefined ? none : { payload: Payload };
  },
};

const sqs: TargetKind = {
  parameters: "SqsQueueParameters",
  check({ TargetParameters }, { resource }) {
    if (resource.endsWith(".fifo") && TargetParameters?.SqsQueueParameters?.MessageGroupId === undefined) {
      throw invalid("SqsQueueParameters.MessageGroupId is required for a FIFO queue.");
    }
  },
  async deliver({ peers, settings, arn, call }, events) {
    const { QueueUrl } = await peers.sqs.GetQueueUrl(
      { QueueName: arn.resource, QueueOwnerAWSAccountId: arn.account },
      call,
    );
    const { MessageGroupId, MessageDeduplicationId } = settings.TargetParameters?.SqsQueueParameters ?? {};
    return inBatches(
      events,
      ({ event, input }, Id) => ({
        Id,
        MessageBody: textOf(input),
        ...(MessageGroupId === undefined ? {} : { MessageGroupId: parameterOf(MessageGroupId, event) }),
        ...(MessageDeduplicationId === undefined
          ? {}
          : { MessageDeduplicationId: parameterOf(MessageDeduplicationId, event) }),
      }),
      (Entries) => peers.sqs.SendMessageBatch({ QueueUrl, Entries }, call),
    );
  },
};

const sns: TargetKind = {
  deliver: ({ peers, settings, call }, events) =>
    inBatches(
      events,
      ({ input }, Id) => ({ Id, Message: textOf(input) }),
      (PublishBatchRequestEntries) =>
        peers.sns.PublishBatch({ TopicArn: settings.Target, PublishBatchRequestEntries }, call),
    ),
};

const events: TargetKind = {
  parameters: "EventBridgeEventBusParameters",
  check({ TargetParameters }, { resource }) {
    if (!resource.startsWith("event-bus/")) throw invalid("The target is no event bus.");
    if (TargetParameters?.EventBridgeEventBusParameters?.EndpointId !== undefined) {
      throw notYet("global endpoints of EventBridge");
    }
  },
  deliver({ peers, settings, pipe, call }, outgoing) {
    const { DetailType, Source, Resources, Time } = settings.TargetParameters?.EventBridgeEventBusParameters ?? {};
    return inBatches(
      outgoing,
      ({ event, input, sentMs }) => ({
        EventBusName: settings.Target,
        DetailType: DetailType === undefined ? "Event from aws:sqs" : parameterOf(DetailType, event),
        Source: Source === undefined ? `Pipe ${pipe.name}` : parameterOf(Source, event),
        Detail: textOf(input),
        Resources: Resources?.map((resource) => parameterOf(resource, event)),
        Time: new Date(Time === undefined ? sentMs : timeOf(parameterOf(Time, event))),
      }),
      async (Entries, first) => {
        const { Entries: answers = [] } = await peers.events.PutEvents({ Entries }, call);
        const ids = answers.map(({ ErrorCode }, n) => (ErrorCode === undefined ? undefined : String(first + n)));
        return { Failed: ids.filter((Id) => Id !== undefined).map((Id) => ({ Id })) };
      },
    );
  },
};

/** Milliseconds of a time that is a number of them or of seconds, or ISO 8601. */
function timeOf(text: string): number {
  const number = Number(text);
  if (Number.isNaN(number)) return Date.parse(text);
  return number < 1e11 ? number * 1_000 : number;
}

const logs: TargetKind = {
  parameters: "CloudWatchLogsParameters",
  check(_settings, { resource }) {
    if (!resource.startsWith("log-group:")) throw invalid("The target is no log group.");
  },
  async deliver({ peers, settings, pipe, arn, call }, outgoing) {
    const { LogStreamName = pipe.name, Timestamp } = settings.TargetParameters?.CloudWatchLogsParameters ?? {};
    const logGroupName = arn.resource.split(":")[1] ?? "";
    const streams = Map.groupBy(outgoing, ({ event }) => parameterOf(LogStreamName, event));
    for (const [logStreamName, ofStream] of streams) {
      const logEvents = ofStream
        .map(({ event, input, sentMs }) => ({
          timestamp: Timestamp === undefined ? sentMs : timeOf(parameterOf(Timestamp, event)),
          message: textOf(input),
        }))
        .toSorted((a, b) => a.timestamp - b.timestamp);
      await putLogEvents(peers, { logGroupName, logStreamName, logEvents }, call);
    }
    return none;
  },
};

type LogEvents = Parameters<Peers["logs"]["PutLogEvents"]>[0];

/** Into a stream that is made when it is not there. */
export async function putLogEvents(peers: Peers, input: LogEvents, call: Call): Promise<void> {
  try {
    await peers.logs.PutLogEvents(input, call);
  } catch (error) {
    if (!isFault(error, "ResourceNotFoundException")) throw error;
    const { logGroupName, logStreamName } = input;
    await peers.logs.CreateLogStream({ logGroupName, logStreamName }, call).catch((cause: unknown) => {
      if (!isFault(cause, "ResourceAlreadyExistsException")) throw cause;
    });
    await peers.logs.PutLogEvents(input, call);
  }
}

/** By the service in the ARN. */
/** One request for each event: those that fail come again. Source: guide, "Pipes batching". */
const destination: TargetKind = {
  parameters: "HttpParameters",
  async deliver({ peers, settings, call }, outgoing) {
    const indexes: number[] = [];
    let reason: unknown;
    for (const [index, { event, input }] of outgoing.entries()) {
      const http = settings.TargetParameters?.HttpParameters;
      try {
        await visitDestination({ peers, call }, { arn: settings.Target, http, event, input });
      } catch (error) {
        if (!isFault(error)) throw error;
        reason = error;
        indexes.push(index);
      }
    }
    // Where none went through, the pipe's log says why.
    if (indexes.length === outgoing.length) throw reason;
    return { indexes };
  },
};

const kinds: Readonly<Record<string, TargetKind>> = { lambda, sqs, sns, events, logs };

/** Targets of AWS that the house has not. Source: guide, "Pipes targets". */
const awaited: Readonly<Record<string, string>> = {
  batch: "Batch jobs as targets",
  ecs: "ECS tasks as targets",
  "execute-api": "API Gateway as a target",
  firehose: "Firehose as a target",
  inspector: "Inspector as a target",
  kinesis: "Kinesis streams as targets",
  redshift: "Redshift as a target",
  sagemaker: "SageMaker pipelines as targets",
  states: "Step Functions as targets",
  timestream: "Timestream as a target",
};

function kindOf(target: string): { kind: TargetKind; arn: Arn } {
  const arn = parseArn(target);
  if (arn?.service === "events" && arn.resource.startsWith("api-destination/")) return { kind: destination, arn };
  const kind = arn !== undefined && Object.hasOwn(kinds, arn.service) ? kinds[arn.service] : undefined;
  if (arn !== undefined && kind !== undefined) return { kind, arn };
  const missing = arn !== undefined && Object.hasOwn(awaited, arn.service) ? awaited[arn.service] : undefined;
  throw missing === undefined ? invalid(`Invalid target: ${target}`) : notYet(missing);
}

/** @throws Fault `ValidationException` for what can be no target, and `NotImplemented`, by name, for one the house has not */
export function checkTarget(settings: Settings): void {
  const { kind, arn } = kindOf(settings.Target);
  const others = Object.keys(settings.TargetParameters ?? {}).filter(
    (name) => name !== "InputTemplate" && name !== kind.parameters,
  );
  if (others[0] !== undefined) throw invalid(`${others[0]} does not belong to the target ${settings.Target}.`);
  kind.check?.(settings, arn);
}

/** Hands a batch over, as the pipe's role. */
export function deliver(delivering: Omit<Delivering, "arn">, outgoing: readonly Outgoing[]): Promise<Failures> {
  const { kind, arn } = kindOf(delivering.settings.Target);
  return kind.deliver({ ...delivering, arn, call: { ...delivering.call, region: arn.region } }, outgoing);
}
