/** Changes of `$LATEST`: new code, new settings. They are in force for every invocation that comes after the answer. */
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import { withPackage } from "./code.ts";
import { checkSigned } from "./code-signing.ts";
import { configured, versionArn } from "./configuration.ts";
import { checkDeadLetter } from "./dead-letters.ts";
import type { LambdaDeps } from "./deps.ts";
import { asError } from "../../base/errors.ts";
import { codeOf, releaseVersion } from "./executions.ts";
import { checkRevision, functionNotFound, notYet } from "./faults.ts";
import { noteUses } from "./layer-tables.ts";
import { checkUnzipped, layerReader } from "./layer-uses.ts";
import { latest, ownFunction, unqualifiedArn, type FunctionRef } from "./names.ts";
import { findOptions } from "./option-tables.ts";
import { addCode } from "./quotas.ts";
import { changedSettings, deadLetterOf } from "./settings.ts";
import { findVersion, isFunction, versions, type VersionRow } from "./tables.ts";
import { publish, versionIdentity } from "./versions.ts";

/** Replaced code stays this long, for invocations that looked it up just before, on this node or another. */
const replacedCodeMs = 60_000;

type Changes = Partial<Pick<VersionRow, "code_blob" | "code_sha256" | "code_bytes" | "settings">>;

interface Update {
  ref: FunctionRef;
  revisionId: string | undefined;
  /** What changes; is asked with the row as it is. */
  changes: (row: VersionRow) => Changes;
}

/** Where a version is shown that was published, or `$LATEST` under the function's ARN. */
const shown = (row: VersionRow) => configured(row, versionArn(row));

export function updateOperations(deps: LambdaDeps) {
  const { store, ids, clock, log, executions } = deps;
  const readLayers = layerReader(deps);

  /** True when another environment would have to run. */
  const runsOtherwise = (before: VersionRow, after: VersionRow) =>
    before.code_sha256 !== after.code_sha256 ||
    !isDeepStrictEqual({ ...before.settings, description: "" }, { ...after.settings, description: "" });

  const existing = async (tx: Pick<Tx, "one" | "all">, ref: FunctionRef, revisionId: string | undefined) => {
    const row = await findVersion(tx, ref, latest);
    if (row === undefined) throw functionNotFound(unqualifiedArn(ref));
    checkRevision(revisionId, row.revision_id);
    return row;
  };

  const dropCode = (row: VersionRow) => {
    releaseVersion(deps, row).catch((error: unknown) => {
      log.warn("code that no version names could not be removed; the sweep will", { error: asError(error) });
    });
  };

  const apply = async (
    tx: Tx,
    { ref, revisionId, changes }: Update,
    fresh: { revisionId: string; buildId: string; now: number },
  ): Promise<VersionRow> => {
    const row = await existing(tx, ref, revisionId);
    const changed = { ...row, ...changes(row), revision_id: fresh.revisionId, modified_ms: fresh.now };
    const other = runsOtherwise(row, changed);
    const after: VersionRow = other ? { ...changed, build_id: fresh.buildId } : changed;
    const { revision_id, modified_ms, build_id, code_blob, code_sha256, code_bytes, settings } = after;
    const values = { revision_id, modified_ms, build_id, code_blob, code_sha256, code_bytes, settings };
    await tx.run(sql`update ${versions.name} set ${assign(versions, values)}
      where ${isFunction(ref)} and version = ${latest}`);
    await noteUses(tx, after);
    if (code_bytes !== row.code_bytes) await addCode(tx, ref, code_bytes - row.code_bytes);
    tx.afterCommit(() => {
      // What runs now ends by itself; nothing new is sent there.
      if (other) executions.retire(row, 0);
      const otherLayers = !isDeepStrictEqual(settings.layers, row.settings.layers);
      if (code_blob !== row.code_blob || otherLayers) clock.after(replacedCodeMs, () => dropCode(row));
    });
    return after;
  };

  /** Of the code as it is; the limit is looked at again with the next code. */
  const unzippedBytesOf = async (ref: FunctionRef, revisionId: string | undefined): Promise<number> => {
    const row = await store.read((tx) => existing(tx, ref, revisionId));
    if (row.settings.image !== undefined) return 0;
    const pinned = await deps.unpacked.pin(codeOf(row));
    pinned.unpin();
    return pinned.unzippedBytes;
  };

  const update = (change: Update, publishToo = false): Promise<VersionRow> => {
    const fresh = { revisionId: ids.uuid(), buildId: ids.uuid(), now: clock.now() };
    const identity = versionIdentity(deps);
    return store.tx(async (tx) => {
      const row = await apply(tx, change, fresh);
      return publishToo ? publish(tx, row, identity) : row;
    });
  };

  return {
    async UpdateFunctionCode(input, call: Call) {
      const ref = ownFunction(input.FunctionName, undefined, call, "UpdateFunctionCode");
      const { RevisionId: revisionId, Architectures, Publish, DryRun, PublishTo } = input;
      if (PublishTo !== undefined) throw notYet("PublishTo");
      // Before the code is taken in: a wrong name or revision should not cost an upload.
      const isImage = await store.read(async (tx) => {
        const row = await existing(tx, ref, revisionId);
        await checkSigned(tx, (await findOptions(tx, ref))?.code_signing, call);
        return row.settings.image !== undefined;
      });
      const packaged = { isImage, patient: true, code: input };
      return withPackage(deps, packaged, call, async ({ code, unzippedBytes, image }) => {
        const changes = ({ settings }: VersionRow): Changes => {
          checkUnzipped(unzippedBytes, settings.layers);
          return {
            code_blob: code.blob,
            code_sha256: code.sha256Base64,
            code_bytes: code.sizeBytes,
            settings: {
              ...changedSettings(settings, { Architectures }, call),
              ...(image === undefined ? {} : { image }),
            },
          };
        };
        if (DryRun) {
          const row = await store.read((tx) => existing(tx, ref, revisionId));
          return shown({ ...row, ...changes(row) });
        }
        return shown(await update({ ref, revisionId, changes }, Publish));
      });
    },

    async UpdateFunctionConfiguration(input, call) {
      const ref = ownFunction(input.FunctionName, undefined, call, "UpdateFunctionConfiguration");
      const target = deadLetterOf(undefined, input.DeadLetterConfig);
      await checkDeadLetter(deps, target, call);
      const layers = await readLayers(input.Layers, call);
      if (layers !== undefined && layers.length > 0) {
        checkUnzipped(await unzippedBytesOf(ref, input.RevisionId), layers);
      }
      const changes = ({ settings }: VersionRow): Changes => ({
        settings: changedSettings(settings, input, call, layers),
      });
      return shown(await update({ ref, revisionId: input.RevisionId, changes }));
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
