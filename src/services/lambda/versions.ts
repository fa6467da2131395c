/** Versions: `$LATEST` as it is now, under a number that never changes again. */
import { createHash } from "node:crypto";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { configured, listed, versionArn } from "./configuration.ts";
import type { LambdaDeps } from "./deps.ts";
import { checkRevision, fault, functionNotFound, invalid, notYet } from "./faults.ts";
import { checkImage } from "./images.ts";
import { noteUses } from "./layer-tables.ts";
import { badMarker, pageLimit } from "./lookup.ts";
import { arnOf, latest, ownFunction, unqualifiedArn, type FunctionRef } from "./names.ts";
import { addCode } from "./quotas.ts";
import { findFunction, findVersion, isFunction, nextNumber, versions, type VersionRow } from "./tables.ts";

/** Made before the transaction: ids and time do not change when its body runs again. */
export interface VersionIdentity {
  revisionId: string;
  buildId: string;
  latestRevisionId: string;
  modifiedMs: number;
}

export const versionIdentity = ({ ids, clock }: Pick<LambdaDeps, "ids" | "clock">): VersionIdentity => ({
  revisionId: ids.uuid(),
  buildId: ids.uuid(),
  latestRevisionId: ids.uuid(),
  modifiedMs: clock.now(),
});

/** Members in order of name: an engine may give a json column back in another order than it got. */
const sorted = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** What a version is made of: the same code and settings publish the same version. */
const sourceHash = ({ code_sha256, settings }: VersionRow) =>
  createHash("sha256")
    .update(JSON.stringify([code_sha256, settings], sorted))
    .digest("hex");

const newestVersion = (tx: Tx, row: VersionRow) =>
  tx.one<VersionRow>(sql`select ${versions.columns} from ${versions.name}
    where ${isFunction(row)} and number > 0 order by number desc limit 1`);

export interface Publication {
  description?: string | undefined;
  token?: string | undefined;
}

/**
 * Publishes `$LATEST`. When nothing changed since the last version, gives that one (API reference, PublishVersion);
 * `unchanged` is called then.
 */
export async function publish(
  tx: Tx,
  row: VersionRow,
  identity: VersionIdentity,
  { description, token }: Publication = {},
  unchanged: (version: VersionRow) => void = () => {},
): Promise<VersionRow> {
  checkImage(row);
  const source = sourceHash(row);
  const newest = await newestVersion(tx, row);
  if (newest !== undefined && newest.source_hash === source) {
    if (token === undefined || newest.token !== token) unchanged(newest);
    return newest;
  }
  const number = await nextNumber(tx, row);
  const version: VersionRow = {
    ...row,
    version: String(number),
    number,
    revision_id: identity.revisionId,
    build_id: identity.buildId,
    modified_ms: identity.modifiedMs,
    settings: { ...row.settings, description: description ?? row.settings.description },
    source_hash: source,
    token: token ?? null,
  };
  await tx.run(insert(versions, version));
  await noteUses(tx, version);
  await addCode(tx, row, row.code_bytes);
  await tx.run(sql`update ${versions.name} set revision_id = ${identity.latestRevisionId}
    where ${isFunction(row)} and version = ${latest}`);
  return version;
}

export interface VersionRequest extends Publication {
  codeSha256?: string | undefined;
  revisionId?: string | undefined;
}

/** Publishes a version of the function that `ref` names. */
export function versionPublication(deps: LambdaDeps) {
  return (ref: FunctionRef, request: VersionRequest, unchanged?: (version: VersionRow) => void) => {
    const identity = versionIdentity(deps);
    return deps.store.tx(async (tx) => {
      const row = await findVersion(tx, ref, latest);
      if (row === undefined) throw functionNotFound(unqualifiedArn(ref));
      checkRevision(request.revisionId, row.revision_id);
      if (request.codeSha256 !== undefined && request.codeSha256 !== row.code_sha256) {
        throw invalid(
          `CodeSHA256 (${request.codeSha256}) is different from current CodeSHA256 in $LATEST (${row.code_sha256}). Please try again with the CodeSHA256 in $LATEST.`,
        );
      }
      return publish(tx, row, identity, request, unchanged);
    });
  };
}

/** What CloudFormation is told when its version would be the one that is there. */
export const versionExists = ({ version }: VersionRow) =>
  fault(
    "ResourceConflictException",
    `A version for this Lambda function exists ( ${version} ). Modify the function to create a new version.`,
  );

export function versionOperations(deps: LambdaDeps) {
  const publishVersion = versionPublication(deps);
  const listVersions = (ref: FunctionRef, after: number, limit: number) =>
    deps.store.read(async (tx) => {
      if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
      return tx.all<VersionRow>(sql`select ${versions.columns} from ${versions.name}
        where ${isFunction(ref)} and number > ${after} order by number limit ${limit}`);
    });

  return {
    async PublishVersion(input, call) {
      if (input.PublishTo !== undefined) throw notYet("PublishTo");
      const ref = ownFunction(input.FunctionName, undefined, call, "PublishVersion");
      const { CodeSha256: codeSha256, Description: description, RevisionId: revisionId } = input;
      const version = await publishVersion(ref, { codeSha256, description, revisionId });
      return configured(version, versionArn(version));
    },

    async ListVersionsByFunction(input, call: Call) {
      const ref = ownFunction(input.FunctionName, undefined, call, "ListVersionsByFunction");
      const listing = { operation: "ListVersionsByFunction", filters: ref.name, call };
      const [after = -1] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await listVersions(ref, Number(after), limit + 1);
      const { page, nextToken } = pageOf(listing, rows, limit, (row) => [row.number]);
      return {
        Versions: page.map((row) => listed(row, arnOf({ ...row, qualifier: row.version }))),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
