/** What users, groups and roles share, and what all of IAM's named things do: naming, tags and listings. */
import { formatArn } from "../../base/arn.ts";
import { globalRegion, type Call } from "../../kit/call.ts";
import { faults } from "../../kit/faults.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store, Tx } from "../../store/store.ts";
import { assign, type RowOf, type Table } from "../../store/tables.ts";
import { pageSizeDefault, tagsMax } from "./limits.ts";
import {
  countOf,
  groups,
  isRow,
  namedAfter,
  roles,
  takenName,
  users,
  type Entity,
  type NamedColumns,
  type Tag,
} from "./tables.ts";

export const fault = faults<typeof import("@aws-sdk/client-iam")>();

export type Kind = "user" | "group" | "role";

const tables = { user: users, group: groups, role: roles };
/** How AWS writes each kind where a sentence begins with it. */
export const titles = { user: "User", group: "Group", role: "Role" } as const;

export const noSuch = (kind: string, name: string) =>
  fault("NoSuchEntityException", `The ${kind} with name ${name} cannot be found.`);

/** `arn:aws:iam::123456789012:user/engineers/ann`. */
export function arnOf(kind: string, { account, path, name }: { account: string; path: string; name: string }): string {
  return formatArn({ service: "iam", region: "", account, resource: `${kind}${path}${name}` });
}

/** IAM answers policy documents URL-encoded (RFC 3986). */
export const encoded = (document: string) => encodeURIComponent(document);

export async function existingEntity(tx: ReadTx, kind: Kind, account: string, name: string): Promise<Entity> {
  const from = tables[kind];
  const row = await tx.one<Entity>(sql`select ${groups.columns} from ${from.name} where ${isRow({ account, name })}`);
  if (row === undefined) throw noSuch(kind, name);
  return row;
}

/** Stores what changed in an entity's policies; the columns are the same in all three tables. */
export async function changeEntity(
  tx: Tx,
  kind: Kind,
  entity: Entity,
  changes: Partial<Pick<Entity, "inline" | "attached">>,
): Promise<void> {
  await tx.run(sql`update ${tables[kind].name} set ${assign(groups, changes)} where ${isRow(entity)}`);
}

/** Users, groups and roles of an account, in order of name within their kind. There are at most 6,300. */
export async function entitiesOf(tx: ReadTx, kind: Kind, account: string): Promise<Entity[]> {
  return tx.all<Entity>(sql`select ${groups.columns} from ${tables[kind].name}
    where account = ${account} and region = ${globalRegion} order by name`);
}

export interface NewName {
  /** `User`. */
  title: string;
  /** `UsersPerAccount`. */
  quota: string;
  max: number;
  account: string;
  name: string;
}

/** Throws unless there is room for one more, and nothing has the name in whatever case. */
export async function admitName(tx: Tx, of: Table, { title, quota, max, account, name }: NewName): Promise<void> {
  if ((await takenName(tx, of, account, name)) !== undefined) {
    throw fault("EntityAlreadyExistsException", `${title} with name ${name} already exists.`);
  }
  if ((await countOf(tx, of, account)) >= max) {
    throw fault("LimitExceededException", `Cannot exceed quota for ${quota}: ${max}`);
  }
}

/** `Tags` as requests bring them, over those that are there. Keys differ without regard to case. */
export function mergeTags(title: string, present: readonly Tag[], added: readonly Tag[]): Tag[] {
  const seen = new Set<string>();
  for (const { Key } of added) {
    if (Key.toLowerCase().startsWith("aws:") && !Key.startsWith("aws:cloudformation:")) {
      throw fault("InvalidInputException", "Tag keys beginning with 'aws:' are reserved for system use.");
    }
    if (seen.has(Key.toLowerCase())) {
      throw fault("InvalidInputException", "Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    }
    seen.add(Key.toLowerCase());
  }
  const merged = [...present.filter(({ Key }) => !seen.has(Key.toLowerCase())), ...added];
  if (merged.length > tagsMax) {
    throw fault("LimitExceededException", `Cannot exceed quota for TagsPer${title}: ${tagsMax}`);
  }
  return merged.map(({ Key, Value }) => ({ Key, Value }));
}

export interface PageInput {
  Marker?: string | undefined;
  MaxItems?: number | undefined;
  PathPrefix?: string | undefined;
}

type Paged = { IsTruncated: boolean; Marker?: string };

/** One page of a listing by name; `read` gives rows after a name, one more than is shown if there is more. */
export async function pageByName<R>(
  listing: { operation: string; filters?: unknown; input: PageInput; call: Call },
  read: (after: string, limit: number) => Promise<readonly R[]>,
  nameOf: (row: R) => string,
): Promise<{ page: readonly R[]; paged: Paged }> {
  const { operation, input, call } = listing;
  const bound = { operation, filters: [input.PathPrefix ?? null, listing.filters ?? null], call };
  const after = pageKey(bound, input.Marker, () => fault("ValidationError", "Invalid Marker."))?.[0];
  const limit = input.MaxItems ?? pageSizeDefault;
  const rows = await read(String(after ?? ""), limit + 1);
  const { page, nextToken } = pageOf(bound, rows, limit, (row) => [nameOf(row)]);
  return { page, paged: nextToken === undefined ? { IsTruncated: false } : { IsTruncated: true, Marker: nextToken } };
}

/** A page of a table's rows under the path that was asked for. */
export function pageOfTable<C extends NamedColumns>(
  store: Store,
  from: Table<C>,
  listing: { operation: string; input: PageInput; call: Call },
): Promise<{ page: readonly RowOf<C>[]; paged: Paged }> {
  const { call, input } = listing;
  const path = input.PathPrefix ?? "/";
  return pageByName(
    listing,
    (after, limit) => store.read((tx) => namedAfter(tx, from, { account: call.account, path, after, limit })),
    (row) => String(row["name"]),
  );
}

/** A page of names that are at hand, all at once. */
export async function pageOfNames<R>(
  listing: { operation: string; filters?: unknown; input: PageInput; call: Call },
  all: readonly R[],
  nameOf: (item: R) => string,
): Promise<{ page: readonly R[]; paged: Paged }> {
  const sorted = all.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return pageByName(
    listing,
    async (after, limit) => sorted.filter((item) => nameOf(item) > after).slice(0, limit),
    nameOf,
  );
}
