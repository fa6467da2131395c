import {
  CreateBucketCommand,
  DeleteBucketOwnershipControlsCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketOwnershipControlsCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutBucketAclCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type ObjectCannedACL,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let s3: S3Client;
beforeAll(async () => {
  mikan = await startMikan();
  s3 = clientsOf(mikan.url).s3;
});
afterAll(async () => {
  s3.destroy();
  await mikan.close();
});

const named = (name: string) => expect.objectContaining({ name });
const owner = "0".repeat(64);
const everybody = "http://acs.amazonaws.com/groups/global/AllUsers";
const dayMs = 24 * 3600_000;

describe("ACLs", () => {
  it("are off in a new bucket, but for what is so anyway", async () => {
    const Bucket = "acls-off";
    const ref = { Bucket, Key: "k" };
    await s3.send(new CreateBucketCommand({ Bucket }));
    const { OwnershipControls } = await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }));
    expect(OwnershipControls?.Rules).toEqual([{ ObjectOwnership: "BucketOwnerEnforced" }]);
    await s3.send(new PutObjectCommand({ ...ref, Body: "v", ACL: "bucket-owner-full-control" }));
    await s3.send(new PutObjectAclCommand({ ...ref, ACL: "bucket-owner-full-control" }));
    const refused = [
      new PutObjectCommand({ ...ref, Body: "v", ACL: "public-read" }),
      new PutObjectCommand({ ...ref, Body: "v", GrantRead: `uri="${everybody}"` }),
      new PutObjectAclCommand({ ...ref, ACL: "public-read" }),
      new PutBucketAclCommand({ Bucket, ACL: "private" }),
    ];
    for (const command of refused) {
      await expect(s3.send(command as PutObjectCommand)).rejects.toThrow(named("AccessControlListNotSupported"));
    }
    await expect(s3.send(new CreateBucketCommand({ Bucket: "acls-no", ACL: "public-read" }))).rejects.toThrow(
      named("InvalidBucketAclWithObjectOwnership"),
    );
    const { Grants } = await s3.send(new GetObjectAclCommand(ref));
    expect(Grants).toMatchObject([{ Permission: "FULL_CONTROL", Grantee: { ID: owner } }]);
  });

  it("are kept and told where the ownership controls let them in", async () => {
    const Bucket = "acls-on";
    const ref = { Bucket, Key: "k" };
    await s3.send(new CreateBucketCommand({ Bucket, ObjectOwnership: "ObjectWriter", ACL: "public-read" }));
    const grantsOf = async () => {
      const { Grants } = await s3.send(new GetObjectAclCommand(ref));
      return Grants?.map(
        ({ Permission, Grantee }) => `${Permission} ${Grantee?.URI?.split("/").at(-1) ?? Grantee?.ID}`,
      );
    };
    const full = `FULL_CONTROL ${owner}`;
    const ofBucket = await s3.send(new GetBucketAclCommand({ Bucket }));
    expect(ofBucket.Grants).toHaveLength(2);
    await s3.send(new PutObjectCommand({ ...ref, Body: "v", ACL: "public-read" }));
    expect(await grantsOf()).toEqual([full, "READ AllUsers"]);
    const cannedAcls: [ObjectCannedACL, string[]][] = [
      ["private", [full]],
      ["public-read-write", [full, "READ AllUsers", "WRITE AllUsers"]],
      ["authenticated-read", [full, "READ AuthenticatedUsers"]],
    ];
    for (const [ACL, expected] of cannedAcls) {
      await s3.send(new PutObjectAclCommand({ ...ref, ACL }));
      expect(await grantsOf()).toEqual(expected);
    }
    const friend = "f".repeat(64);
    await s3.send(new PutObjectAclCommand({ ...ref, GrantRead: `id="${friend}", uri="${everybody}"` }));
    expect(await grantsOf()).toEqual([`READ ${friend}`, "READ AllUsers"]);
    const Grants = [{ Permission: "WRITE_ACP" as const, Grantee: { Type: "CanonicalUser" as const, ID: friend } }];
    await s3.send(new PutObjectAclCommand({ ...ref, AccessControlPolicy: { Owner: { ID: owner }, Grants } }));
    expect(await grantsOf()).toEqual([`WRITE_ACP ${friend}`]);
    await expect(s3.send(new PutObjectAclCommand({ ...ref, GrantRead: 'emailAddress="a@b.c"' }))).rejects.toThrow(
      named("UnresolvableGrantByEmailAddress"),
    );
    await s3.send(new DeleteBucketOwnershipControlsCommand({ Bucket }));
    await expect(s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))).rejects.toThrow(
      named("OwnershipControlsNotFoundError"),
    );
    await s3.send(new PutBucketAclCommand({ Bucket, ACL: "authenticated-read" }));
    expect((await s3.send(new GetBucketAclCommand({ Bucket }))).Grants?.[1]?.Permission).toBe("READ");
  });
});

