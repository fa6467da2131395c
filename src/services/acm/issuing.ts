/** Certificates that come to be: requested from the node's authority, imported, renewed. */
import type { ImportCertificateRequest, RequestCertificateRequest } from "@aws-sdk/client-acm";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { keyAlgorithms, type Issued } from "./authority.ts";
import { fault, invalid, notYet } from "./faults.ts";
import {
  certificateBytesMax,
  certificatesMax,
  chainBytesMax,
  firstNameLengthMax,
  namesMax,
  privateKeyBytesMax,
  renewalMs,
  renewalsMax,
} from "./limits.ts";
import { arnOf, existing, idIn, keyContext, type AcmDeps } from "./lookup.ts";
import { readImport } from "./pem.ts";
import { certificates, isIn, setCertificate, type CertificateRow, type Tag } from "./tables.ts";
import { checkTags } from "./tags.ts";

type Acm = typeof import("@aws-sdk/client-acm");

async function checkRoom(tx: ReadTx, call: Call): Promise<void> {
  const row = await tx.one<{ count: number }>(
    sql`select count(*) as count from ${certificates.name} where ${isIn(call)}`,
  );
  if ((row?.count ?? 0) >= certificatesMax) {
    throw fault("LimitExceededException", "The maximum number of certificates has been reached for this account.");
  }
}

function withToken(tx: ReadTx, call: Call, token: string): Promise<CertificateRow | undefined> {
  return tx.one<CertificateRow>(sql`select ${certificates.columns} from ${certificates.name}
    where ${isIn(call)} and token = ${token}`);
}

/** The names of a request: the domain first, each once, lower case. */
function namesOf({ DomainName, SubjectAlternativeNames = [] }: Received<RequestCertificateRequest>): string[] {
  const names = [...new Set([DomainName, ...SubjectAlternativeNames].map((name) => name.toLowerCase()))];
  if (names.length > namesMax) {
    throw fault("LimitExceededException", `A certificate has at most ${namesMax} domain names.`);
  }
  if (DomainName.length > firstNameLengthMax) {
    throw invalid(`The first domain name must have at most ${firstNameLengthMax} characters.`);
  }
  return names;
}

export function certificateRequest({ store, clock, ids, secrets, authority }: AcmDeps) {
  /** Requests a certificate; the one that is there, for a token that came before. */
  return async (input: Received<RequestCertificateRequest>, tags: Tag[], token: string | null, call: Call) => {
    if (input.CertificateAuthorityArn !== undefined) throw notYet("private certificate authorities");
    if (input.ManagedBy !== undefined) throw notYet(`ManagedBy ${input.ManagedBy}`);
    const keyAlgorithm = input.KeyAlgorithm ?? "RSA_2048";
    if (!keyAlgorithms.some((known) => known === keyAlgorithm)) {
      throw invalid(`The key algorithm ${keyAlgorithm} is not supported for requested certificates.`);
    }
    const names = namesOf(input);
    const known = token === null ? undefined : await store.read((tx) => withToken(tx, call, token));
    if (known !== undefined) return known;
    const issued = await authority.issue(names, keyAlgorithm);
    const place = { account: call.account, region: call.region, id: ids.uuid() };
    const now = clock.now();
    const row: CertificateRow = {
      ...place,
      type: "AMAZON_ISSUED",
      domain: names[0] ?? "",
      names,
      ...columnsOf(issued),
      private_key: secrets.seal(Buffer.from(issued.privateKey), keyContext(place)),
      key_algorithm: keyAlgorithm,
      options: {
        transparency: input.Options?.CertificateTransparencyLoggingPreference ?? "ENABLED",
        exportable: input.Options?.Export === "ENABLED",
      },
      tags,
      validation: input.ValidationMethod ?? "EMAIL",
      created_ms: now,
      issued_ms: now,
      renewed_ms: null,
      exported: false,
      token,
    };
    return store.tx(async (tx) => {
      const other = token === null ? undefined : await withToken(tx, call, token);
      if (other !== undefined) return other;
      await checkRoom(tx, call);
      await tx.run(insert(certificates, row));
      return row;
    });
  };
}

