import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSecrets, secretsUnder } from "./secrets.ts";

const plaintext = Buffer.from("the plan");

describe("what is sealed", () => {
  const secrets = secretsUnder(randomBytes(32));

  it("opens with its context only", () => {
    const sealed = secrets.seal(plaintext, "a");
    expect(Buffer.from(secrets.open(sealed, "a"))).toEqual(plaintext);
    expect(() => secrets.open(sealed, "b")).toThrow();
    expect(Buffer.from(sealed).includes(plaintext)).toBe(false);
    expect(secrets.seal(plaintext, "a")).not.toEqual(sealed);
  });

  it("does not open when any byte was changed", () => {
    const sealed = secrets.seal(plaintext, "a");
    for (const at of sealed.keys()) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => secrets.open(changed, "a"), `byte ${at}`).toThrow();
    }
    expect(() => secrets.open(sealed.subarray(0, 20), "a")).toThrow("not what this version");
  });

  it("says so when the master key is another", () => {
    expect(() => secretsUnder(randomBytes(32)).open(secrets.seal(plaintext, "a"), "a")).toThrow("another master key");
  });
});

describe("the master key", () => {
  const withDirectory = async (body: (directory: string) => Promise<void>) => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-secrets-"));
    try {
      await body(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };

  it("is made once in the data directory, for its owner only", () =>
    withDirectory(async (directory) => {
      const source = { given: undefined, directory, ephemeral: false };
      const [one, other] = await Promise.all([openSecrets(source), openSecrets(source)]);
      const sealed = one.seal(plaintext, "a");
      expect(Buffer.from(other.open(sealed, "a"))).toEqual(plaintext);
      expect(Buffer.from((await openSecrets(source)).open(sealed, "a"))).toEqual(plaintext);
      expect(await readdir(directory)).toEqual(["master.key"]);
      expect((await stat(join(directory, "master.key"))).mode & 0o777).toBe(0o600);
    }));

  it("is the given one before any other", () =>
    withDirectory(async (directory) => {
      const key = randomBytes(32);
      const given = await openSecrets({ given: key.toString("base64"), directory, ephemeral: false });
      const hex = await openSecrets({ given: key.toString("hex"), directory: undefined, ephemeral: true });
      expect(Buffer.from(hex.open(given.seal(plaintext, "a"), "a"))).toEqual(plaintext);
      expect(await readdir(directory)).toEqual([]);
      await expect(openSecrets({ given: "short", directory, ephemeral: false })).rejects.toThrow("32 bytes");
    }));

  it("is asked for by name where there is no place to keep one", async () => {
    const secrets = await openSecrets({ given: undefined, directory: undefined, ephemeral: false });
    expect(() => secrets.seal(plaintext, "a")).toThrow("MIKAN_MASTER_KEY");
  });
});
