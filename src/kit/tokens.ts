/** Page tokens and client tokens, once for all services. */
import { createHash } from "node:crypto";
import type { Fault } from "../base/errors.ts";
import { sql } from "../store/sql.ts";
import type { Tx } from "../store/store.ts";
import { c, insert, table, type Migration, type Row } from "../store/tables.ts";
import type { Call } from "./call.ts";

function hashOf(...parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}

/** Where a listing goes on: the key of the last row shown. */
export type PageKey = readonly (string | number)[];

/** What a token belongs to; one made for another operation, filter or account is refused. */
export interface Listing {
  operation: string;
  filters?: unknown;
  call: Pick<Call, "account" | "region">;
}

function bindingOf({ operation, filters, call }: Listing): string {
  return hashOf(operation, filters ?? null, call.account, call.region);
}

/** An opaque token for the page after `key`. */
export function pageToken(listing: Listing, key: PageKey): string {
  return Buffer.from(JSON.stringify([bindingOf(listing), ...key])).toString("base64url");
}

/** The key inside a token, undefined without one; throws `refusal()` when it was made for another listing. */
export function pageKey(listing: Listing, token: string | undefined, refusal: () => Fault): PageKey | undefined {
  if (token === undefined || token === "") return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw refusal();
  }
  if (!Array.isArray(parts) || parts[0] !== bindingOf(listing)) throw refusal();
  const key: unknown[] = parts.slice(1);
  if (!key.every((part) => typeof part === "string" || typeof part === "number")) throw refusal();
  return key;
}

/** Cuts one row more than asked for off a page, and makes the token that leads to it. */
export function pageOf<R>(
  listing: Listing,
  rows: readonly R[],
  limit: number,
  keyOf: (row: R) => PageKey,
): { page: readonly R[]; nextToken: string | undefined } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, nextToken: rows.length > limit && last !== undefined ? pageToken(listing, keyOf(last)) : undefined };
}

const clientTokens = table(
  "kit_client_tokens",
  {
    account: c.id,
    region: c.id,
    operation: c.id,
    token: c.id,
    input_hash: c.id,
    output: c.json<object>(),
    expires_ms: c.time,
  },
  { key: ["account", "region", "operation", "token"], indexes: [{ columns: ["expires_ms"] }] },
);

export const clientTokenMigration: Migration = { version: 1, create: [clientTokens] };

/** How long a client token is remembered. */
const clientTokenMs = 24 * 3600_000;

export interface TokenUse {
  /** `lambda:CreateEventSourceMapping`. */
  operation: string;
  token: string | undefined;
  input: unknown;
  call: Call;
  now: number;
  /** What to throw when the token came before with another input. */
  mismatch: () => Fault;
}

/** Runs `body` once per client token, inside the operation's own transaction; a repeat gets the first output. */
export async function oncePerToken<T extends object>(tx: Tx, use: TokenUse, body: () => Promise<T>): Promise<T> {
  const { operation, token, input, call, now, mismatch } = use;
  if (token === undefined) return body();
  const inputHash = hashOf(input);
  const seen = await tx.one<Row<typeof clientTokens>>(sql`
    select ${clientTokens.columns} from ${clientTokens.name}
    where account = ${call.account} and region = ${call.region} and operation = ${operation} and token = ${token}`);
  if (seen !== undefined && seen.expires_ms > now) {
    if (seen.input_hash !== inputHash) throw mismatch();
    return seen.output as T;
  }
  const output = await body();
  await tx.run(sql`delete from ${clientTokens.name} where account = ${call.account} and region = ${call.region}
    and operation = ${operation} and token = ${token}`);
  const expiresMs = now + clientTokenMs;
  const key = { account: call.account, region: call.region, operation, token };
  await tx.run(insert(clientTokens, { ...key, input_hash: inputHash, output, expires_ms: expiresMs }));
  return output;
}

/** Forgets what has expired, at most 500 rows a round. */
export async function sweepClientTokens(tx: Tx, now: number): Promise<boolean> {
  const rows = await tx.all<Pick<Row<typeof clientTokens>, "account" | "region" | "operation" | "token">>(sql`
    select account, region, operation, token from ${clientTokens.name} where expires_ms <= ${now} limit 500`);
  for (const { account, region, operation, token } of rows) {
    await tx.run(sql`delete from ${clientTokens.name} where account = ${account} and region = ${region}
      and operation = ${operation} and token = ${token}`);
  }
  return rows.length === 500;
}
