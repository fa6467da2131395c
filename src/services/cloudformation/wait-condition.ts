/** `AWS::CloudFormation::WaitConditionHandle` and `AWS::CloudFormation::WaitCondition`: a stack waits for signals. */
import type { Call } from "../../kit/call.ts";
import { ResourceFailure, type Resource, type ResourceRequest } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import type { AnswerRow } from "./callback-tables.ts";
import { callbackAt, callbackUrl, type CallbackKey, type Callbacks } from "./callbacks.ts";
import { uuidOf } from "./derived-id.ts";
import type { Engine } from "./engine.ts";
import { isScalar, member, textOf, type JsonObject } from "./json.ts";
import { callbackAnswersMax, waitTimeoutSecondsMax } from "./limits.ts";
import { isRestoring, ownStack } from "./lookup.ts";

export const conditionType = "AWS::CloudFormation::WaitCondition";
const spareMs = 60_000;

function handleResource({ store, publicUrl }: Deps, callbacks: Callbacks): Resource {
  return {
    type: "AWS::CloudFormation::WaitConditionHandle",
    properties: [],
    required: [],
    attributes: [],
    async create(request, call) {
      const { account, region, stack } = await store.read((tx) => ownStack(tx, request.stackId, call));
      const key = { account, region, stack, callback: uuidOf(request.token) };
      const row = await callbacks.open(key, { kind: "handle", logical_id: request.logicalId, deadline_ms: null });
      // Signals come from anywhere: no runtime of the node's is between.
      return { physicalId: callbackUrl(row, publicUrl(), { routed: false }), attributes: {} };
    },
    async delete({ physicalId }) {
      const key = callbackAt(physicalId);
      if (key !== undefined) await callbacks.close(key);
    },
  };
}

function conditionResource({ store, clock }: Deps, engine: Engine, callbacks: Callbacks): Resource {
  /** The condition's own row: when it began does not change with a crash. */
  const opened = async (request: ResourceRequest, seconds: number, call: Call) => {
    const { account, region, stack } = await store.read((tx) => ownStack(tx, request.stackId, call));
    const key = { account, region, stack, callback: uuidOf(request.token) };
    const deadlineMs = clock.now() + seconds * 1_000;
    return callbacks.open(key, { kind: "condition", logical_id: request.logicalId, deadline_ms: deadlineMs });
  };

  const signals = async (key: CallbackKey, deadlineMs: number, count: number, call: Call) => {
    const takeBack = engine.lend();
    try {
      const isOver = (found: readonly AnswerRow[]) => found.length >= count || found.some(hasFailed);
      return await callbacks.wait(key, deadlineMs, isOver, call.signal);
    } finally {
      takeBack();
    }
  };

  return {
    type: conditionType,
    properties: ["Count", "Handle", "Timeout"],
    required: ["Handle", "Timeout"],
    attributes: ["Data"],
    stepMsMax: waitTimeoutSecondsMax * 1_000 + spareMs,
    async create(request, call) {
      const { properties, stackId, logicalId } = request;
      const count = numberOf(properties, "Count", 1, callbackAnswersMax);
      const handle = member(properties, "Handle");
      const key = typeof handle === "string" ? callbackAt(handle) : undefined;
      if (key === undefined || key.account !== call.account || (await callbacks.find(key))?.kind !== "handle") {
        throw new ResourceFailure("Invalid WaitConditionHandle");
      }
      const row = await opened(request, numberOf(properties, "Timeout", 0, waitTimeoutSecondsMax), call);
      const found = count === 0 ? [] : await signals(key, row.deadline_ms ?? 0, count, call);
      const failed = found.find(hasFailed);
      if (failed !== undefined) {
        const { unique_id: id, body } = failed;
        const reason = isScalar(body["reason"]) ? textOf(body["reason"]) : "";
        throw new ResourceFailure(`WaitCondition received failed message: '${reason}' for uniqueId: ${id}`);
      }
      if (found.length < count) {
        throw new ResourceFailure(
          `WaitCondition timed out. Received ${found.length} conditions when expecting ${count}`,
        );
      }
      const data = Object.fromEntries(found.map(({ unique_id: id, body }) => [id, body["data"] ?? ""]));
      return { physicalId: `${stackId}/${logicalId}`, attributes: { Data: JSON.stringify(data) } };
    },
    async update({ stackId, physicalId, attributes }, call) {
      if (isRestoring(await store.read((tx) => ownStack(tx, stackId, call)))) return { physicalId, attributes };
      throw new ResourceFailure(`Update to resource type ${conditionType} is not supported.`);
    },
    delete: async () => {},
  };
}

function hasFailed({ body }: AnswerRow): boolean {
  return body["status"] === "FAILURE";
}

function numberOf(properties: JsonObject, name: string, min: number, max: number): number {
  const given = member(properties, name) ?? 1;
  const value = isScalar(given) ? Number(textOf(given)) : Number.NaN;
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ResourceFailure(`Value of property ${name} must be an integer from ${min} to ${max}`);
  }
  return value;
}

export function waitResources(deps: Deps, engine: Engine, callbacks: Callbacks): readonly Resource[] {
  return [handleResource(deps, callbacks), conditionResource(deps, engine, callbacks)];
}
