/** What a schedule can invoke. Source: Scheduler user guide, "Managing targets": templated and universal targets. */
import { parseArn, type Arn } from "../../base/arn.ts";
import { Fault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { invalid, notYet } from "./faults.ts";
import type { Target } from "./settings.ts";
import { checkUniversal, invokeUniversal } from "./universal.ts";

/** One invocation of a target, as the execution role. */
export interface Invocation {
  peers: Peers;
  target: Target;
  arn: Arn;
  scheduleArn: string;
  /** `Input`, with its context attributes filled in; a default event where there is none. */
  input: string;
}

type ParametersName = Extract<keyof Target, `${string}Parameters`>;

interface TargetKind {
  /** The member of the target that belongs to it; another is refused. */
  parameters?: ParametersName;
  /** `Input` must be JSON. */
  takesJson: boolean;
  check?(target: Target, arn: Arn): void;
  invoke(invocation: Invocation, call: Call): Promise<void>;
}

const isFifo = ({ resource }: Arn) => resource.endsWith(".fifo");

const lambda: TargetKind = {
  takesJson: true,
  check(_target, { resource }) {
    if (!resource.startsWith("function:")) throw badArn();
  },
  async invoke({ peers, target, input }, call) {
    await peers.lambda.Invoke({ FunctionName: target.Arn, InvocationType: "Event", Payload: Buffer.from(input) }, call);
  },
};

const sqs: TargetKind = {
  parameters: "SqsParameters",
  takesJson: false,
  check({ SqsParameters }, arn) {
    if (isFifo(arn) && SqsParameters?.MessageGroupId === undefined) {
      throw invalid("SqsParameters.MessageGroupId is required for a FIFO queue.");
    }
  },
  async invoke({ peers, target, arn, input }, call) {
    const queue = { QueueName: arn.resource, QueueOwnerAWSAccountId: arn.account };
    const { QueueUrl } = await peers.sqs.GetQueueUrl(queue, call);
    const { MessageGroupId } = target.SqsParameters ?? {};
    await peers.sqs.SendMessage(
      { QueueUrl, MessageBody: input, ...(MessageGroupId === undefined ? {} : { MessageGroupId }) },
      call,
    );
  },
};

const sns: TargetKind = {
  takesJson: false,
  async invoke({ peers, target, input }, call) {
    await peers.sns.Publish({ TopicArn: target.Arn, Message: input }, call);
  },
};

const events: TargetKind = {
  parameters: "EventBridgeParameters",
  takesJson: true,
  check({ EventBridgeParameters }, { resource }) {
    if (!resource.startsWith("event-bus/")) throw badArn();
    if (EventBridgeParameters === undefined) throw invalid("EventBridgeParameters is required for an event bus.");
  },
  async invoke({ peers, target, scheduleArn, input }, call) {
    const { DetailType, Source } = target.EventBridgeParameters ?? {};
    const entry = { EventBusName: target.Arn, DetailType, Source, Detail: input, Resources: [scheduleArn] };
    const { FailedEntryCount = 0, Entries } = await peers.events.PutEvents({ Entries: [entry] }, call);
    const { ErrorCode = "InternalFailure", ErrorMessage = "" } = Entries?.[0] ?? {};
    if (FailedEntryCount > 0) throw new Fault(ErrorCode, ErrorMessage);
  },
};

const universal: TargetKind = {
  takesJson: true,
  check: (target, arn) => checkUniversal(arn, target.Input),
  invoke: ({ peers, arn, target, input }, call) =>
    invokeUniversal(peers, arn, target.Input === undefined ? undefined : input, call),
};

/** By the service in the ARN. */
const kinds: Readonly<Record<string, TargetKind>> = { lambda, sqs, sns, events, scheduler: universal };

/** Templated targets of AWS that the house has not. Source: user guide, "Using templated targets". */
const awaited: Readonly<Record<string, string>> = {
  codebuild: "CodeBuild StartBuild",
  codepipeline: "CodePipeline StartPipelineExecution",
  ecs: "ECS RunTask",
  firehose: "Firehose PutRecord",
  inspector: "Inspector StartAssessmentRun",
  kinesis: "Kinesis PutRecord",
  sagemaker: "SageMaker StartPipelineExecution",
  states: "Step Functions StartExecution",
};

const badArn = () => invalid("Provided Arn is not in correct format.");

function kindOf(target: Target): { kind: TargetKind; arn: Arn } {
  const arn = parseArn(target.Arn);
  if (arn === undefined) throw badArn();
  const kind = Object.hasOwn(kinds, arn.service) ? kinds[arn.service] : undefined;
  if (kind !== undefined) return { kind, arn };
  const missing = Object.hasOwn(awaited, arn.service) ? awaited[arn.service] : undefined;
  throw missing === undefined ? badArn() : notYet(`targets of ${missing}`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** @throws Fault `ValidationException` for what can be no target, and `NotImplemented`, by name, for one the house has not */
export function checkTarget(target: Target): void {
  const { kind, arn } = kindOf(target);
  const others = Object.keys(target).filter((name) => name.endsWith("Parameters") && name !== kind.parameters);
  if (others[0] !== undefined) throw invalid(`${others[0]} is not supported for the target ${target.Arn}.`);
  if (target.Input !== undefined && kind.takesJson && !isJson(target.Input)) {
    throw invalid("The Input of this target must be well-formed JSON.");
  }
  kind.check?.(target, arn);
}

/** Invokes a target once; a fault tells the outbox to try again, or not. */
export async function invokeTarget(invocation: Omit<Invocation, "arn">, call: Call): Promise<void> {
  const { kind, arn } = kindOf(invocation.target);
  // A universal target's ARN has no region: it is the schedule's own.
  await kind.invoke({ ...invocation, arn }, arn.region === "" ? call : { ...call, region: arn.region });
}
