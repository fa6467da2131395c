/** Layers: published under a number that never changes, shown, listed and deleted. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import { insert } from "../../store/tables.ts";
import { withCode } from "./code.ts";
import { lastModified } from "./configuration.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, invalid } from "./faults.ts";
import { layerArn, layerKey, layerVersionArn, layerVersionKey, ownLayer, type LayerVersionKey } from "./layer-names.ts";
import { checkLayerReader } from "./layer-permissions.ts";
import { findLayer, isLayer, layers, nextLayerVersion, type LayerRow } from "./layer-tables.ts";
import { badMarker, pageLimit } from "./lookup.ts";

type PublishInput = Received<InputOf<typeof import("@aws-sdk/client-lambda"), "PublishLayerVersion">>;

/** What listings show of a layer version. */
export function layerSummary(row: LayerRow) {
  return {
    LayerVersionArn: layerVersionArn(row),
    Version: row.version,
    Description: row.description,
    CreatedDate: lastModified(row.created_ms),
    ...(row.runtimes.length === 0 ? {} : { CompatibleRuntimes: row.runtimes as "nodejs24.x"[] }),
    ...(row.architectures.length === 0 ? {} : { CompatibleArchitectures: row.architectures as "x86_64"[] }),
    ...(row.license === "" ? {} : { LicenseInfo: row.license }),
  };
}

function layerAnswer({ downloads }: LambdaDeps, row: LayerRow, call: Call) {
  return {
    ...layerSummary(row),
    LayerArn: layerArn(row),
    Content: {
      Location: downloads.location({ blob: row.code_blob, sizeBytes: row.code_bytes }, call),
      CodeSha256: row.code_sha256,
      CodeSize: row.code_bytes,
    },
  };
}

/** Extensions of a layer are executables in `extensions/`. Source: Lambda guide, "Lambda Extensions API". */
async function hasExtensions(directory: string): Promise<boolean> {
  try {
    return (await readdir(join(directory, "extensions"))).length > 0;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}

/** Publishes a version; with the token of a CloudFormation step, at most one. */
export function layerPublication(deps: LambdaDeps) {
  const { store, clock, ids } = deps;
  return (input: PublishInput, call: Call, token: string | null = null): Promise<LayerRow> => {
    const { account, region, name } = ownLayer(layerKey(input.LayerName, call), call, "PublishLayerVersion");
    return withCode(deps, input.Content, call, async (code, { directory, unzippedBytes }) => {
      const made = {
        account,
        region,
        name,
        created_ms: clock.now(),
        description: input.Description ?? "",
        license: input.LicenseInfo ?? "",
        runtimes: [...(input.CompatibleRuntimes ?? [])],
        architectures: [...(input.CompatibleArchitectures ?? [])],
        code_blob: code.blob,
        code_sha256: code.sha256Base64,
        code_bytes: code.sizeBytes,
        unzipped_bytes: unzippedBytes,
        extensions: await hasExtensions(directory),
        statements: [],
        revision_id: ids.uuid(),
        deleted_ms: null,
        token,
      };
      return store.tx(async (tx) => {
        const present =
          token === null
            ? undefined
            : await tx.one<LayerRow>(sql`select ${layers.columns} from ${layers.name}
                where ${isLayer(made)} and token = ${token} limit 1`);
        if (present !== undefined) return present;
        const version = await nextLayerVersion(tx, made);
        const row: LayerRow = { ...made, version, arn: layerVersionArn({ ...made, version }) };
        await tx.run(insert(layers, row));
        return row;
      });
    });
  };
}

/** Deletes a version; functions that have it keep it. What is gone already is fine. */
export function layerDeletion({ store, clock }: LambdaDeps) {
  return (key: LayerVersionKey): Promise<void> => {
    const now = clock.now();
    return store.tx(async (tx) => {
      await tx.run(sql`update ${layers.name} set deleted_ms = ${now}
        where ${isLayer(key)} and version = ${key.version} and deleted_ms is null`);
    });
  };
}

/** A version's number as AWS checks it beyond its model. */
export function versionOf(number: number): number {
  if (number >= 1) return number;
  throw invalid("Layer Version Cannot be less than 1.");
}

export const layerGone = () => fault("ResourceNotFoundException", "The resource you requested does not exist.");

export function layerOperations(deps: LambdaDeps) {
  const { store } = deps;
  const publish = layerPublication(deps);
  const remove = layerDeletion(deps);

  const shown = async (key: LayerVersionKey, call: Call) => {
    const row = await store.read((tx) => findLayer(tx, key));
    checkLayerReader(key, row?.statements ?? [], call);
    if (row === undefined) throw layerGone();
    return layerAnswer(deps, row, call);
  };

  interface Filter {
    CompatibleRuntime?: string | undefined;
    CompatibleArchitecture?: string | undefined;
  }
  /** A layer that names none says nothing of what it is compatible with, and is not listed for one. */
  const suits =
    ({ CompatibleRuntime: runtime, CompatibleArchitecture: architecture }: Filter) =>
    (row: LayerRow) =>
      (runtime === undefined || row.runtimes.includes(runtime)) &&
      (architecture === undefined || row.architectures.includes(architecture));

  return {
    PublishLayerVersion: async (input, call) => layerAnswer(deps, await publish(input, call), call),

    GetLayerVersion: (input, call) =>
      shown({ ...layerKey(input.LayerName, call), version: versionOf(input.VersionNumber) }, call),

    GetLayerVersionByArn: (input, call) => shown(layerVersionKey(input.Arn, call), call),

    async ListLayerVersions(input, call) {
      const key = layerKey(input.LayerName, call);
      checkLayerReader(key, [], call, "ListLayerVersions");
      const filters = [key.name, input.CompatibleRuntime ?? "", input.CompatibleArchitecture ?? ""];
      const listing = { operation: "ListLayerVersions", filters, call };
      const [before = Number.MAX_SAFE_INTEGER] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await store.read((tx) =>
        tx.all<LayerRow>(sql`select ${layers.columns} from ${layers.name}
          where ${isLayer(key)} and version < ${Number(before)} and deleted_ms is null
          order by version desc limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ version }) => [version]);
      return {
        LayerVersions: page.filter(suits(input)).map(layerSummary),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async ListLayers(input, call) {
      const filters = [input.CompatibleRuntime ?? "", input.CompatibleArchitecture ?? ""];
      const listing = { operation: "ListLayers", filters, call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await store.read((tx) =>
        tx.all<LayerRow>(sql`select ${layers.columns} from ${layers.name} l
          where account = ${call.account} and region = ${call.region} and name > ${after} and deleted_ms is null
          and version = (select max(n.version) from ${layers.name} n where n.account = l.account
            and n.region = l.region and n.name = l.name and n.deleted_ms is null)
          order by name limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      return {
        Layers: page.filter(suits(input)).map((row) => ({
          LayerName: row.name,
          LayerArn: layerArn(row),
          LatestMatchingVersion: layerSummary(row),
        })),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async DeleteLayerVersion(input, call) {
      const key = ownLayer(layerKey(input.LayerName, call), call, "DeleteLayerVersion");
      await remove({ ...key, version: versionOf(input.VersionNumber) });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
