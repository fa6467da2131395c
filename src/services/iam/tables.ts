/** Roles and their policies. IAM is global: every key is (account, `aws-global`, ...). */
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";
import { globalRegion } from "../../kit/call.ts";

export interface Tag {
  Key: string;
  Value: string;
}

export const roles = table(
  "iam_roles",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    id: c.id,
    path: c.id,
    created_ms: c.time,
    trust_policy: c.text,
    description: c.nullable(c.text),
    session_seconds_max: c.int,
    /** Inline policies by name, as JSON text. */
    inline: c.json<Record<string, string>>(),
    attached: c.json<string[]>(),
    tags: c.json<Tag[]>(),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"] },
);
export type Role = Row<typeof roles>;

export const migrations: readonly Migration[] = [{ version: 1, create: [roles] }];

export function findRole(tx: ReadTx, account: string, name: string): Promise<Role | undefined> {
  return tx.one<Role>(sql`select ${roles.columns} from ${roles.name}
    where account = ${account} and region = ${globalRegion} and name = ${name}`);
}

/** Roles under `path` after the name `after`, in order of name. */
export function rolesAfter(tx: ReadTx, account: string, path: string, after: string, limit: number): Promise<Role[]> {
  return tx.all<Role>(sql`select ${roles.columns} from ${roles.name}
    where account = ${account} and region = ${globalRegion} and name > ${after} and ${beginsWith("path", path)}
    order by name limit ${limit}`);
}
