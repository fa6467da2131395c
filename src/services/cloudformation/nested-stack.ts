/**
 * `AWS::CloudFormation::Stack`: a stack as a resource of another. It is made, changed and deleted by the operations
 * that clients use, and its parent's driver waits until it rests.
 */
import { isFault, must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Operation, Deps } from "../../kit/service.ts";
import {
  asProperties,
  type Json,
  type JsonObject,
  type Resource,
  type ResourceRequest,
  type ResourceState,
} from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { createStackOperations } from "./create-stack.ts";
import type { deleteStackOperations } from "./delete-stack.ts";
import type { Engine } from "./engine.ts";
import { fault, invalid, unsupported } from "./faults.ts";
import { record, stackArn } from "./journal.ts";
import { isList, isMap, isScalar, member, textOf } from "./json.ts";
import { stackNameLengthMax } from "./limits.ts";
import { findStack, ownStack } from "./lookup.ts";
import { ofStack, stackEvents, type StackRow } from "./tables.ts";
import type { updateStackOperations } from "./update-stack.ts";

/** How often a parent looks at its child. */
const lookMs = 100;

export type StackOperations = Pick<ReturnType<typeof createStackOperations>, "CreateStack"> &
  Pick<ReturnType<typeof updateStackOperations>, "UpdateStack"> &
  Pick<ReturnType<typeof deleteStackOperations>, "DeleteStack"> &
  Readonly<Record<string, Operation>>;

export function nestedStackResource(deps: Deps, engine: Engine, operations: StackOperations): Resource {
  const { store, clock } = deps;
  const read = (id: string, call: Call) => store.read((tx) => ownStack(tx, id, call));

  /** The stack when it rests. Its parent's driver gives its place away meanwhile: else parents could hold them all. */
  const rested = async (id: string, call: Call): Promise<StackRow> => {
    const takeBack = engine.lend();
    try {
      for (;;) {
        const stack = await read(id, call);
        if (!stack.status.endsWith("_IN_PROGRESS")) return stack;
        await clock.sleep(lookMs, call.signal);
      }
    } finally {
      takeBack();
    }
  };

  const adopt = (id: string, request: ResourceRequest, call: Call) =>
    store.tx(async (tx) => {
      const parent = await ownStack(tx, request.stackId, call);
      const child = await ownStack(tx, id, call);
      const settings = {
        ...child.settings,
        parentId: request.stackId,
        rootId: parent.settings.rootId ?? request.stackId,
      };
      await record(tx, child, { stack: { settings }, events: [] }, clock.now());
    });

  /** Why the stack did not become what it was to be: the last reason that its own events give. */
  const reasonOf = async (stack: StackRow): Promise<string> => {
    const told = await store.read((tx) =>
      tx.one<{ reason: string }>(sql`select reason from ${stackEvents.name} where ${ofStack(stack)}
        and logical_id = ${stack.name} and reason is not null
        and status in (${"CREATE_FAILED"}, ${"UPDATE_ROLLBACK_IN_PROGRESS"}, ${"DELETE_FAILED"})
        order by number desc limit 1`),
    );
    return told?.reason ?? stack.status;
  };

  const failed = async (stack: StackRow, what: string) =>
    fault(
      "ValidationError",
      `Embedded stack ${stackArn(stack)} was not successfully ${what}: ${await reasonOf(stack)}`,
    );

  const remove = async (id: string, call: Call) => {
    await rested(id, call);
    await operations.DeleteStack({ StackName: id }, call);
    return rested(id, call);
  };

  const inputOf = async (request: ResourceRequest, call: Call) => {
    const { settings } = await read(request.stackId, call);
    return {
      TemplateURL: text(request.properties, "TemplateURL"),
      Parameters: parametersOf(request.properties),
      Tags: tagsOf(request),
      Capabilities: [...settings.capabilities] as (
        | "CAPABILITY_IAM"
        | "CAPABILITY_NAMED_IAM"
        | "CAPABILITY_AUTO_EXPAND"
      )[],
    };
  };

  return {
    type: "AWS::CloudFormation::Stack",
    properties: ["NotificationARNs", "Parameters", "Tags", "TemplateURL", "TimeoutInMinutes"],
    required: ["TemplateURL"],
    attributes: [],
    attributePrefix: "Outputs.",
    name: { property: "StackName", lengthMax: stackNameLengthMax },
    async create(request, call) {
      refuse(request.properties);
      const minutes = member(request.properties, "TimeoutInMinutes");
      const input = {
        ...(await inputOf(request, call)),
        StackName: request.physicalName,
        OnFailure: "DO_NOTHING" as const,
        ClientRequestToken: request.token,
        ...(minutes === undefined ? {} : { TimeoutInMinutes: Number(minutes) }),
      };
      const { StackId } = await operations.CreateStack(input, call);
      const id = must(StackId, "the id of a nested stack");
      await adopt(id, request, call);
      const stack = await rested(id, call);
      if (stack.status === "CREATE_COMPLETE") return stateOf(stack);
      // Its parent knows nothing of a step that failed, so it goes here.
      const error = await failed(stack, "created");
      if (stack.status !== "DELETE_COMPLETE") await remove(id, call);
      throw error;
    },
    async update(request, call) {
      refuse(request.properties);
      const { physicalId: id } = request;
      await rested(id, call);
      const input = { ...(await inputOf(request, call)), StackName: id };
      const unchanged = await operations.UpdateStack(input, call).then(
        () => false,
        (error: unknown) => {
          if (!isFault(error) || error.message !== "No updates are to be performed.") throw error;
          return true;
        },
      );
      const stack = await rested(id, call);
      if (!unchanged && stack.status !== "UPDATE_COMPLETE") throw await failed(stack, "updated");
      return stateOf(stack);
    },
    async read({ physicalId: id, properties }, call) {
      const stack = await store.read((tx) => findStack(tx, id, call));
      if (stack === undefined || stack.status === "DELETE_COMPLETE") return undefined;
      const wanted = member(properties, "Parameters") ?? {};
      const isWanted = (key: string) => isMap(wanted) && isList(member(wanted, key));
      return asProperties({
        Parameters: Object.fromEntries(
          stack.parameters.map(({ key, text: value }) => [key, isWanted(key) ? value.split(",") : value]),
        ),
        Tags: stack.settings.tags,
        TimeoutInMinutes: stack.settings.timeoutMinutes,
      });
    },
    // Where its template came from is not kept; NotificationARNs are refused.
    comparison: { NotificationARNs: "unread", TemplateURL: "unread" },
    async delete({ physicalId: id }, call) {
      const stack = await remove(id, call);
      if (stack.status !== "DELETE_COMPLETE") throw await failed(stack, "deleted");
    },
  };
}

