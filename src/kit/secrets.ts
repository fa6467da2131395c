/** What must not stand in the store as it is: sealed under the node's master key, which is never in the store. */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { chmod, link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Bug, errorCode } from "../base/errors.ts";

export interface Secrets {
  /**
   * Encrypts and authenticates. What was sealed opens only with the same `context`, a text that says what it is and
   * whose (`kms:material:123456789012:us-east-1:...`), so that a row copied to another place is of no use.
   */
  seal(plaintext: Uint8Array, context: string): Uint8Array;
  /** @throws Error when the bytes were changed, or sealed with another context or master key. */
  open(sealed: Uint8Array, context: string): Uint8Array;
  /**
   * 32 bytes that follow from the master key and `purpose`: the same after a restart and on every node that shares the
   * key. Undefined on a node that has no master key.
   */
  derive(purpose: string): Uint8Array | undefined;
}

/** AES-256. */
const masterKeyBytes = 32;
const formatVersion = 1;
const keyIdBytes = 4;
/** Random, so a key may seal 2^32 times (NIST SP 800-38D): once a second for a century. */
const nonceBytes = 12;
const tagBytes = 16;
const headerBytes = 1 + keyIdBytes + nonceBytes;
const cipherName = "aes-256-gcm";

/** Layout: version (1), id of the master key (4), nonce (12), ciphertext, tag (16). Header and context are authenticated. */
export function secretsUnder(masterKey: Uint8Array): Secrets {
  if (masterKey.byteLength !== masterKeyBytes) throw new Bug(`a master key has ${masterKeyBytes} bytes`);
  const keyId = createHash("sha256").update("mikan master key id").update(masterKey).digest().subarray(0, keyIdBytes);
  const bound = (header: Uint8Array, context: string) => Buffer.concat([header, Buffer.from(context)]);
  return {
    derive: (purpose) => createHmac("sha256", masterKey).update(`mikan derived key\n${purpose}`).digest(),
    seal(plaintext, context) {
      const header = Buffer.concat([Buffer.from([formatVersion]), keyId, randomBytes(nonceBytes)]);
      const cipher = createCipheriv(cipherName, masterKey, header.subarray(1 + keyIdBytes));
      cipher.setAAD(bound(header, context));
      return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(bytes, context) {
      const sealed = Buffer.from(bytes);
      const header = sealed.subarray(0, headerBytes);
      if (sealed.byteLength < headerBytes + tagBytes || header[0] !== formatVersion) {
        throw new Error("not what this version of Mikan seals");
      }
      if (!header.subarray(1, 1 + keyIdBytes).equals(keyId)) {
        throw new Error("sealed under another master key than the one this node was started with");
      }
      const decipher = createDecipheriv(cipherName, masterKey, header.subarray(1 + keyIdBytes));
      decipher.setAAD(bound(header, context));
      decipher.setAuthTag(sealed.subarray(-tagBytes));
      return Buffer.concat([decipher.update(sealed.subarray(headerBytes, -tagBytes)), decipher.final()]);
    },
  };
}

export const noMasterKey =
  "This node keeps its data in PostgreSQL and has no master key for secrets: " +
  "start every node with the same MIKAN_MASTER_KEY, the base64 of 32 random bytes.";

/** Of a node that was given no master key and has no place of its own to keep one: it works until a secret is needed. */
function withoutKey(): Secrets {
  const refuse = (): never => {
    throw new Error(noMasterKey);
  };
  return { seal: refuse, open: refuse, derive: () => undefined };
}

/** Reads 32 bytes written as base64, base64url or hex. */
function parseMasterKey(text: string): Uint8Array {
  const trimmed = text.trim();
  const isHex = /^[0-9a-f]{64}$/i.test(trimmed);
  const key = Buffer.from(trimmed, isHex ? "hex" : "base64");
  if (key.byteLength === masterKeyBytes) return key;
  throw new Error(`A master key is ${masterKeyBytes} bytes as base64 or hex; this one has ${key.byteLength}.`);
}

export interface MasterKeySource {
  /** The operator's own key; wins over the others. Several nodes on one PostgreSQL share one. */
  given: string | undefined;
  /** The data directory, if the data is in one: `master.key` is made there, readable by its owner only. */
  directory: string | undefined;
  /** Nothing outlives the node, so neither need its key. */
  ephemeral: boolean;
}

/** The node's secrets. Back `master.key` up apart from the data: one without the other tells nothing. */
export async function openSecrets({ given, directory, ephemeral }: MasterKeySource): Promise<Secrets> {
  if (given !== undefined && given !== "") return secretsUnder(parseMasterKey(given));
  if (ephemeral) return secretsUnder(randomBytes(masterKeyBytes));
  if (directory === undefined) return withoutKey();
  const path = join(directory, "master.key");
  const kept = await readKept(path);
  if (kept !== undefined) return secretsUnder(parseMasterKey(kept));
  await makeKey(directory, path);
  return secretsUnder(parseMasterKey(await readFile(path, "utf8")));
}

async function readKept(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, "utf8");
    await chmod(path, 0o600);
    return text;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole and on disk before it has its name, and before anything is sealed under it. */
async function makeKey(directory: string, path: string): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${randomBytes(masterKeyBytes).toString("base64")}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // Unlike a rename, a link never replaces the key that another process made meanwhile.
    await link(draft, path);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
