/** Key material: made, sealed, opened, and kept open for a while. */
import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  randomBytes,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import { must } from "../../base/errors.ts";
import type { Secrets } from "../../kit/secrets.ts";
import { unsealedMax } from "./limits.ts";
import type { Spec } from "./specs.ts";
import type { MaterialRow } from "./tables.ts";

const generate = promisify(generateKeyPair);

/** AES-256. */
const symmetricBytes = 32;

export interface Fresh {
  secret: Uint8Array;
  publicKey: Uint8Array | null;
}

/** New material. RSA takes up to seconds, on libuv's threads. */
export async function freshMaterial(spec: Spec): Promise<Fresh> {
  switch (spec.kind) {
    case "symmetric":
      return { secret: randomBytes(symmetricBytes), publicKey: null };
    case "hmac":
      return { secret: randomBytes(spec.keyBytes), publicKey: null };
    default: {
      const { privateKey, publicKey } = await freshPair(spec);
      return {
        secret: privateKey.export({ type: "pkcs8", format: "der" }),
        publicKey: publicKey.export({ type: "spki", format: "der" }),
      };
    }
  }
}

function freshPair(spec: Extract<Spec, { kind: "rsa" | "ec" | "ed25519" }>) {
  if (spec.kind === "rsa") return generate("rsa", { modulusLength: spec.bits });
  if (spec.kind === "ec") return generate("ec", { namedCurve: spec.curve });
  return generate("ed25519");
}

const contextOf = ({ account, region, key_id, version }: Omit<MaterialRow, "sealed" | "public_key">) =>
  `kms:material:${account}:${region}:${key_id}:${version}`;

type MaterialKey = Pick<MaterialRow, "account" | "region" | "key_id" | "version">;

export interface Materials {
  row(of: MaterialKey & Pick<MaterialRow, "created_ms" | "origin">, fresh: Fresh): MaterialRow;
  /** The key in usable form: secret, or private. */
  open(row: MaterialRow): KeyObject;
  /** An opened key, if it still is; material never changes, so it is never stale. */
  kept(of: MaterialKey): KeyObject | undefined;
}

const cacheKey = ({ account, region, key_id, version }: MaterialKey) => `${account}/${region}/${key_id}/${version}`;

export function createMaterials(secrets: Secrets): Materials {
  const opened = new Map<string, KeyObject>();
  return {
    row(of, fresh) {
      const named = { ...of, id: randomBytes(32).toString("hex") };
      return { ...named, sealed: secrets.seal(fresh.secret, contextOf(named)), public_key: fresh.publicKey };
    },
    open(row) {
      const secret = Buffer.from(secrets.open(row.sealed, contextOf(row)));
      const key =
        row.public_key === null
          ? createSecretKey(secret)
          : createPrivateKey({ key: secret, format: "der", type: "pkcs8" });
      if (opened.size >= unsealedMax) opened.delete(must(opened.keys().next().value, "the oldest opened key"));
      opened.set(cacheKey(row), key);
      return key;
    },
    kept: (of) => opened.get(cacheKey(of)),
  };
}

export const publicKeyOf = (privateKey: KeyObject): KeyObject => createPublicKey(privateKey);