function refuse(properties: JsonObject): void {
  const topics = member(properties, "NotificationARNs");
  if (isList(topics) && topics.length > 0) throw unsupported("NotificationARNs of AWS::CloudFormation::Stack");
}

function stateOf(stack: StackRow): ResourceState {
  const outputs = stack.outputs.map(({ key, value }): [string, Json] => [`Outputs.${key}`, value]);
  return { physicalId: stackArn(stack), attributes: Object.fromEntries(outputs) };
}

function text(properties: JsonObject, name: string): string {
  const value = member(properties, name);
  if (!isScalar(value)) throw invalid(`Value of property ${name} must be of type String`);
  return textOf(value);
}

function parametersOf(properties: JsonObject) {
  const given = member(properties, "Parameters");
  if (given === undefined) return [];
  if (!isMap(given)) throw invalid("Value of property Parameters must be an object");
  return Object.entries(given).map(([ParameterKey, value]) => {
    const items = isList(value) ? value : [value];
    if (!items.every(isScalar)) {
      throw invalid("Value of property Parameters must be an object with String (or simple type) properties");
    }
    return { ParameterKey, ParameterValue: items.map(textOf).join(",") };
  });
}

/** The parent's tags, and its own over them. */
function tagsOf({ properties, tags }: ResourceRequest) {
  const own = member(properties, "Tags");
  const pairs = (isList(own) ? own : [])
    .filter(isMap)
    .map((tag): [string, string] => [text(tag, "Key"), text(tag, "Value")]);
  const all = new Map([...Object.entries(tags).filter(([key]) => !key.startsWith("aws:")), ...pairs]);
  return [...all].map(([Key, Value]) => ({ Key, Value }));
}
