/** Log groups: made, described, kept for so many days, deleted; and their tags. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, join, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert, upsert } from "../../store/tables.ts";
import { badToken, fault, invalid, noGroup, notYet } from "./faults.ts";
import { describePageMax, retentionDays, tagsMax } from "./limits.ts";
import { groupArn, nameOfArn } from "./names.ts";
import { findGroup, groups, isIn, purges, type GroupRow, type Place } from "./tables.ts";

type Tags = Record<string, string>;

export interface NewGroup {
  name: string;
  logGroupClass?: string | undefined;
  kmsKeyId?: string | undefined;
  retentionInDays?: number | undefined;
  tags?: Readonly<Tags> | undefined;
  token?: string | undefined;
}

export function checkRetention(days: number): void {
  if (retentionDays.includes(days)) return;
  throw invalid(
    `1 validation error detected: Value '${days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [${retentionDays.join(", ")}]`,
  );
}

/** Creates a group; a second call with the same token gives what the first one made. */
export function groupCreation({ store, ids, clock }: Pick<Deps, "store" | "ids" | "clock">) {
  return async (made: NewGroup, { account, region }: Place): Promise<GroupRow> => {
    if (made.name.startsWith("aws/")) throw invalid("Log group names can't start with the string aws/.");
    if (made.logGroupClass === "DELIVERY") throw notYet("logGroupClass DELIVERY");
    if (made.retentionInDays !== undefined) checkRetention(made.retentionInDays);
    const row: GroupRow = {
      account,
      region,
      name: made.name,
      uid: ids.hex(8),
      created_ms: clock.now(),
      retention_days: made.retentionInDays ?? null,
      class: made.logGroupClass ?? "STANDARD",
      kms_key: made.kmsKeyId ?? null,
      tags: { ...made.tags },
      token: made.token ?? null,
    };
    return store.tx(async (tx) => {
      const present = await findGroup(tx, row, row.name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      if (present !== undefined) {
        throw fault("ResourceAlreadyExistsException", "The specified log group already exists");
      }
      await tx.run(insert(groups, row));
      return row;
    });
  };
}

const isGroup = (row: GroupRow) => sql`${isIn(row)} and name = ${row.name}`;

/** Deletes a group; its streams and events, which only its uid leads to, follow in the background. */
export function groupDeletion({ store, clock }: Pick<Deps, "store" | "clock">) {
  return (name: string, { account, region }: Place): Promise<void> => {
    const sinceMs = clock.now();
    return store.tx(async (tx) => {
      const row = await findGroup(tx, { account, region }, name);
      if (row === undefined) throw noGroup();
      await tx.run(sql`delete from ${groups.name} where ${isGroup(row)}`);
      await tx.run(upsert(purges, { account, region, uid: row.uid, since_ms: sinceMs }));
    });
  };
}

function described(row: GroupRow) {
  return {
    logGroupName: row.name,
    creationTime: row.created_ms,
    metricFilterCount: 0,
    arn: `${groupArn(row)}:*`,
    logGroupArn: groupArn(row),
    logGroupClass: row.class as "STANDARD",
    ...(row.retention_days === null ? {} : { retentionInDays: row.retention_days }),
    ...(row.kms_key === null ? {} : { kmsKeyId: row.kms_key }),
  };
}

export function groupOperations(deps: Deps) {
  const { store } = deps;
  const create = groupCreation(deps);
  const remove = groupDeletion(deps);

  const change = (place: Place, name: string, changes: (row: GroupRow) => Partial<GroupRow>) =>
    store.tx(async (tx: Tx) => {
      const row = await findGroup(tx, place, name);
      if (row === undefined) throw noGroup();
      await tx.run(sql`update ${groups.name} set ${assign(groups, changes(row))} where ${isGroup(row)}`);
      return {};
    });
  const ofArn = (arn: string, call: Call) => {
    const name = nameOfArn(arn, call);
    if (name === undefined) throw noGroup();
    return name;
  };
  const tag = (name: string, tags: Readonly<Tags>, call: Call) =>
    change(call, name, (row) => {
      const merged = { ...row.tags, ...tags };
      if (Object.keys(merged).length > tagsMax) {
        throw fault("TooManyTagsException", `A resource can have no more than ${tagsMax} tags.`, {
          resourceName: groupArn(row),
        });
      }
      return { tags: merged };
    });
  const untag = (name: string, keys: readonly string[], call: Call) =>
    change(call, name, ({ tags }) => ({
      tags: Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.includes(key))),
    }));
  const tagsOf = async (name: string, call: Call) => {
    const row = await store.read((tx) => findGroup(tx, call, name));
    if (row === undefined) throw noGroup();
    return { tags: row.tags };
  };

  return {
    async CreateLogGroup(input, call) {
      if (input.deletionProtectionEnabled) throw notYet("deletionProtectionEnabled");
      const { logGroupName: name, logGroupClass, kmsKeyId, tags } = input;
      await create({ name, logGroupClass, kmsKeyId, tags }, call);
      return {};
    },

    async DeleteLogGroup(input, call) {
      await remove(input.logGroupName, call);
      return {};
    },

    async DescribeLogGroups(input, call) {
      if (input.includeLinkedAccounts || (input.accountIdentifiers ?? []).length > 0) throw notYet("linked accounts");
      const { logGroupNamePrefix: prefix, logGroupNamePattern: pattern, logGroupClass, logGroupIdentifiers } = input;
      if (prefix !== undefined && pattern !== undefined) {
        throw invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
      }
      const filters = [prefix ?? null, pattern ?? null, logGroupClass ?? null, logGroupIdentifiers ?? null];
      const listing = { operation: "DescribeLogGroups", filters, call };
      const [after = ""] = pageKey(listing, input.nextToken, badToken) ?? [];
      const named = logGroupIdentifiers?.map((one) => nameOfArn(one, call) ?? one);
      const conditions = [
        isIn(call),
        sql`name > ${after}`,
        ...(prefix === undefined ? [] : [beginsWith("name", prefix)]),
        // What loses nothing when the pattern is taken out does not hold it.
        ...(pattern === undefined || pattern === "" ? [] : [sql`replace(name, ${pattern}, '') <> name`]),
        ...(logGroupClass === undefined ? [] : [sql`class = ${logGroupClass}`]),
        ...(named === undefined ? [] : [sql`name in (${join(named)})`]),
      ];
      const limit = input.limit ?? describePageMax;
      const rows = await store.read((tx) =>
        tx.all<GroupRow>(sql`select ${groups.columns} from ${groups.name}
          where ${join(conditions, " and ")} order by name limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      return { logGroups: page.map(described), ...(nextToken === undefined ? {} : { nextToken }) };
    },

    async PutRetentionPolicy(input, call) {
      checkRetention(input.retentionInDays);
      return change(call, input.logGroupName, () => ({ retention_days: input.retentionInDays }));
    },

    DeleteRetentionPolicy: (input, call) => change(call, input.logGroupName, () => ({ retention_days: null })),

    TagResource: async (input, call) => tag(ofArn(input.resourceArn, call), input.tags, call),
    UntagResource: async (input, call) => untag(ofArn(input.resourceArn, call), input.tagKeys, call),
    ListTagsForResource: async (input, call) => tagsOf(ofArn(input.resourceArn, call), call),
    TagLogGroup: (input, call) => tag(input.logGroupName, input.tags, call),
    UntagLogGroup: (input, call) => untag(input.logGroupName, input.tags, call),
    ListTagsLogGroup: (input, call) => tagsOf(input.logGroupName, call),
  } satisfies Handlers<typeof import("@aws-sdk/client-cloudwatch-logs")>;
}