describe("object lock", () => {
  it("keeps a version until its time, unless governance is bypassed", async () => {
    const Bucket = "locked";
    const ref = { Bucket, Key: "k" };
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    const suspend = { Bucket, VersioningConfiguration: { Status: "Suspended" as const } };
    await expect(s3.send(new PutBucketVersioningCommand(suspend))).rejects.toThrow(named("InvalidBucketState"));
    const DefaultRetention = { Mode: "GOVERNANCE" as const, Days: 1 };
    const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled" as const, Rule: { DefaultRetention } };
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
    const told = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }));
    expect(told.ObjectLockConfiguration).toEqual(ObjectLockConfiguration);

    const { VersionId } = await s3.send(new PutObjectCommand({ ...ref, Body: "v" }));
    const version = { ...ref, VersionId };
    const got = await s3.send(new GetObjectCommand(version));
    expect(got.ObjectLockMode).toBe("GOVERNANCE");
    expect(Math.abs((got.ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now() - dayMs)).toBeLessThan(60_000);
    const marker = await s3.send(new DeleteObjectCommand(ref));
    expect(marker.DeleteMarker).toBe(true);
    await expect(s3.send(new DeleteObjectCommand(version))).rejects.toThrow(named("AccessDenied"));
    const { Errors } = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "k", VersionId }] } }),
    );
    expect(Errors?.[0]?.Code).toBe("AccessDenied");

    await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: "ON" } }));
    expect((await s3.send(new GetObjectLegalHoldCommand(version))).LegalHold?.Status).toBe("ON");
    const bypassed = { ...version, BypassGovernanceRetention: true };
    await expect(s3.send(new DeleteObjectCommand(bypassed))).rejects.toThrow(named("AccessDenied"));
    await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: "OFF" } }));
    await s3.send(new DeleteObjectCommand(bypassed));
    await expect(s3.send(new GetObjectCommand(version))).rejects.toThrow(named("NoSuchVersion"));
  });

  it("lets nobody shorten compliance", async () => {
    const Bucket = "complies";
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    const until = (days: number) => new Date(Date.now() + days * dayMs);
    const put = {
      Bucket,
      Key: "k",
      Body: "v",
      ObjectLockMode: "COMPLIANCE" as const,
      ObjectLockRetainUntilDate: until(2),
    };
    const { VersionId } = await s3.send(new PutObjectCommand(put));
    const version = { Bucket, Key: "k", VersionId };
    const retain = (Mode: "COMPLIANCE" | "GOVERNANCE", days: number) =>
      s3.send(
        new PutObjectRetentionCommand({
          ...version,
          Retention: { Mode, RetainUntilDate: until(days) },
          BypassGovernanceRetention: true,
        }),
      );
    await retain("COMPLIANCE", 3);
    await expect(retain("COMPLIANCE", 1)).rejects.toThrow(named("AccessDenied"));
    await expect(retain("GOVERNANCE", 9)).rejects.toThrow(named("AccessDenied"));
    await expect(retain("COMPLIANCE", -1)).rejects.toThrow(named("InvalidArgument"));
    expect((await s3.send(new GetObjectRetentionCommand(version))).Retention?.Mode).toBe("COMPLIANCE");
    await expect(s3.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true }))).rejects.toThrow(
      named("AccessDenied"),
    );
  });

  it("needs a bucket that has it", async () => {
    const Bucket = "unlocked";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "v" }));
    await expect(s3.send(new GetObjectRetentionCommand({ Bucket, Key: "k" }))).rejects.toThrow(named("InvalidRequest"));
    await expect(s3.send(new GetObjectLockConfigurationCommand({ Bucket }))).rejects.toThrow(
      named("ObjectLockConfigurationNotFoundError"),
    );
    const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled" as const };
    await expect(s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))).rejects.toThrow(
      named("InvalidBucketState"),
    );
  });
});
