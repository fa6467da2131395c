/** PutPermission and RemovePermission: the policy of a bus, as a whole or by the statement. */
import type { PolicyDocument, PolicyStatement } from "../../kit/authorize.ts";
import { readPolicy } from "../../kit/policy-text.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { upsert } from "../../store/tables.ts";
import type { Call } from "../../kit/call.ts";
import { openBus, refOf } from "./bus-rows.ts";
import type { EventsDeps } from "./deps.ts";
import { fault, invalid } from "./faults.ts";
import { policyBytesMax } from "./limits.ts";
import { busArn } from "./names.ts";
import { buses, type BusRow } from "./tables.ts";

/** Throws AWS's words for what is no policy of a bus. */
export function checkedPolicy(text: string): PolicyDocument {
  const policy = readPolicy(text);
  if (policy === undefined) throw invalid("Parameter Policy is not valid.");
  return checkLength(policy);
}

function checkLength(policy: PolicyDocument): PolicyDocument {
  if (Buffer.byteLength(JSON.stringify(policy)) <= policyBytesMax) return policy;
  throw fault("PolicyLengthExceededException", "The event bus policy is too long.");
}

interface Statement {
  StatementId?: string | undefined;
  Principal?: string | undefined;
  Action?: string | undefined;
  Condition?: { Type: string; Key: string; Value: string } | undefined;
}

function statementOf(row: BusRow, { StatementId, Principal, Action, Condition }: Statement): PolicyStatement {
  for (const [name, value] of Object.entries({ StatementId, Principal, Action })) {
    if (value === undefined) throw invalid(`Parameter ${name} must be specified.`);
  }
  if (Action !== "events:PutEvents") throw invalid(`Provided value in parameter 'action' is not supported.`);
  return {
    Sid: StatementId ?? "",
    Effect: "Allow",
    Principal: Principal === "*" ? "*" : { AWS: `arn:aws:iam::${Principal}:root` },
    Action,
    Resource: busArn(refOf(row)),
    ...(Condition === undefined ? {} : { Condition: { [Condition.Type]: { [Condition.Key]: Condition.Value } } }),
  };
}

const version = "2012-10-17";

/** A bus with this statement; one with its id gives way. */
export function withStatement(row: BusRow, given: Statement): PolicyDocument {
  const statement = statementOf(row, given);
  const others = (row.policy?.Statement ?? []).filter(({ Sid }) => Sid !== statement.Sid);
  return checkLength({ Version: version, ...row.policy, Statement: [...others, statement] });
}

/** What is left of a policy: null when that is nothing. */
export function withoutStatement(row: BusRow, id: string): PolicyDocument | null {
  const all = row.policy?.Statement ?? [];
  const Statement = all.filter(({ Sid }) => Sid !== id);
  if (Statement.length === all.length) {
    throw fault("ResourceNotFoundException", "Statement with the provided id does not exist.");
  }
  return Statement.length === 0 ? null : { ...row.policy, Statement };
}

export function policyChange({ store, clock }: Pick<EventsDeps, "store" | "clock">) {
  return async (
    bus: string | undefined,
    operation: string,
    call: Call,
    make: (row: BusRow) => PolicyDocument | null,
  ): Promise<void> => {
    const now = clock.now();
    await store.tx(async (tx) => {
      const row = await openBus(tx, bus, operation, call);
      await tx.run(upsert(buses, { ...row, policy: make(row), modified_ms: now }));
    });
  };
}

export function permissionOperations(deps: EventsDeps) {
  const change = policyChange(deps);
  return {
    async PutPermission({ EventBusName, Policy, ...statement }, call) {
      await change(EventBusName, "PutPermission", call, (row) =>
        Policy === undefined ? withStatement(row, statement) : checkedPolicy(Policy),
      );
      return {};
    },

    async RemovePermission({ EventBusName, StatementId, RemoveAllPermissions }, call) {
      if (RemoveAllPermissions !== true && StatementId === undefined) {
        throw invalid("Parameter StatementId is required.");
      }
      await change(EventBusName, "RemovePermission", call, (row) =>
        RemoveAllPermissions === true ? null : withoutStatement(row, StatementId ?? ""),
      );
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
