/** API destinations as rows, by name and by ARN. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { apiDestinations, isNamed, type ApiDestinationRow, type Named } from "./tables.ts";

export const destinationArn = ({ account, region, name, uid }: Named & { uid: string }) =>
  formatArn({ service: "events", region, account, resource: `api-destination/${name}/${uid}` });

export function destinationOfArn(text: string): (Named & { uid: string }) | undefined {
  const arn = parseArn(text);
  const [, name, uid] = /^api-destination\/([^/]+)\/([^/]+)$/.exec(arn?.resource ?? "") ?? [];
  if (arn === undefined || name === undefined || uid === undefined) return undefined;
  return { account: arn.account, region: arn.region, name, uid };
}

export const findDestination = (tx: ReadTx, ref: Named) =>
  tx.one<ApiDestinationRow>(sql`select ${apiDestinations.columns} from ${apiDestinations.name} where ${isNamed(ref)}`);
