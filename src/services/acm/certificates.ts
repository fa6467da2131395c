/** Certificates that are there: shown, listed, handed out, changed, deleted. */
import { createPrivateKey } from "node:crypto";
import type { CertificateSummary, Filters } from "@aws-sdk/client-acm";
import type { Call } from "../../kit/call.ts";
import type { CertificateKeeper } from "../../kit/certificates.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import { fault, invalid } from "./faults.ts";
import { pageDefault, passphraseBytesMax, passphraseBytesMin } from "./limits.ts";
import { arnOf, detailOf, existing, idIn, keyContext, statusOf, type AcmDeps } from "./lookup.ts";
import { certificates, findCertificate, isCertificate, isIn, setCertificate, type CertificateRow } from "./tables.ts";

/** Without a filter ListCertificates shows only these (API reference, "Filters"). */
const listedTypes = ["RSA_1024", "RSA_2048"];
/** Rows read at a time while a listing looks for those that pass its filters. */
const scanMax = 5_000;

const badToken = () => invalid("The NextToken value is invalid.");

function summaryOf(row: CertificateRow, now: number): CertificateSummary {
  const { CertificateArn, DomainName, Status, Type, KeyAlgorithm, NotBefore, NotAfter, CreatedAt, ...rest } = detailOf(
    row,
    [],
    now,
  );
  return {
    CertificateArn,
    DomainName,
    SubjectAlternativeNameSummaries: row.names,
    HasAdditionalSubjectAlternativeNames: false,
    Status,
    Type,
    KeyAlgorithm,
    KeyUsages: ["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"],
    ExtendedKeyUsages: ["TLS_WEB_SERVER_AUTHENTICATION", "TLS_WEB_CLIENT_AUTHENTICATION"],
    ExportOption: rest.Options?.Export,
    Exported: row.exported,
    NotBefore,
    NotAfter,
    CreatedAt,
    ...(rest.IssuedAt === undefined ? {} : { IssuedAt: rest.IssuedAt }),
    ...(rest.ImportedAt === undefined ? {} : { ImportedAt: rest.ImportedAt }),
  };
}

function passes(row: CertificateRow, filters: Received<Filters>): boolean {
  const types: readonly string[] = filters.keyTypes ?? listedTypes;
  const { exportOption } = filters;
  return (
    types.includes(row.key_algorithm) &&
    (exportOption === undefined || row.options.exportable === (exportOption === "ENABLED"))
  );
}

export function certificateOperations(deps: AcmDeps) {
  const { store, clock, secrets, peers } = deps;
  const openKey = (row: CertificateRow) => Buffer.from(secrets.open(row.private_key, keyContext(row))).toString();
  const usersOf = async (Arn: string, call: Call) =>
    (await peers.elasticloadbalancing.CertificateUses({ Arn }, call)).users;

  return {
    async DescribeCertificate(input, call) {
      const row = await store.read((tx) => existing(tx, input.CertificateArn, call));
      return { Certificate: detailOf(row, await usersOf(arnOf(row), call), clock.now()) };
    },

    async ListCertificates(input, call) {
      const { CertificateStatuses: statuses, Includes = {}, MaxItems = pageDefault, SortOrder = "ASCENDING" } = input;
      const listing = { operation: "ListCertificates", filters: [statuses, Includes, SortOrder], call };
      const [after] = pageKey(listing, input.NextToken, badToken) ?? [];
      const now = clock.now();
      const rows = await store.read((tx) =>
        tx.all<CertificateRow>(sql`select ${certificates.columns} from ${certificates.name}
          where ${isIn(call)} order by created_ms, id limit ${scanMax}`),
      );
      const ordered = SortOrder === "DESCENDING" ? rows.toReversed() : rows;
      const from = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
      const found = ordered
        .slice(from)
        .filter((row) => passes(row, Includes))
        .filter((row) => statuses === undefined || statuses.includes(statusOf(row, now)));
      const { page, nextToken } = pageOf(listing, found, MaxItems, ({ id }) => [id]);
      const CertificateSummaryList = page.map((row) => summaryOf(row, now));
      return nextToken === undefined ? { CertificateSummaryList } : { CertificateSummaryList, NextToken: nextToken };
    },

    async GetCertificate(input, call) {
      const { certificate, chain } = await store.read((tx) => existing(tx, input.CertificateArn, call));
      return { Certificate: certificate, ...(chain === null ? {} : { CertificateChain: chain }) };
    },

    async ExportCertificate(input, call) {
      const row = await store.read((tx) => existing(tx, input.CertificateArn, call));
      if (!row.options.exportable) throw invalid(`The certificate ${arnOf(row)} is not exportable.`);
      const passphrase = Buffer.from(input.Passphrase);
      if (passphrase.length < passphraseBytesMin || passphrase.length > passphraseBytesMax) {
        throw invalid(`A passphrase has ${passphraseBytesMin} to ${passphraseBytesMax} characters.`);
      }
      const key = createPrivateKey(openKey(row));
      if (!row.exported) await store.tx((tx) => setCertificate(tx, row, { exported: true }));
      return {
        Certificate: row.certificate,
        CertificateChain: row.chain ?? "",
        PrivateKey: key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString(),
      };
    },

    async UpdateCertificateOptions(input, call) {
      await store.tx(async (tx) => {
        const row = await existing(tx, input.CertificateArn, call);
        if (row.type === "IMPORTED") {
          throw fault("InvalidStateException", "Options of imported certificates cannot be changed.");
        }
        const transparency = input.Options.CertificateTransparencyLoggingPreference ?? row.options.transparency;
        const exportable =
          input.Options.Export === undefined ? row.options.exportable : input.Options.Export === "ENABLED";
        await setCertificate(tx, row, { options: { transparency, exportable } });
      });
      return {};
    },

    async DeleteCertificate(input, call) {
      const row = await store.read((tx) => existing(tx, input.CertificateArn, call));
      const users = await usersOf(arnOf(row), call);
      if (users.length > 0) {
        throw fault("ResourceInUseException", `Certificate ${arnOf(row)} in account ${row.account} is in use.`);
      }
      await store.tx((tx) => tx.run(sql`delete from ${certificates.name} where ${isCertificate(row)}`));
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-acm")>;
}

/** For those who show a certificate to clients. */
export function certificateKeeping({ store, secrets }: AcmDeps) {
  return {
    async ReadCertificate({ Arn }, call) {
      const row = await store.read((tx) => findCertificate(tx, call, idIn(Arn, call)));
      if (row === undefined) return {};
      const privateKey = Buffer.from(secrets.open(row.private_key, keyContext(row))).toString();
      return { material: { certificate: row.certificate + (row.chain ?? ""), privateKey, names: row.names } };
    },
  } satisfies CertificateKeeper;
}
