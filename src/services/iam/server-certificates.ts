/** Server certificates: what load balancers could show before ACM, and still can. Their keys are sealed. */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { parseArn } from "../../base/arn.ts";
import { globalRegion, type Call } from "../../kit/call.ts";
import type { CertificateKeeper } from "../../kit/certificates.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { admitName, arnOf, fault, mergeTags, pageOfTable } from "./entities.ts";
import { serverCertificatesMax } from "./limits.ts";
import { findNamed, isRow, serverCertificates, type ServerCertificate } from "./tables.ts";

const title = "Server Certificate";
const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

const arnOfCertificate = (row: ServerCertificate) => arnOf("server-certificate", row);
const malformed = (message: string, cause?: unknown) => fault("MalformedCertificateException", message, {}, { cause });
const keyContext = ({ account, id }: ServerCertificate) => `iam:server-certificate:${account}:${id}`;

async function existing(tx: ReadTx, account: string, name: string): Promise<ServerCertificate> {
  const row = await findNamed(tx, serverCertificates, account, name);
  if (row === undefined) {
    throw fault("NoSuchEntityException", `The Server Certificate with name ${name} cannot be found.`);
  }
  return row;
}

function parsed(pem: string | undefined): X509Certificate {
  const message = "Unable to parse certificate. Please ensure the certificate is in PEM format.";
  if (pem === undefined) throw malformed(message);
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw malformed(message, cause);
  }
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw malformed("Invalid Private Key.", cause);
  }
}

