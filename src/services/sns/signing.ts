/**
 * Signed messages: the node has a key and a certificate of its own, where AWS has Amazon's. Source: developer guide,
 * "Verifying the signatures of Amazon SNS messages".
 */
import { createHash, createPrivateKey, generateKeyPair, randomBytes, sign, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { issueCertificate } from "../../base/x509.ts";
import { globalRegion } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { dayMs, signaturesMax } from "./limits.ts";
import { isIn, signingKeys as table, type SigningKeyRow } from "./tables.ts";

const generate = promisify(generateKeyPair);
const signWith = promisify(sign);

export type SignatureVersion = "1" | "2";
const digests: Readonly<Record<SignatureVersion, string>> = { "1": "sha1", "2": "sha256" };

/** Where the front door finds certificates; what follows is their id and `.pem`. */
export const certificatePath = "/SimpleNotificationService-";

export interface Signing {
  /** Base64. The same text is signed once while it is in use. */
  sign(text: string, version: SignatureVersion): Promise<string>;
  /** The path of the certificate that verifies it. */
  path(): Promise<string>;
  /** PEM; undefined where there is none of that id. */
  certificate(id: string): Promise<string | undefined>;
}

const place = { account: globalRegion, region: globalRegion };
const context = (id: string) => `sns:signing:${id}`;
const validityMs = 10 * 365 * dayMs;

function latest(tx: ReadTx): Promise<SigningKeyRow | undefined> {
  return tx.one<SigningKeyRow>(sql`select ${table.columns} from ${table.name} where ${isIn(place)}
    order by created_ms, id limit 1`);
}

async function newRow({ clock, secrets }: Pick<Deps, "clock" | "secrets">): Promise<SigningKeyRow> {
  const { privateKey, publicKey } = await generate("rsa", { modulusLength: 2_048 });
  const now = clock.now();
  const subject = { commonName: "sns.amazonaws.com", organization: "Mikan" };
  const certificate = issueCertificate(
    {
      subject,
      names: ["sns.amazonaws.com"],
      publicKey,
      notBefore: now - dayMs,
      notAfter: now + validityMs,
      serial: randomBytes(16),
    },
    { subject, privateKey, publicKey },
  );
  const id = createHash("sha256").update(certificate).digest("hex").slice(0, 32);
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  return { ...place, id, certificate, private_key: secrets.seal(Buffer.from(pem), context(id)), created_ms: now };
}

export function createSigning(deps: Pick<Deps, "store" | "clock" | "secrets">): Signing {
  const { store, secrets } = deps;
  let own: Promise<{ row: SigningKeyRow; key: KeyObject }> | undefined;
  const signatures = new Map<string, Promise<string>>();

  const load = async () => {
    let row = await store.read(latest);
    if (row === undefined) {
      const made = await newRow(deps);
      row = await store.tx(async (tx) => {
        const present = await latest(tx);
        if (present !== undefined) return present;
        await tx.run(insert(table, made));
        return made;
      });
    }
    return { row, key: createPrivateKey(Buffer.from(secrets.open(row.private_key, context(row.id)))) };
  };
  const current = () => {
    own ??= load().catch((error: unknown) => {
      own = undefined;
      throw error;
    });
    return own;
  };
  // RSA takes a millisecond: in the pool of threads.
  const make = async (text: string, version: SignatureVersion) => {
    const { key } = await current();
    return (await signWith(digests[version], Buffer.from(text), key)).toString("base64");
  };

  return {
    sign(text, version) {
      const name = createHash("sha256").update(`${version} ${text}`).digest("base64url");
      const known = signatures.get(name) ?? make(text, version);
      signatures.delete(name);
      signatures.set(name, known);
      if (signatures.size > signaturesMax) {
        const { value: oldest } = signatures.keys().next();
        if (oldest !== undefined) signatures.delete(oldest);
      }
      return known;
    },
    path: async () => `${certificatePath}${(await current()).row.id}.pem`,
    async certificate(id) {
      await current();
      const row = await store.read((tx) =>
        tx.one<SigningKeyRow>(sql`select ${table.columns} from ${table.name} where ${isIn(place)} and id = ${id}`),
      );
      return row?.certificate;
    },
  };
}
