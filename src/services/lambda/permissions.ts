/** Resource policies of functions, versions and aliases: who may invoke. */
import { parseArn } from "../../base/arn.ts";
import type { PolicyDocument, PolicyStatement } from "../../kit/authorize.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { checkRevision, fault, functionNotFound, invalid } from "./faults.ts";
import { policyBytesMax } from "./limits.ts";
import { arnOf, functionRef, isVersionNumber, latest, ownFunction, type FunctionRef } from "./names.ts";
import { findAlias, findFunction, findPolicy, findVersion, isFunction, policies, type PolicyRow } from "./tables.ts";

export type PermissionInput = Omit<
  Received<InputOf<typeof import("@aws-sdk/client-lambda"), "AddPermission">>,
  "FunctionName" | "Qualifier" | "RevisionId"
>;

const documentOf = (statements: readonly PolicyStatement[]): PolicyDocument => ({
  Version: "2012-10-17",
  Id: "default",
  Statement: statements,
});

function principalOf(text: string): PolicyStatement["Principal"] {
  if (text === "*") return "*";
  if (/^\d{12}$/.test(text)) return { AWS: `arn:aws:iam::${text}:root` };
  if (parseArn(text) !== undefined) return { AWS: text };
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(text)) return { Service: text };
  throw invalid("The provided principal was invalid. Please check the principal and try again.");
}

/** The statement that AddPermission writes; its members in AWS's order. */
export function statementOf(resource: string, input: PermissionInput): PolicyStatement {
  const equals = {
    "AWS:SourceAccount": input.SourceAccount,
    "lambda:EventSourceToken": input.EventSourceToken,
    "lambda:FunctionUrlAuthType": input.FunctionUrlAuthType,
    "aws:PrincipalOrgID": input.PrincipalOrgID,
  };
  const given = Object.entries(equals).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const condition = {
    ...(given.length === 0 ? {} : { StringEquals: Object.fromEntries(given) }),
    ...(input.SourceArn === undefined ? {} : { ArnLike: { "AWS:SourceArn": input.SourceArn } }),
    ...(input.InvokedViaFunctionUrl === undefined
      ? {}
      : { Bool: { "lambda:InvokedViaFunctionUrl": String(input.InvokedViaFunctionUrl) } }),
  };
  return {
    Sid: input.StatementId,
    Effect: "Allow",
    Principal: principalOf(input.Principal),
    Action: input.Action,
    Resource: resource,
    ...(Object.keys(condition).length === 0 ? {} : { Condition: condition }),
  };
}

async function checkExists(tx: ReadTx, ref: FunctionRef): Promise<void> {
  const { qualifier } = ref;
  const row = await findFunction(tx, ref);
  if (row === undefined) throw functionNotFound(arnOf(ref));
  if (qualifier === undefined) return;
  const direct = isVersionNumber(qualifier) || !/^[a-zA-Z0-9-_]+$/.test(qualifier);
  if (direct && (await findVersion(tx, ref, qualifier)) === undefined) throw functionNotFound(arnOf(ref));
  if (!direct && (await findAlias(tx, ref, qualifier)) === undefined) {
    throw fault("ResourceNotFoundException", `Cannot find alias arn: ${arnOf(ref)}`);
  }
}

