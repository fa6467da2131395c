/** Function URLs: made, changed, shown and deleted. What comes in by them is in `url-visits.ts`. */
import type { Cors } from "@aws-sdk/client-lambda";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import { assign, insert } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, functionNotFound } from "./faults.ts";
import { badMarker, pageLimit } from "./lookup.ts";
import { arnOf, ownFunction, unqualifiedArn } from "./names.ts";
import { findAlias, findFunction, isFunction } from "./tables.ts";
import {
  findUrl,
  forgetUrls,
  isUrl,
  setStreamed,
  streamedOf,
  urls,
  type Url,
  type UrlKey,
  type UrlRow,
} from "./url-tables.ts";

export interface UrlSettings {
  authType: string;
  cors?: Cors | undefined;
  invokeMode?: string | undefined;
}

/** `http://<id>.lambda-url.<region>.localhost:4566/`: the node's own port, and a name that resolves to this machine. */
export function functionUrl(
  { url_id, region }: Pick<UrlRow, "url_id" | "region">,
  { publicUrl }: Pick<Call, "publicUrl">,
) {
  const { protocol, port } = new URL(publicUrl);
  return `${protocol}//${url_id}.lambda-url.${region}.localhost${port === "" ? "" : `:${port}`}/`;
}

export function urlConfiguration(row: Url, call: Pick<Call, "publicUrl">) {
  return {
    FunctionUrl: functionUrl(row, call),
    FunctionArn: arnOf({ ...row, qualifier: row.qualifier === "" ? undefined : row.qualifier }),
    AuthType: row.auth_type as "NONE",
    ...(row.cors === null ? {} : { Cors: row.cors }),
    CreationTime: new Date(row.created_ms).toISOString(),
    LastModifiedTime: new Date(row.modified_ms).toISOString(),
    InvokeMode: row.streamed ? ("RESPONSE_STREAM" as const) : ("BUFFERED" as const),
  };
}

/** The function or alias that a URL is for. */
export function urlKey(name: string, qualifier: string | undefined, call: Call, operation: string): UrlKey {
  const ref = ownFunction(name, qualifier, call, operation);
  return { account: ref.account, region: ref.region, name: ref.name, qualifier: ref.qualifier ?? "" };
}

export const noSuchUrl = () => fault("ResourceNotFoundException", "The resource you requested does not exist.");

export function urlCreation({ store, clock, ids }: LambdaDeps) {
  return ({ account, region, name, qualifier }: UrlKey, settings: UrlSettings, token?: string): Promise<Url> => {
    const streamed = settings.invokeMode === "RESPONSE_STREAM";
    const now = clock.now();
    const key = { account, region, name, qualifier };
    const row: UrlRow = {
      ...key,
      url_id: ids.hex(16),
      auth_type: settings.authType,
      cors: settings.cors ?? null,
      created_ms: now,
      modified_ms: now,
      token: token ?? null,
    };
    return store.tx(async (tx) => {
      if ((await findFunction(tx, key)) === undefined) {
        throw fault("ResourceNotFoundException", "Function does not exist");
      }
      if (qualifier !== "" && (await findAlias(tx, key, qualifier)) === undefined) {
        throw functionNotFound(arnOf(key));
      }
      const present = await findUrl(tx, key);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      if (present !== undefined) {
        const arn = urlConfiguration({ ...row, streamed }, { publicUrl: "http://localhost" }).FunctionArn;
        throw fault(
          "ResourceConflictException",
          `Failed to create function url config for [functionArn = ${arn}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
        );
      }
      await tx.run(insert(urls, row));
      await setStreamed(tx, row, streamed);
      return { ...row, streamed };
    });
  };
}

export function urlDeletion({ store }: LambdaDeps) {
  return (key: UrlKey): Promise<void> =>
    store.tx(async (tx) => {
      if ((await findUrl(tx, key)) === undefined) throw noSuchUrl();
      await forgetUrls(tx, key, key.qualifier);
    });
}

export function urlChange({ store, clock }: LambdaDeps) {
  /** Members that are absent keep their value; `cors: null` takes the rules away. */
  return (
    key: UrlKey,
    change: { authType?: string | undefined; cors?: Cors | null | undefined; invokeMode?: string | undefined },
  ) => {
    const now = clock.now();
    return store.tx(async (tx) => {
      const row = await findUrl(tx, key);
      if (row === undefined) throw noSuchUrl();
      const changed = {
        auth_type: change.authType ?? row.auth_type,
        // AWS takes `Cors: {}` for none.
        cors: change.cors === undefined ? row.cors : Object.keys(change.cors ?? {}).length === 0 ? null : change.cors,
        modified_ms: now,
      };
      await tx.run(sql`update ${urls.name} set ${assign(urls, changed)} where ${isUrl(key)}`);
      const streamed = change.invokeMode === undefined ? row.streamed : change.invokeMode === "RESPONSE_STREAM";
      await setStreamed(tx, key, streamed);
      return { ...row, ...changed, streamed };
    });
  };
}

export function urlOperations(deps: LambdaDeps) {
  const { store } = deps;
  const create = urlCreation(deps);
  const change = urlChange(deps);
  const remove = urlDeletion(deps);

  return {
    async CreateFunctionUrlConfig(input, call) {
      const key = urlKey(input.FunctionName, input.Qualifier, call, "CreateFunctionUrlConfig");
      const { AuthType: authType, Cors: cors, InvokeMode: invokeMode } = input;
      const { LastModifiedTime: _same, ...made } = urlConfiguration(
        await create(key, { authType, cors, invokeMode }),
        call,
      );
      return made;
    },

    async UpdateFunctionUrlConfig(input, call) {
      const key = urlKey(input.FunctionName, input.Qualifier, call, "UpdateFunctionUrlConfig");
      const { AuthType: authType, Cors: cors, InvokeMode: invokeMode } = input;
      return urlConfiguration(await change(key, { authType, cors, invokeMode }), call);
    },

    async GetFunctionUrlConfig(input, call) {
      const key = urlKey(input.FunctionName, input.Qualifier, call, "GetFunctionUrlConfig");
      const row = await store.read((tx) => findUrl(tx, key));
      if (row === undefined) throw noSuchUrl();
      return urlConfiguration(row, call);
    },

    async ListFunctionUrlConfigs(input, call) {
      const key = urlKey(input.FunctionName, undefined, call, "ListFunctionUrlConfigs");
      const listing = { operation: "ListFunctionUrlConfigs", filters: key.name, call };
      const [after = null] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const beyond = after === null ? sql`` : sql` and qualifier > ${after}`;
      const { rows, streamed } = await store.read(async (tx) => {
        if ((await findFunction(tx, key)) === undefined) throw functionNotFound(unqualifiedArn(key));
        const found = await tx.all<UrlRow>(sql`select ${urls.columns} from ${urls.name}
          where ${isFunction(key)}${beyond} order by qualifier limit ${limit + 1}`);
        return { rows: found, streamed: await streamedOf(tx, key) };
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ qualifier }) => [qualifier]);
      return {
        FunctionUrlConfigs: page.map((row) =>
          urlConfiguration({ ...row, streamed: streamed.has(row.qualifier) }, call),
        ),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async DeleteFunctionUrlConfig(input, call) {
      await remove(urlKey(input.FunctionName, input.Qualifier, call, "DeleteFunctionUrlConfig"));
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
