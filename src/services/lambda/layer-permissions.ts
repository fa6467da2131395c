/** Resource policies of layer versions: which other accounts may use them. */
import { decide, type PolicyDocument, type PolicyStatement } from "../../kit/authorize.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { checkRevision, fault } from "./faults.ts";
import { policyBytesMax } from "./limits.ts";
import {
  layerArn,
  layerDenied,
  layerKey,
  layerVersionArn,
  ownLayer,
  type LayerKey,
  type LayerVersionKey,
} from "./layer-names.ts";
import { findLayer, isLayer, layers } from "./layer-tables.ts";

const documentOf = (statements: readonly PolicyStatement[]): PolicyDocument => ({
  Version: "2012-10-17",
  Id: "default",
  Statement: statements,
});

export interface LayerPermission {
  statementId: string;
  action: string;
  principal: string;
  organizationId?: string | undefined;
}

function statementOf(key: LayerVersionKey, input: LayerPermission): PolicyStatement {
  const { statementId: Sid, action: Action, principal, organizationId } = input;
  const root = /^\d{12}$/.test(principal) ? `arn:aws:iam::${principal}:root` : principal;
  return {
    Sid,
    Effect: "Allow",
    Principal: principal === "*" ? "*" : { AWS: root },
    Action,
    Resource: layerVersionArn(key),
    ...(organizationId === undefined ? {} : { Condition: { StringEquals: { "aws:PrincipalOrgID": organizationId } } }),
  };
}

/** Throws unless the caller may read this layer: one of another account needs a statement that says so. */
export function checkLayerReader(
  key: LayerKey & { version?: number },
  statements: readonly PolicyStatement[],
  call: Call,
  operation = "GetLayerVersion",
): void {
  if (key.account === call.account) return;
  const arn = key.version === undefined ? layerArn(key) : layerVersionArn({ ...key, version: key.version });
  const action = `lambda:${operation}`;
  const policy = documentOf(statements);
  if (decide({ principal: call.principal, action, arn, context: {}, policy }) === "allow") return;
  throw layerDenied(arn, call, operation);
}

const noPolicy = () => fault("ResourceNotFoundException", "No policy is associated with the given resource.");

export function layerPermissions({ store, ids }: LambdaDeps) {
  /** Changes the statements of a layer version, and gives its new revision. */
  const change = async (
    key: LayerVersionKey,
    revision: string | undefined,
    after: (present: readonly PolicyStatement[]) => PolicyStatement[],
  ): Promise<string> => {
    const revisionId = ids.uuid();
    return store.tx(async (tx) => {
      const row = await findLayer(tx, key);
      if (row === undefined) {
        throw fault("ResourceNotFoundException", `Layer version ${layerVersionArn(key)} does not exist.`);
      }
      checkRevision(revision, row.revision_id, "GetLayerVersionPolicy");
      const statements = after(row.statements);
      const bytes = Buffer.byteLength(JSON.stringify(documentOf(statements)));
      if (bytes > policyBytesMax) {
        throw fault(
          "PolicyLengthExceededException",
          `The final policy size (${bytes}) is bigger than the limit (${policyBytesMax}).`,
        );
      }
      await tx.run(sql`update ${layers.name} set ${assign(layers, { statements, revision_id: revisionId })}
        where ${isLayer(key)} and version = ${key.version}`);
      return revisionId;
    });
  };

  return {
    /** `repeatable`: the very same statement again is fine. */
    async add(
      key: LayerVersionKey,
      input: LayerPermission,
      { revision, repeatable = false }: { revision?: string | undefined; repeatable?: boolean } = {},
    ) {
      const statement = statementOf(key, input);
      const revisionId = await change(key, revision, (present) => {
        const same = present.find(({ Sid }) => Sid === input.statementId);
        if (same === undefined) return [...present, statement];
        if (repeatable && JSON.stringify(same) === JSON.stringify(statement)) return [...present];
        throw fault(
          "ResourceConflictException",
          `The statement id (${input.statementId}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      });
      return { Statement: JSON.stringify(statement), RevisionId: revisionId };
    },
    async remove(key: LayerVersionKey, sid: string, revision?: string): Promise<void> {
      await change(key, revision, (present) => {
        if (!present.some(({ Sid }) => Sid === sid)) {
          throw fault("ResourceNotFoundException", `Statement ${sid} is not found in resource policy.`);
        }
        return present.filter(({ Sid }) => Sid !== sid);
      });
    },
  };
}

export function layerPermissionOperations(deps: LambdaDeps) {
  const { add, remove } = layerPermissions(deps);
  const keyOf = (name: string, version: number, call: Call, operation: string) => ({
    ...ownLayer(layerKey(name, call), call, operation),
    version,
  });

  return {
    async AddLayerVersionPermission(input, call) {
      const key = keyOf(input.LayerName, input.VersionNumber, call, "AddLayerVersionPermission");
      const { StatementId: statementId, Action: action, Principal: principal, OrganizationId: organizationId } = input;
      return add(key, { statementId, action, principal, organizationId }, { revision: input.RevisionId });
    },

    async RemoveLayerVersionPermission(input, call) {
      const key = keyOf(input.LayerName, input.VersionNumber, call, "RemoveLayerVersionPermission");
      await remove(key, input.StatementId, input.RevisionId);
      return {};
    },

    async GetLayerVersionPolicy(input, call) {
      const key = keyOf(input.LayerName, input.VersionNumber, call, "GetLayerVersionPolicy");
      const row = await deps.store.read((tx) => findLayer(tx, key));
      if (row === undefined || row.statements.length === 0) throw noPolicy();
      return { Policy: JSON.stringify(documentOf(row.statements)), RevisionId: row.revision_id };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