function columnsOf({ certificate, chain, notBefore, notAfter }: Omit<Issued, "privateKey">) {
  return { certificate, chain, not_before_ms: notBefore, not_after_ms: notAfter };
}

function importOf(input: Received<ImportCertificateRequest>, now: number) {
  const { Certificate, CertificateChain, PrivateKey } = input;
  if (Certificate.byteLength > certificateBytesMax) throw invalid("The certificate is too long.");
  if ((CertificateChain?.byteLength ?? 0) > chainBytesMax) throw invalid("The certificate chain is too long.");
  if (PrivateKey.byteLength > privateKeyBytesMax) throw invalid("The private key is too long.");
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  return readImport({
    certificate: text(Certificate),
    chain: CertificateChain === undefined ? undefined : text(CertificateChain),
    privateKey: text(PrivateKey),
    now,
  });
}

export function issuingOperations(deps: AcmDeps) {
  const { store, clock, ids, secrets, authority, peers } = deps;
  const request = certificateRequest(deps);

  const reissue = async (row: CertificateRow, call: Call) => {
    const issued = await authority.issue(row.names, row.key_algorithm);
    const now = clock.now();
    const sealed = secrets.seal(Buffer.from(issued.privateKey), keyContext(row));
    const changes = { ...columnsOf(issued), private_key: sealed, issued_ms: now, renewed_ms: now };
    await store.tx((tx) => setCertificate(tx, row, changes));
    await peers.elasticloadbalancing.CertificateChanged({ Arn: arnOf(row) }, call);
  };

  const importNew = (row: CertificateRow, call: Call) =>
    store.tx(async (tx: Tx) => {
      await checkRoom(tx, call);
      await tx.run(insert(certificates, row));
    });

  return {
    reissue,
    operations: {
      async RequestCertificate(input, call) {
        const token = input.IdempotencyToken === undefined ? null : `client ${input.IdempotencyToken}`;
        const row = await request(input, checkTags([], input.Tags ?? []), token, call);
        return { CertificateArn: arnOf(row) };
      },

      async ImportCertificate(input, call) {
        const now = clock.now();
        const { certificate, chain, privateKey, names, keyAlgorithm, notBefore, notAfter } = importOf(input, now);
        const again = input.CertificateArn;
        const id = again === undefined ? ids.uuid() : idIn(again, call);
        const place = { account: call.account, region: call.region, id };
        const changes = {
          ...columnsOf({ certificate, chain: chain ?? "", notBefore, notAfter }),
          chain,
          domain: names[0] ?? "",
          names,
          key_algorithm: keyAlgorithm,
          private_key: secrets.seal(Buffer.from(privateKey), keyContext(place)),
          issued_ms: now,
        };
        if (again !== undefined) {
          if (input.Tags !== undefined) throw invalid("Tagging is not permitted on re-import.");
          await store.tx(async (tx) => {
            const row = await existing(tx, again, call);
            if (row.type !== "IMPORTED") throw invalid("The certificate is not an imported certificate.");
            await setCertificate(tx, row, changes);
          });
          await peers.elasticloadbalancing.CertificateChanged({ Arn: again }, call);
          return { CertificateArn: again };
        }
        await importNew(
          {
            ...place,
            ...changes,
            type: "IMPORTED",
            options: { transparency: "DISABLED", exportable: false },
            tags: checkTags([], input.Tags ?? []),
            validation: null,
            created_ms: now,
            renewed_ms: null,
            exported: false,
            token: null,
          },
          call,
        );
        return { CertificateArn: arnOf(place) };
      },

      async RenewCertificate(input, call) {
        const row = await store.read((tx) => existing(tx, input.CertificateArn, call));
        if (row.type === "IMPORTED") throw invalid("Only certificates issued by ACM can be renewed.");
        await reissue(row, call);
        return {};
      },
    } satisfies Handlers<Acm>,
  };
}

/** Certificates that are to be renewed, at most {@link renewalsMax}. */
export function dueForRenewal(tx: ReadTx, now: number): Promise<CertificateRow[]> {
  return tx.all<CertificateRow>(sql`select ${certificates.columns} from ${certificates.name}
    where type = 'AMAZON_ISSUED' and not_after_ms <= ${now + renewalMs} order by not_after_ms limit ${renewalsMax}`);
}
