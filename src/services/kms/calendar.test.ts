import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { withServices, type TestServices } from "../services.suite.ts";
import { kms } from "./service.ts";

const dayMs = 24 * 3600_000;
const plaintext = Buffer.from("a plan that nobody may read");

async function keyAndBlob({ peers, call }: TestServices) {
  const { KeyMetadata } = await peers.kms.CreateKey({}, call);
  const KeyId = must(KeyMetadata?.KeyId, "KeyId");
  const { CiphertextBlob } = await peers.kms.Encrypt({ KeyId, Plaintext: plaintext }, call);
  return { KeyId, CiphertextBlob: must(CiphertextBlob, "CiphertextBlob") };
}

describe("by the calendar", () => {
  it("keys are deleted when their waiting period is over, and not before", () =>
    withServices([kms], async (node) => {
      const { peers, call, clock, runJob } = node;
      const { KeyId, CiphertextBlob } = await keyAndBlob(node);
      await peers.kms.CreateAlias({ AliasName: "alias/gone", TargetKeyId: KeyId }, call);
      await peers.kms.ScheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 }, call);
      await clock.advance(7 * dayMs - 1);
      await runJob("kms:deletion");
      expect((await peers.kms.DescribeKey({ KeyId }, call)).KeyMetadata?.KeyState).toBe("PendingDeletion");
      await clock.advance(1);
      await runJob("kms:deletion");
      await expect(peers.kms.DescribeKey({ KeyId }, call)).rejects.toMatchObject({ code: "NotFoundException" });
      await expect(peers.kms.Decrypt({ CiphertextBlob }, call)).rejects.toMatchObject({
        code: "InvalidCiphertextException",
      });
      expect((await peers.kms.ListAliases({}, call)).Aliases).toEqual([]);
    }));

  it("keys rotate, and what they encrypted before still opens", () =>
    withServices([kms], async (node) => {
      const { peers, call, clock, runJob } = node;
      const { KeyId, CiphertextBlob } = await keyAndBlob(node);
      await peers.kms.EnableKeyRotation({ KeyId, RotationPeriodInDays: 90 }, call);
      for (let round = 0; round < 2; round += 1) {
        await clock.advance(90 * dayMs);
        await runJob("kms:rotation");
        await runJob("kms:rotation");
      }
      const { Rotations } = await peers.kms.ListKeyRotations({ KeyId }, call);
      expect(Rotations?.map(({ RotationType }) => RotationType)).toEqual(["AUTOMATIC", "AUTOMATIC"]);
      const status = await peers.kms.GetKeyRotationStatus({ KeyId }, call);
      expect(status.NextRotationDate?.getTime()).toBe(clock.now() + 90 * dayMs);
      const { Plaintext } = await peers.kms.Decrypt({ CiphertextBlob }, call);
      expect(Buffer.from(must(Plaintext, "Plaintext"))).toEqual(plaintext);
      await peers.kms.DisableKey({ KeyId }, call);
      await clock.advance(90 * dayMs);
      await runJob("kms:rotation");
      expect((await peers.kms.ListKeyRotations({ KeyId }, call)).Rotations).toHaveLength(2);
    }));
});

it("nothing secret is logged or stands in the data as it is", () =>
  withServices([kms], async (node) => {
    const { peers, call, directory, logged } = node;
    const { KeyId, CiphertextBlob } = await keyAndBlob(node);
    const { Plaintext } = await peers.kms.GenerateDataKey({ KeyId, KeySpec: "AES_256" }, call);
    const bad = peers.kms.Decrypt({ CiphertextBlob, EncryptionContext: { a: "secret context" } }, call);
    await expect(bad).rejects.toThrow();
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name))),
    );
    const everything = Buffer.concat([...contents, Buffer.from(logged.join(""))]);
    expect(everything.includes(KeyId)).toBe(true);
    for (const secret of [plaintext, must(Plaintext, "Plaintext"), Buffer.from("secret context")]) {
      expect(everything.includes(Buffer.from(secret))).toBe(false);
    }
  }));
