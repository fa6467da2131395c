/** Pipes, and the node that runs each. */
import type { PipeState } from "@aws-sdk/client-pipes";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";
import type { PipeRef } from "./names.ts";
import type { Settings } from "./settings.ts";

export const pipes = table(
  "pipes_pipes",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** `RUNNING`, `STOPPED` or, at its end, `DELETED`. */
    desired_state: c.id,
    current_state: c.id,
    state_reason: c.nullable(c.text),
    settings: c.json<Settings>(),
    tags: c.json<Record<string, string>>(),
    created_ms: c.time,
    modified_ms: c.time,
    /** Grows with every change; whoever runs it begins anew. */
    revision: c.int,
    /** The node that runs it, until `due_ms`. */
    owner: c.id,
    due_ms: c.time,
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["due_ms"] }, { columns: ["owner"] }] },
);
export type DesiredState = "RUNNING" | "STOPPED" | "DELETED";
export type PipeRow = Omit<Row<typeof pipes>, "desired_state" | "current_state"> & {
  desired_state: DesiredState;
  current_state: PipeState;
};

export const migrations: readonly Migration[] = [{ version: 1, create: [pipes] }];

export const isIn = ({ account, region }: Pick<PipeRef, "account" | "region">) =>
  sql`account = ${account} and region = ${region}`;
export const isPipe = (ref: PipeRef) => sql`${isIn(ref)} and name = ${ref.name}`;

export const findPipe = (tx: ReadTx, ref: PipeRef) =>
  tx.one<PipeRow>(sql`select ${pipes.columns} from ${pipes.name} where ${isPipe(ref)}`);
