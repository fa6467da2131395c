/** CancelUpdateStack, ContinueUpdateRollback, UpdateTerminationProtection. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { insert } from "../../store/tables.ts";
import { workFor } from "./create-stack.ts";
import type { Engine } from "./engine.ts";
import { invalid, unsupported } from "./faults.ts";
import { record, stackArn, stackChange } from "./journal.ts";
import { ownStack } from "./lookup.ts";
import { readFormers, readResources, stackWork } from "./tables.ts";
import { together } from "./transitions.ts";
import { restoreSkipped } from "./update-transitions.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

export function updateControlOperations({ store, clock }: Deps, engine: Engine) {
  return {
    async CancelUpdateStack({ StackName: name }, call) {
      const now = clock.now();
      await store.tx(async (tx) => {
        const stack = await ownStack(tx, name, call);
        if (stack.status !== "UPDATE_IN_PROGRESS") {
          throw invalid("CancelUpdateStack cannot be called from current stack status");
        }
        // Its driver reads this at its next step: what runs is waited for, then everything is put back.
        const settings = { ...stack.settings, disableRollback: false };
        await record(tx, stack, { stack: { failure: stack.failure ?? "User Initiated", settings }, events: [] }, now);
        tx.afterCommit(() => engine.wake());
      });
      return {};
    },

    async ContinueUpdateRollback(input, call) {
      if (input.RoleARN !== undefined) throw unsupported("RoleARN of ContinueUpdateRollback");
      const now = clock.now();
      const skipped = new Set(input.ResourcesToSkip ?? []);
      await store.tx(async (tx) => {
        const stack = await ownStack(tx, input.StackName, call);
        if (stack.status !== "UPDATE_ROLLBACK_FAILED") {
          throw invalid(
            `Stack:${stackArn(stack)} is in ${stack.status} state and can not continue rolling back the update.`,
          );
        }
        const operation = stack.operation + 1;
        const next = { ...stack, operation };
        const begun = stackChange(next, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated");
        const formers = new Map((await readFormers(tx, stack)).map((former) => [former.row.logical_id, former]));
        const rows = (await readResources(tx, stack)).filter((row) => skipped.has(row.logical_id));
        const unknown = [...skipped].find(
          (id) => rows.find((row) => row.logical_id === id)?.status !== "UPDATE_FAILED",
        );
        if (unknown !== undefined) {
          throw invalid(`Resource [${unknown}] is not in a state in which its rollback can be skipped`);
        }
        const skips = together(
          rows.flatMap((row) => {
            const former = formers.get(row.logical_id);
            return former === undefined ? [] : [restoreSkipped(row, former, next)];
          }),
        );
        const stackSet = { ...begun.stack, operation, failure: null };
        await record(tx, next, { ...skips, stack: stackSet, events: [...begun.events, ...skips.events] }, now);
        await tx.run(insert(stackWork, workFor(next, now)));
        tx.afterCommit(() => engine.wake());
      });
      return {};
    },

    async UpdateTerminationProtection({ StackName: name, EnableTerminationProtection: enabled }, call) {
      const now = clock.now();
      const stack = await store.tx(async (tx) => {
        const found = await ownStack(tx, name, call);
        if (found.settings.rootId !== undefined) {
          throw invalid(
            `Termination protection of nested stack [${found.name}] cannot be changed: it is that of its root stack ${found.settings.rootId}`,
          );
        }
        const settings = { ...found.settings, terminationProtection: enabled };
        return record(tx, found, { stack: { settings }, events: [] }, now);
      });
      return { StackId: stackArn(stack) };
    },
  } satisfies Handlers<Client>;
}