/** Checks what is uploaded; throws what IAM says of what it does not take. */
function readUpload(body: string, privateKey: string, chain: string | undefined) {
  const certificate = parsed(body.match(block)?.[0]);
  const key = privateKeyOf(privateKey);
  if (!certificate.checkPrivateKey(key)) {
    throw fault("KeyPairMismatchException", "Unable to validate certificate: the private key does not match it.");
  }
  const links = chain === undefined ? [] : (chain.match(block) ?? []).map(parsed);
  let child = certificate;
  for (const [index, link] of links.entries()) {
    if (!child.checkIssued(link) || !child.verify(link.publicKey)) {
      throw malformed(
        "Unable to validate certificate chain. The certificate chain must start with the immediate signing " +
          "certificate, followed by any intermediaries in order. The index within the chain of the invalid " +
          `certificate is: ${index}`,
      );
    }
    child = link;
  }
  return {
    certificate: certificate.toString(),
    chain: links.length === 0 ? null : links.map((link) => link.toString()).join(""),
    expires_ms: Date.parse(certificate.validTo),
    privateKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** DNS names of a certificate: the alternative ones, or the common name where there are none. */
function namesOf({ subject, subjectAltName = "" }: X509Certificate): string[] {
  const names = [...subjectAltName.matchAll(/DNS:([^,]+)/g)].map(([, name = ""]) => name.trim());
  const common = /^CN=(.+)$/m.exec(subject)?.[1];
  return (names.length > 0 || common === undefined ? names : [common]).map((name) => name.toLowerCase());
}

const described = (row: ServerCertificate) => ({
  Path: row.path,
  ServerCertificateName: row.name,
  ServerCertificateId: row.id,
  Arn: arnOfCertificate(row),
  UploadDate: new Date(row.created_ms),
  Expiration: new Date(row.expires_ms),
});
const withTags = ({ tags }: ServerCertificate) => (tags.length === 0 ? {} : { Tags: tags });

export function serverCertificateOperations({ store, clock, ids, secrets, peers }: Deps) {
  const usersOf = async (row: ServerCertificate, call: Call) =>
    (await peers.elasticloadbalancing.CertificateUses({ Arn: arnOfCertificate(row) }, call)).users;
  const change = (call: Call, name: string, changes: (row: ServerCertificate) => Partial<ServerCertificate>) =>
    store.tx(async (tx) => {
      const row = await existing(tx, call.account, name);
      const values = assign(serverCertificates, changes(row));
      await tx.run(sql`update ${serverCertificates.name} set ${values} where ${isRow(row)}`);
      return {};
    });

  return {
    async UploadServerCertificate(input, call) {
      const { privateKey, ...columns } = readUpload(input.CertificateBody, input.PrivateKey, input.CertificateChain);
      const bare = { account: call.account, region: globalRegion, name: input.ServerCertificateName };
      const row: ServerCertificate = {
        ...bare,
        ...columns,
        id: `ASCA${ids.suffix(17)}`,
        path: input.Path ?? "/",
        private_key: new Uint8Array(),
        created_ms: clock.now(),
        tags: mergeTags("ServerCertificate", [], input.Tags ?? []),
      };
      row.private_key = secrets.seal(Buffer.from(privateKey), keyContext(row));
      await store.tx(async (tx) => {
        const quota = "ServerCertificatesPerAccount";
        await admitName(tx, serverCertificates, { title, quota, max: serverCertificatesMax, ...bare });
        await tx.run(insert(serverCertificates, row));
      });
      return { ServerCertificateMetadata: described(row), ...withTags(row) };
    },

    async GetServerCertificate({ ServerCertificateName: name }, call) {
      const row = await store.read((tx) => existing(tx, call.account, name));
      return {
        ServerCertificate: {
          ServerCertificateMetadata: described(row),
          CertificateBody: row.certificate,
          ...(row.chain === null ? {} : { CertificateChain: row.chain }),
          ...withTags(row),
        },
      };
    },

    async ListServerCertificates(input, call) {
      const listing = { operation: "ListServerCertificates", input, call };
      const { page, paged } = await pageOfTable(store, serverCertificates, listing);
      return { ServerCertificateMetadataList: page.map(described), ...paged };
    },

    async UpdateServerCertificate(input, call) {
      const { ServerCertificateName: name, NewServerCertificateName: next = name, NewPath } = input;
      await store.tx(async (tx) => {
        const row = await existing(tx, call.account, name);
        if (next !== name && (await findNamed(tx, serverCertificates, call.account, next)) !== undefined) {
          throw fault("EntityAlreadyExistsException", `${title} with name ${next} already exists.`);
        }
        const values = assign(serverCertificates, { name: next, path: NewPath ?? row.path });
        await tx.run(sql`update ${serverCertificates.name} set ${values} where ${isRow(row)}`);
      });
      return {};
    },

    async DeleteServerCertificate({ ServerCertificateName: name }, call) {
      const row = await store.read((tx) => existing(tx, call.account, name));
      const [user] = await usersOf(row, call);
      if (user !== undefined) {
        throw fault("DeleteConflictException", `Certificate: ${row.id} is currently in use by ${user}.`);
      }
      await store.tx((tx) => tx.run(sql`delete from ${serverCertificates.name} where ${isRow(row)}`));
      return {};
    },

    TagServerCertificate: ({ ServerCertificateName: name, Tags }, call) =>
      change(call, name, ({ tags }) => ({ tags: mergeTags("ServerCertificate", tags, Tags) })),

    UntagServerCertificate: ({ ServerCertificateName: name, TagKeys }, call) =>
      change(call, name, ({ tags }) => ({ tags: tags.filter(({ Key }) => !TagKeys.includes(Key)) })),

    async ListServerCertificateTags({ ServerCertificateName: name }, call) {
      const { tags } = await store.read((tx) => existing(tx, call.account, name));
      return { Tags: tags, IsTruncated: false };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

/** For those who show a certificate to clients. */
export function serverCertificateKeeping({ store, secrets }: Pick<Deps, "store" | "secrets">) {
  return {
    async ReadCertificate({ Arn }, call) {
      const name = parseArn(Arn)?.resource.split("/").at(-1) ?? "";
      const row = await store.read((tx) => findNamed(tx, serverCertificates, call.account, name));
      if (row === undefined || arnOfCertificate(row) !== Arn) return {};
      const privateKey = Buffer.from(secrets.open(row.private_key, keyContext(row))).toString();
      const names = namesOf(new X509Certificate(row.certificate));
      return { material: { certificate: row.certificate + (row.chain ?? ""), privateKey, names } };
    },
  } satisfies CertificateKeeper;
}
