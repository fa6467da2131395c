/** Stacks by what a client calls them: a name, of one that lives, or an id, of any. */
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { invalid } from "./faults.ts";
import { stackNameOrIdPattern } from "./limits.ts";
import { readStack, stackNames, type StackRow } from "./tables.ts";

/** The stack, or undefined. A deleted one is found by its id only. */
export async function findStack(tx: ReadTx, nameOrId: string, call: Pick<Call, "account" | "region">) {
  if (!stackNameOrIdPattern.test(nameOrId)) {
    throw invalid(
      `1 validation error detected: Value '${nameOrId}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*`,
    );
  }
  const { account, region } = call;
  const stack = nameOrId.startsWith("arn:") ? uuidOf(nameOrId, call) : await liveUuid(tx, nameOrId, call);
  return stack === undefined ? undefined : readStack(tx, { account, region, stack });
}

function uuidOf(id: string, { account, region }: Pick<Call, "account" | "region">): string | undefined {
  const arn = parseArn(id);
  if (arn === undefined || arn.account !== account || arn.region !== region) return undefined;
  const [kind, , uuid] = arn.resource.split("/");
  return kind === "stack" ? uuid : undefined;
}

async function liveUuid(tx: ReadTx, name: string, { account, region }: Pick<Call, "account" | "region">) {
  const row = await tx.one<{ stack: string }>(
    sql`select stack from ${stackNames.name} where account = ${account} and region = ${region} and name = ${name}`,
  );
  return row?.stack;
}

/** The stack, or AWS's error. */
export async function ownStack(
  tx: ReadTx,
  nameOrId: string,
  call: Pick<Call, "account" | "region">,
): Promise<StackRow> {
  const stack = await findStack(tx, nameOrId, call);
  if (stack === undefined) throw invalid(`Stack with id ${nameOrId} does not exist`);
  return stack;
}

/** Whether the stack takes an update back: what an update refused to change is as it was. */
export function isRestoring({ status }: StackRow): boolean {
  return status === "UPDATE_ROLLBACK_IN_PROGRESS";
}