export function permissionAddition({ store, ids }: LambdaDeps) {
  return async (
    ref: FunctionRef,
    input: PermissionInput,
    { revision = undefined as string | undefined, repeatable = false } = {},
  ) => {
    if (ref.qualifier === latest) throw invalid("We currently do not support adding policies for $LATEST.");
    const statement = statementOf(arnOf(ref), input);
    const { account, region, name, qualifier = "" } = ref;
    const revisionId = ids.uuid();
    await store.tx(async (tx) => {
      await checkExists(tx, ref);
      const policy = await findPolicy(tx, ref, qualifier);
      checkRevision(revision, policy?.revision_id ?? "", "GetPolicy");
      const present = policy?.statements ?? [];
      const same = present.find(({ Sid }) => Sid === input.StatementId);
      if (repeatable && JSON.stringify(same) === JSON.stringify(statement)) return;
      if (same !== undefined) {
        throw fault(
          "ResourceConflictException",
          `The statement id (${input.StatementId}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      }
      const statements = [...present, statement];
      const bytes = Buffer.byteLength(JSON.stringify(documentOf(statements)));
      if (bytes > policyBytesMax) {
        throw fault(
          "PolicyLengthExceededException",
          `The final policy size (${bytes}) is bigger than the limit (${policyBytesMax}).`,
        );
      }
      await tx.run(upsert(policies, { account, region, name, qualifier, revision_id: revisionId, statements }));
    });
    return statement;
  };
}

async function storeStatements(tx: Tx, policy: PolicyRow): Promise<void> {
  if (policy.statements.length > 0) {
    await tx.run(upsert(policies, policy));
    return;
  }
  await tx.run(sql`delete from ${policies.name} where ${isFunction(policy)} and qualifier = ${policy.qualifier}`);
}

export function permissionRemoval({ store, ids, retired }: LambdaDeps) {
  return async (ref: FunctionRef, sid: string, revision?: string): Promise<void> => {
    const { account, region, name, qualifier = "" } = ref;
    const revisionId = ids.uuid();
    await store.tx(async (tx) => {
      if ((await findFunction(tx, ref)) === undefined) {
        throw fault("ResourceNotFoundException", `No policy found for: ${arnOf(ref)}`);
      }
      await checkExists(tx, ref);
      const policy = await findPolicy(tx, ref, qualifier);
      if (policy === undefined) {
        throw fault("ResourceNotFoundException", "No policy is associated with the given resource.");
      }
      checkRevision(revision, policy.revision_id, "GetPolicy");
      const removed = policy.statements.find(({ Sid }) => Sid === sid);
      if (removed === undefined) {
        throw fault("ResourceNotFoundException", `Statement ${sid} is not found in resource policy.`);
      }
      const statements = policy.statements.filter((statement) => statement !== removed);
      await storeStatements(tx, { ...policy, statements, revision_id: revisionId });
      const gone = new Map([[qualifier, [removed]]]);
      tx.afterCommit(() =>
        retired.add({ account, region, name, versions: [], aliases: new Map(), statements: gone, reserved: null }),
      );
    });
  };
}

/** The ARN whose policy decides about an invocation: `$LATEST` has none of its own. */
export const policyArn = (ref: FunctionRef) =>
  arnOf({ ...ref, qualifier: ref.qualifier === latest ? undefined : ref.qualifier });

/** Policies kept at hand, by ARN. */
const policiesMax = 1_000;

/** The policy of a function's, version's or alias's ARN, as it was when the request behind `call` began. */
export function policyReader({ recall, retired }: LambdaDeps) {
  const documents = recall.of<PolicyDocument | undefined>(policiesMax);
  return async (arn: string, call: Call): Promise<PolicyDocument | undefined> => {
    const ref = functionRef(arn, undefined, call);
    const { qualifier = "" } = ref;
    const document = await documents(arn, async (tx) => {
      const policy = await findPolicy(tx, ref, qualifier);
      return policy && documentOf(policy.statements);
    });
    const gone = retired.statements(ref, qualifier, call.asOf);
    return gone.length === 0 ? document : documentOf([...(document?.Statement ?? []), ...gone]);
  };
}

export function permissionOperations(deps: LambdaDeps) {
  const { store } = deps;
  const add = permissionAddition(deps);
  const remove = permissionRemoval(deps);

  return {
    async AddPermission(input, call) {
      const { FunctionName, Qualifier, RevisionId: revision, ...permission } = input;
      const ref = ownFunction(FunctionName, Qualifier, call, "AddPermission");
      return { Statement: JSON.stringify(await add(ref, permission, { revision })) };
    },

    async RemovePermission(input, call) {
      const ref = ownFunction(input.FunctionName, input.Qualifier, call, "RemovePermission");
      await remove(ref, input.StatementId, input.RevisionId);
      return {};
    },

    async GetPolicy(input, call) {
      const ref = ownFunction(input.FunctionName, input.Qualifier, call, "GetPolicy");
      const policy = await store.read((tx) => findPolicy(tx, ref, ref.qualifier ?? ""));
      if (policy === undefined) {
        throw fault("ResourceNotFoundException", "The resource you requested does not exist.");
      }
      return { Policy: JSON.stringify(documentOf(policy.statements)), RevisionId: policy.revision_id };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
