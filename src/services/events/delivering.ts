/** One event to one target, through the target's own API. */
import { parseArn, type Arn } from "../../base/arn.ts";
import { isFault, must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { EventsDeps } from "./deps.ts";
import { timeText } from "./envelope.ts";
import { fault, notYet } from "./faults.ts";
import type { Parcel } from "./fan-out.ts";
import { InputError, inputOf } from "./input.ts";
import { streamOf } from "./log-streams.ts";
import { kindOf, type Kind } from "./target-kinds.ts";

/** What is to be handed over. */
export interface Handover {
  parcel: Parcel;
  arn: Arn;
  /** What the target is given. */
  text: string;
  /** In the target's account and region, as EventBridge or the target's role. */
  call: Call;
}

export type Send = (deps: EventsDeps, handover: Handover) => Promise<void>;

async function toFunction({ peers }: EventsDeps, { parcel, text, call }: Handover): Promise<void> {
  const Payload = Buffer.from(text);
  await peers.lambda.Invoke({ FunctionName: parcel.target.Arn, InvocationType: "Event", Payload }, call);
}

async function toQueue({ peers }: EventsDeps, { parcel, arn, text, call }: Handover): Promise<void> {
  const { target, traceHeader } = parcel;
  const group = target.SqsParameters?.MessageGroupId;
  await peers.sqs.SendMessage(
    {
      // EventBridge's permission is for SendMessage alone: it does not ask for the URL.
      QueueUrl: `${call.publicUrl}/${arn.account}/${arn.resource}`,
      MessageBody: text,
      ...(group === undefined ? {} : { MessageGroupId: group }),
      ...(traceHeader === undefined
        ? {}
        : { MessageSystemAttributes: { AWSTraceHeader: { DataType: "String", StringValue: traceHeader } } }),
    },
    call,
  );
}

async function toTopic({ peers }: EventsDeps, { parcel, text, call }: Handover): Promise<void> {
  await peers.sns.Publish({ TopicArn: parcel.target.Arn, Message: text }, call);
}

async function toLog({ peers }: EventsDeps, { parcel, arn, text, call }: Handover): Promise<void> {
  const logGroupName = arn.resource.replace(/^log-group:/, "").replace(/:\*$/, "");
  const stream = { logGroupName, logStreamName: streamOf(parcel) };
  const logEvents = [{ timestamp: parcel.ingestedMs, message: text }];
  try {
    await peers.logs.PutLogEvents({ ...stream, logEvents }, call);
  } catch (error) {
    if (!isFault(error, "ResourceNotFoundException")) throw error;
    try {
      await peers.logs.CreateLogStream(stream, call);
    } catch (again) {
      if (!isFault(again, "ResourceAlreadyExistsException")) throw again;
    }
    await peers.logs.PutLogEvents({ ...stream, logEvents }, call);
  }
}

export interface OwnKinds {
  bus: Send;
  apiDestination: Send;
}

function roleCall({ RoleArn }: Parcel["target"], rule: Parcel["rule"], call: Call): Call {
  if (RoleArn === undefined) return call;
  const account = parseArn(RoleArn)?.account ?? rule.account;
  return { ...call, principal: { kind: "role", account, roleArn: RoleArn, session: "EventBridge" } };
}

/** The operation that the outbox calls. */
export function deliveringOperations(deps: EventsDeps, own: OwnKinds) {
  const senders: Readonly<Record<Kind, Send>> = {
    lambda: toFunction,
    sqs: toQueue,
    sns: toTopic,
    logs: toLog,
    ...own,
  };
  return {
    async DeliverEvent(parcel: Parcel, call: Call): Promise<object> {
      const { target, rule, event, ingestedMs } = parcel;
      const arn = must(parseArn(target.Arn), "a target's ARN");
      const kind = kindOf(arn);
      if (kind === undefined) throw notYet(`targets of the service ${arn.service}`);
      const text = textOf(() => inputOf(target, { rule, event, ingestionTime: timeText(ingestedMs) }));
      const { account, region } = arn;
      await senders[kind](deps, { parcel, arn, text, call: roleCall(target, rule, { ...call, account, region }) });
      return {};
    },
  };
}

function textOf(make: () => string): string {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw fault("InvalidInput", cause.message, {}, { cause });
  }
}
