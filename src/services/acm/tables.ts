/** Certificates, and the authority of the node that issues them. Private keys are sealed under the node's master key. */
import { globalRegion } from "../../kit/call.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, c, table, type Migration, type Row } from "../../store/tables.ts";

export interface Tag {
  Key: string;
  Value?: string;
}

export interface Options {
  transparency: "ENABLED" | "DISABLED";
  exportable: boolean;
}

export const certificates = table(
  "acm_certificates",
  {
    account: c.id,
    region: c.id,
    id: c.id,
    /** `IMPORTED` or `AMAZON_ISSUED`. */
    type: c.id,
    domain: c.text,
    /** All of them, the domain first. */
    names: c.json<string[]>(),
    /** PEM. */
    certificate: c.text,
    chain: c.nullable(c.text),
    /** PKCS #8 in PEM, sealed. */
    private_key: c.bytes,
    /** As ACM names it: `RSA_2048`. */
    key_algorithm: c.id,
    options: c.json<Options>(),
    tags: c.json<Tag[]>(),
    validation: c.nullable(c.id),
    created_ms: c.time,
    /** When it was issued or imported last. */
    issued_ms: c.time,
    not_before_ms: c.time,
    not_after_ms: c.time,
    renewed_ms: c.nullable(c.time),
    exported: c.bool,
    /** Of the CloudFormation step, or of the client, that asked for it. */
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "id"],
    indexes: [{ columns: ["account", "region", "created_ms", "id"] }, { columns: ["type", "not_after_ms"] }],
  },
);
export type CertificateRow = Row<typeof certificates>;

/** One row: the authority belongs to no account. */
export const authorities = table(
  "acm_authorities",
  {
    account: c.id,
    region: c.id,
    id: c.id,
    certificate: c.text,
    private_key: c.bytes,
    created_ms: c.time,
  },
  { key: ["account", "region", "id"] },
);
export type AuthorityRow = Row<typeof authorities>;

export const migrations: readonly Migration[] = [{ version: 1, create: [certificates, authorities] }];

export interface Place {
  account: string;
  region: string;
}

export const authorityKey = { account: "000000000000", region: globalRegion, id: "node" } as const;

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const isCertificate = (row: Place & { id: string }) => sql`${isIn(row)} and id = ${row.id}`;

export function findCertificate(tx: ReadTx, place: Place, id: string): Promise<CertificateRow | undefined> {
  return tx.one<CertificateRow>(sql`select ${certificates.columns} from ${certificates.name}
    where ${isCertificate({ ...place, id })}`);
}

export function setCertificate(tx: Tx, row: CertificateRow, changes: Partial<CertificateRow>): Promise<number> {
  return tx.run(sql`update ${certificates.name} set ${assign(certificates, changes)} where ${isCertificate(row)}`);
}

export function findAuthority(tx: ReadTx): Promise<AuthorityRow | undefined> {
  return tx.one<AuthorityRow>(sql`select ${authorities.columns} from ${authorities.name}
    where ${isCertificate(authorityKey)}`);
}
