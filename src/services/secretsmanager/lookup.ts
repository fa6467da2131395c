/** Secrets found by name, ARN, or ARN without its random end. */
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { invalid, marked, noSecret } from "./faults.ts";
import { findByName, isSecret, secrets, type Place, type SecretRow } from "./tables.ts";
import type { Values } from "./values.ts";

export interface SecretDeps extends Deps {
  values: Values;
}

/** AWS ends each ARN with six characters, so that a policy for a secret does not hold for its successor. */
const suffixLength = 6;

export function newArn({ account, region }: Place, name: string, suffix: string): string {
  return formatArn({ service: "secretsmanager", region, account, resource: `secret:${name}-${suffix}` });
}

export function checkNewName(name: string): void {
  if (/^[A-Za-z0-9/_+=.@-]+$/.test(name)) return;
  throw invalid(
    "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
  );
}

export async function findSecret(tx: ReadTx, id: string, place: Place): Promise<SecretRow | undefined> {
  if (!id.startsWith("arn:")) return findByName(tx, place, id);
  const arn = parseArn(id);
  const isOwn = arn?.service === "secretsmanager" && arn.account === place.account && arn.region === place.region;
  if (!isOwn || !arn.resource.startsWith("secret:")) return undefined;
  const rest = arn.resource.slice("secret:".length);
  const whole = await findByName(tx, place, rest.slice(0, -suffixLength - 1));
  return whole?.arn === id ? whole : findByName(tx, place, rest);
}

export async function existing(tx: ReadTx, id: string, place: Place): Promise<SecretRow> {
  const row = await findSecret(tx, id, place);
  if (row === undefined) throw noSecret();
  return row;
}

/** The same, and not marked for deletion. */
export async function alive(tx: ReadTx, id: string, place: Place): Promise<SecretRow> {
  const row = await existing(tx, id, place);
  if (row.deletion_ms !== null) throw marked();
  return row;
}

export function setSecret(tx: Tx, row: SecretRow, changes: Partial<SecretRow>): Promise<number> {
  return tx.run(sql`update ${secrets.name} set ${assign(secrets, changes)} where ${isSecret(row)}`);
}

export const named = (row: SecretRow) => ({ ARN: row.arn, Name: row.name });
