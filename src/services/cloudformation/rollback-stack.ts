/** RollbackStack: the way back from what failed and was not rolled back. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken } from "../../kit/tokens.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { workFor } from "./create-stack.ts";
import { forgetUpdate } from "./delete-stack.ts";
import type { Engine } from "./engine.ts";
import { fault, invalid } from "./faults.ts";
import { record, stackArn, stackChange, type Change } from "./journal.ts";
import { ownStack } from "./lookup.ts";
import { readCounterpart, stackWork, type StackRow, type StackSettings } from "./tables.ts";
import { turnBack } from "./update-endings.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

const failed = new Set<StackRow["status"]>(["CREATE_FAILED", "UPDATE_FAILED"]);

export function rollbackOperations({ store, clock }: Deps, engine: Engine) {
  return {
    async RollbackStack(input, call) {
      const now = clock.now();
      const { ClientRequestToken: token, RetainExceptOnCreate: retainExceptOnCreate, RoleARN: roleArn } = input;
      const use = {
        operation: "cloudformation:RollbackStack",
        token,
        input,
        call,
        now,
        mismatch: () => fault("TokenAlreadyExistsException", `Token ${token} already exists`),
      };
      const asked = {
        ...(retainExceptOnCreate === undefined ? {} : { retainExceptOnCreate }),
        ...(roleArn === undefined ? {} : { roleArn }),
        ...(token === undefined ? {} : { clientRequestToken: token }),
      };
      return store.tx((tx) =>
        oncePerToken(tx, use, async () => {
          const stack = await ownStack(tx, input.StackName, call);
          if (!failed.has(stack.status)) {
            throw invalid(`Stack:${stackArn(stack)} is in ${stack.status} state and can not be rolled back.`);
          }
          await begin(tx, stack, asked, now);
          tx.afterCommit(() => engine.wake());
          return { StackId: stackArn(stack) };
        }),
      );
    },
  } satisfies Handlers<Client>;
}

/** Back to what the stack was before its updates failed; one that never was anything gives up all it has. */
async function begin(tx: Tx, read: StackRow, asked: Partial<StackSettings>, now: number): Promise<void> {
  const { roleArn } = asked;
  const stack: StackRow = {
    ...read,
    settings: { ...read.settings, ...asked },
    ...(roleArn === undefined
      ? {}
      : { principal: { kind: "role", account: read.account, roleArn, session: "AWSCloudFormation" } }),
  };
  const counterpart = await readCounterpart(tx, stack);
  const operation = stack.operation + 1;
  const change: Change & Required<Pick<Change, "stack">> =
    counterpart === undefined
      ? withdrawn(stack, operation)
      : await turnBack(tx, counterpart, stack, stackChange(stack, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"));
  if (counterpart === undefined) await forgetUpdate(tx, stack);
  await record(tx, stack, { ...change, stack: { principal: stack.principal, ...change.stack } }, now);
  await tx.run(insert(stackWork, workFor({ ...stack, operation }, now)));
}

function withdrawn(stack: StackRow, operation: number): Change & Required<Pick<Change, "stack">> {
  const begun = stackChange(stack, "ROLLBACK_IN_PROGRESS", "User Initiated");
  return { ...begun, stack: { ...begun.stack, settings: stack.settings, failure: null, operation } };
}
