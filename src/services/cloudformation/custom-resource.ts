/**
 * Custom resources: a function makes them, and answers at a URL. The request is a row under an id that follows from the
 * step it belongs to, so after a crash the step asks under the same RequestId, or finds the answer that came meanwhile.
 */
import { parseArn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import {
  ResourceFailure,
  type Resource,
  type ResourceRequest,
  type ResourceState,
  type ResourceUpdate,
} from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import type { CallbackRow } from "./callback-tables.ts";
import { callbackUrl, type Callbacks } from "./callbacks.ts";
import { noEchoAttribute, type CustomAnswer } from "./custom-response.ts";
import { uuidOf } from "./derived-id.ts";
import type { Engine } from "./engine.ts";
import { invalid } from "./faults.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { serviceTimeoutSecondsMax } from "./limits.ts";
import { isRestoring, ownStack } from "./lookup.ts";

export const customResourceType = "AWS::CloudFormation::CustomResource";
const customPrefix = "Custom::";
/** Source: user guide, "AWS::CloudFormation::CustomResource", custom resource type name. */
const customName = /^Custom::[A-Za-z0-9_@-]{1,60}(?:::[A-Za-z0-9_@-]+)*$/;
/** For what a step does besides waiting for its function. */
const spareMs = 60_000;

type RequestType = "Create" | "Update" | "Delete";

interface Step {
  type: RequestType;
  /** What tells this step from every other of its resource. */
  name: string;
  properties: JsonObject;
  physicalId?: string;
  oldProperties?: JsonObject;
}

/** The custom resource of each type's name; the rest is `resourceType`'s. */
export function withCustomTypes(
  resourceType: Deps["resourceType"],
  custom: (type: string) => Resource,
): Deps["resourceType"] {
  const made = new Map<string, Resource>();
  return (type) => {
    if (!type.startsWith(customPrefix)) return resourceType(type);
    if (!customName.test(type)) return undefined;
    const known = made.get(type) ?? custom(type);
    // Names come from templates: no more of them are kept than a template can have.
    if (made.size < keptTypesMax) made.set(type, known);
    return known;
  };
}
const keptTypesMax = 500;

export function customResource(deps: Deps, engine: Engine, callbacks: Callbacks, type: string): Resource {
  const { store, clock, peers, publicUrl } = deps;

  const openRequest = async (request: ResourceRequest, step: Step, call: Call) => {
    const stack = await store.read((tx) => ownStack(tx, request.stackId, call));
    // A deletion, or an update, that is tried again is another request.
    const operation = step.type === "Create" ? "" : String(stack.operation);
    const callback = uuidOf([request.token, step.type, operation, step.name].join(" "));
    const key = { account: stack.account, region: stack.region, stack: stack.stack, callback };
    const deadlineMs = clock.now() + timeoutOf(step.properties) * 1_000;
    return callbacks.open(key, { kind: "request", logical_id: request.logicalId, deadline_ms: deadlineMs });
  };

  /** Whether whoever answers is sent to the host that functions know. */
  const isRouted = async ({ arn, isTopic }: ServiceToken, call: Call): Promise<boolean> => {
    if (isTopic) return false;
    const { Runtime } = await peers.lambda.GetFunctionConfiguration({ FunctionName: arn }, call);
    return /^(nodejs|python)/.test(Runtime ?? "");
  };

  /** Hands the request over to the function or the topic, which may come to it later and more than once, as on AWS. */
  const send = async (row: CallbackRow, request: ResourceRequest, step: Step, call: Call) => {
    const token = serviceTokenOf(step.properties);
    const event = {
      RequestType: step.type,
      ServiceToken: token.arn,
      ResponseURL: callbackUrl(row, publicUrl(), { routed: await isRouted(token, call) }),
      StackId: request.stackId,
      RequestId: row.callback,
      LogicalResourceId: request.logicalId,
      ...(step.physicalId === undefined ? {} : { PhysicalResourceId: step.physicalId }),
      ResourceType: type,
      ResourceProperties: asText(step.properties),
      ...(step.oldProperties === undefined ? {} : { OldResourceProperties: asText(step.oldProperties) }),
    };
    const text = JSON.stringify(event);
    if (token.isTopic) {
      const { region } = parseArn(token.arn) ?? call;
      const Subject = "AWS CloudFormation custom resource request";
      await peers.sns.Publish({ TopicArn: token.arn, Subject, Message: text }, { ...call, region });
    } else {
      const Payload = Buffer.from(text);
      await peers.lambda.Invoke({ FunctionName: token.arn, InvocationType: "Event", Payload }, call);
    }
    await callbacks.sent(row);
  };

  /** The function's answer, or the failure that the stack tells. */
  const ask = async (request: ResourceRequest, step: Step, call: Call): Promise<ResourceState> => {
    const row = await openRequest(request, step, call);
    if (!row.sent) {
      await send(row, request, step, call).catch((error: unknown) => {
        throw isFault(error) ? new ResourceFailure(error.message) : error;
      });
    }
    // The wait may be long, and other stacks can use the place meanwhile.
    const takeBack = engine.lend();
    try {
      const deadlineMs = row.deadline_ms ?? clock.now();
      const [answer] = await callbacks.wait(row, deadlineMs, (answers) => answers.length > 0, call.signal);
      return stateOf(answer?.body as CustomAnswer | undefined, row, request, step);
    } finally {
      takeBack();
    }
  };

  return {
    type,
    properties: ["ServiceToken", "ServiceTimeout"],
    required: ["ServiceToken"],
    open: true,
    attributes: [],
    attributePrefix: "",
    stepMsMax: serviceTimeoutSecondsMax * 1_000 + spareMs,
    create: (request, call) => ask(request, { type: "Create", name: "", properties: request.properties }, call),
    async update(request, call) {
      const { properties, physicalId, attributes, former, stackId } = request;
      if (member(former.properties, "ServiceToken") !== member(properties, "ServiceToken")) {
        if (isRestoring(await store.read((tx) => ownStack(tx, stackId, call)))) return { physicalId, attributes };
        throw new ResourceFailure("Modifying service token is not allowed.");
      }
      return ask(request, updateStep(request), call);
    },
    async delete(request, call) {
      const { physicalId, properties } = request;
      await ask(request, { type: "Delete", name: "", properties, physicalId }, call);
    },
  };
}

function updateStep({ properties, physicalId, former }: ResourceUpdate): Step {
  // Forth and back again are two steps of one operation, and differ in what the resource is to be.
  const name = JSON.stringify(properties);
  return { type: "Update", name, properties, physicalId, oldProperties: former.properties };
}

function stateOf(
  answer: CustomAnswer | undefined,
  row: CallbackRow,
  request: ResourceRequest,
  step: Step,
): ResourceState {
  const created = step.type === "Create";
  const failure = (reason: string, physicalId = "") =>
    new ResourceFailure(reason, created ? physicalId || request.physicalName : undefined);
  if (answer === undefined) {
    throw failure(
      `CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [${row.callback}]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.`,
    );
  }
  if (answer.kind === "fault") throw failure(answer.fault);
  if (answer.kind === "failed") {
    const { reason, physicalId } = answer;
    throw failure(
      `Received response status [FAILED] from custom resource. Message returned: ${reason} (RequestId: ${row.callback})`,
      physicalId,
    );
  }
  const physicalId = answer.physicalId || step.physicalId;
  if (physicalId === undefined) throw failure("Invalid PhysicalResourceId");
  return { physicalId, attributes: { ...answer.data, ...(answer.noEcho ? { [noEchoAttribute]: true } : {}) } };
}

interface ServiceToken {
  /** Of a function, or of a topic whose subscriber answers. */
  arn: string;
  isTopic: boolean;
}

function serviceTokenOf(properties: JsonObject): ServiceToken {
  const token = member(properties, "ServiceToken");
  const arn = typeof token === "string" ? parseArn(token) : undefined;
  const isTopic = arn?.service === "sns" && !arn.resource.endsWith(".fifo");
  const isFunction = arn?.service === "lambda" && arn.resource.startsWith("function:");
  if (typeof token !== "string" || !(isTopic || isFunction)) throw invalid("Invalid service token.");
  return { arn: token, isTopic };
}

/** In seconds. */
function timeoutOf(properties: JsonObject): number {
  const given = member(properties, "ServiceTimeout");
  if (given === undefined) return serviceTimeoutSecondsMax;
  const seconds = isScalar(given) ? Number(given) : Number.NaN;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > serviceTimeoutSecondsMax) {
    throw new ResourceFailure(`ServiceTimeout must be an integer from 1 to ${serviceTimeoutSecondsMax}.`);
  }
  return seconds;
}

/** Functions get every scalar as a string. */
function asText(value: JsonObject): Json {
  const textIn = (inner: Json): Json => {
    if (isList(inner)) return inner.map(textIn);
    if (isMap(inner)) return Object.fromEntries(Object.entries(inner).map(([name, of]) => [name, textIn(of)]));
    return isScalar(inner) ? textOf(inner) : inner;
  };
  return textIn(value);
}
