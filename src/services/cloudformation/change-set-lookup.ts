/** Change sets by what a client calls them: a name of a stack, or an ARN. */
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { fault, invalid } from "./faults.ts";
import { ownStack } from "./lookup.ts";
import { changeSets, ofStack, readStack, type ChangeSetRow, type StackRow } from "./tables.ts";

export interface ChangeSet {
  row: ChangeSetRow;
  stack: StackRow;
}

export function changeSetArn({ account, region, name, id }: ChangeSetRow): string {
  return formatArn({ service: "cloudformation", region, account, resource: `changeSet/${name}/${id}` });
}

/** The change set, or undefined when the stack has none of this name. Throws AWS's error for a stack that is not there. */
export async function findChangeSet(
  tx: ReadTx,
  nameOrId: string,
  stackName: string | undefined,
  call: Pick<Call, "account" | "region">,
): Promise<ChangeSet | undefined> {
  const { account, region } = call;
  if (nameOrId.startsWith("arn:")) {
    const [, , id] = parseArn(nameOrId)?.resource.split("/") ?? [];
    const row = await tx.one<ChangeSetRow>(sql`select ${changeSets.columns} from ${changeSets.name}
      where account = ${account} and region = ${region} and id = ${id ?? ""}`);
    const stack = row === undefined ? undefined : await readStack(tx, row);
    return row === undefined || stack === undefined ? undefined : { row, stack };
  }
  if (stackName === undefined) {
    throw invalid("StackName must be specified if ChangeSetName is not specified as an ARN.");
  }
  const stack = await ownStack(tx, stackName, call);
  const row = await tx.one<ChangeSetRow>(
    sql`select ${changeSets.columns} from ${changeSets.name} where ${ofStack(stack)} and name = ${nameOrId}`,
  );
  return row === undefined ? undefined : { row, stack };
}

/** The change set, or AWS's error. */
export async function ownChangeSet(
  tx: ReadTx,
  nameOrId: string,
  stackName: string | undefined,
  call: Pick<Call, "account" | "region">,
): Promise<ChangeSet> {
  const found = await findChangeSet(tx, nameOrId, stackName, call);
  if (found === undefined) throw fault("ChangeSetNotFoundException", `ChangeSet [${nameOrId}] does not exist`);
  return found;
}

/** Whether it can be executed, or why not. */
export function executionStatusOf({ row, stack }: ChangeSet) {
  if (row.executed) return "EXECUTE_COMPLETE";
  if (row.status === "FAILED") return "UNAVAILABLE";
  return row.operation === stack.operation ? "AVAILABLE" : "OBSOLETE";
}
