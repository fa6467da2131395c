/** SignalResource: a signal to a resource by its name, where no URL is at hand. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { callbackAt, type Callbacks } from "./callbacks.ts";
import { signalOf } from "./condition-signals.ts";
import { invalid } from "./faults.ts";
import { member } from "./json.ts";
import { ownStack } from "./lookup.ts";
import { readResources } from "./tables.ts";
import { conditionType } from "./wait-condition.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

export function signalOperations({ store }: Pick<Deps, "store">, callbacks: Callbacks) {
  return {
    async SignalResource({ StackName: name, LogicalResourceId: logicalId, UniqueId: id, Status: status }, call) {
      const { row, stack } = await store.read(async (tx) => {
        const found = await ownStack(tx, name, call);
        const rows = await readResources(tx, found);
        return { stack: found, row: rows.find(({ logical_id: of }) => of === logicalId) };
      });
      if (row === undefined || row.status === null) {
        throw invalid(`Resource ${logicalId} does not exist for stack ${stack.name}`);
      }
      if (row.type !== conditionType) throw invalid(`Resource ${logicalId} of type ${row.type} takes no signals.`);
      if (row.status !== "CREATE_IN_PROGRESS") {
        throw invalid(`Resource ${logicalId} is in ${row.status} state and cannot be signaled`);
      }
      const handle = member(row.properties ?? {}, "Handle");
      const key = typeof handle === "string" ? callbackAt(handle) : undefined;
      if (key === undefined) throw invalid(`Resource ${logicalId} has no handle`);
      const { uniqueId, signal } = signalOf(status, id, `${status} signal with UniqueId ${id}`, "");
      await callbacks.answer(key, uniqueId, signal);
      return {};
    },
  } satisfies Handlers<Client>;
}
