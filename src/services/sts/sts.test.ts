/** STS and access keys by the official clients: on an open node, on one that verifies, and after a restart. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  GetUserCommand,
  IAMClient,
  ListAccessKeysCommand,
  ListRolesCommand,
  UpdateAccessKeyCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { ListFunctionsCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import {
  AssumeRoleCommand,
  AssumeRoleWithWebIdentityCommand,
  GetAccessKeyInfoCommand,
  GetCallerIdentityCommand,
  GetSessionTokenCommand,
  STSClient,
  type AssumeRoleCommandInput,
  type Credentials,
} from "@aws-sdk/client-sts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

interface Key {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const rootKey: Key = { accessKeyId: "AKIAROOTEXAMPLE00000", secretAccessKey: "root" };
const statement = { Effect: "Allow", Principal: {}, Action: "sts:AssumeRole" };
const trustOf = (...statements: Partial<Record<keyof typeof statement | "Condition", unknown>>[]) =>
  JSON.stringify({ Version: "2012-10-17", Statement: statements.map((given) => ({ ...statement, ...given })) });

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.destroy();
});

function clientsFor(endpoint: string, credentials: Key, systemClockOffset = 0) {
  const options = { endpoint, region: "us-east-1", credentials, maxAttempts: 1, systemClockOffset };
  const clients = {
    iam: new IAMClient(options),
    sts: new STSClient(options),
    lambda: new LambdaClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
  };
  open.push(...Object.values(clients));
  return clients;
}
const keyOf = (from: Credentials | undefined): Key => ({
  accessKeyId: from?.AccessKeyId ?? "",
  secretAccessKey: from?.SecretAccessKey ?? "",
  sessionToken: from?.SessionToken ?? "",
});
const inAccount = (account: string): Key => ({ accessKeyId: account, secretAccessKey: "test" });

async function userWithKey(iam: IAMClient, UserName: string): Promise<Key> {
  await iam.send(new CreateUserCommand({ UserName, Path: "/eng/" }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  return { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
}

describe("an open node", () => {
  let mikan: Mikan;
  const startMs = systemClock.now();
  let aheadMs = 0;
  beforeAll(async () => {
    mikan = await startMikan({ clock: { ...systemClock, now: () => startMs + aheadMs } });
  });
  afterEach(() => {
    aheadMs = 0;
  });
  afterAll(() => mikan.close());
  const as = (key: Key) => clientsFor(mikan.url, key);

  it("knows the key of a user, and whose account it is", async () => {
    const { iam } = as(inAccount("111111111111"));
    const key = await userWithKey(iam, "ann");
    expect(key.accessKeyId).toMatch(/^AKIA[A-Z2-7]{16}$/);
    expect(key.secretAccessKey).toHaveLength(40);
    const ann = as(key);
    expect(await ann.sts.send(new GetCallerIdentityCommand({}))).toMatchObject({
      Account: "111111111111",
      Arn: "arn:aws:iam::111111111111:user/eng/ann",
      UserId: expect.stringMatching(/^AIDA/) as string,
    });
    expect((await ann.iam.send(new GetUserCommand({}))).User?.UserName).toBe("ann");
    expect((await ann.iam.send(new ListAccessKeysCommand({}))).AccessKeyMetadata).toMatchObject([
      { UserName: "ann", AccessKeyId: key.accessKeyId, Status: "Active" },
    ]);
    const info = await ann.sts.send(new GetAccessKeyInfoCommand({ AccessKeyId: key.accessKeyId }));
    expect(info.Account).toBe("111111111111");

    await iam.send(new CreateAccessKeyCommand({ UserName: "ann" }));
    await expect(iam.send(new CreateAccessKeyCommand({ UserName: "ann" }))).rejects.toMatchObject({
      name: "LimitExceededException",
      message: "Cannot exceed quota for AccessKeysPerUser: 2",
    });
    await iam.send(new DeleteAccessKeyCommand({ UserName: "ann", AccessKeyId: key.accessKeyId }));
    // An unknown key is the default account's.
    expect((await ann.sts.send(new GetCallerIdentityCommand({}))).Account).toBe("000000000000");
  });

  it("gives keys of a role to whom its trust policy names, in the account of the role", async () => {
    const owner = as(inAccount("222222222222"));
    const AssumeRolePolicyDocument = trustOf({ Principal: { AWS: "arn:aws:iam::333333333333:root" } });
    const made = await owner.iam.send(
      new CreateRoleCommand({ RoleName: "deploy", Path: "/ci/", AssumeRolePolicyDocument }),
    );
    const RoleArn = made.Role?.Arn ?? "";
    const request = { RoleArn, RoleSessionName: "build-7" };
    const answer = await as(inAccount("333333333333")).sts.send(new AssumeRoleCommand(request));
    expect(answer.AssumedRoleUser).toEqual({
      Arn: "arn:aws:sts::222222222222:assumed-role/deploy/build-7",
      AssumedRoleId: `${made.Role?.RoleId}:build-7`,
    });
    const key = keyOf(answer.Credentials);
    expect(key.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
    const worker = as(key);
    expect(await worker.sts.send(new GetCallerIdentityCommand({}))).toMatchObject({
      Account: "222222222222",
      Arn: "arn:aws:sts::222222222222:assumed-role/deploy/build-7",
      UserId: `${made.Role?.RoleId}:build-7`,
    });
    expect((await worker.iam.send(new ListRolesCommand({}))).Roles).toMatchObject([{ RoleName: "deploy" }]);

    await expect(owner.sts.send(new AssumeRoleCommand(request))).rejects.toMatchObject({
      name: "AccessDenied",
      $metadata: { httpStatusCode: 403 },
      message: `User: arn:aws:iam::222222222222:root is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}`,
    });
    const absent = { ...request, RoleArn: RoleArn.replace("/ci", "") };
    await expect(as(inAccount("333333333333")).sts.send(new AssumeRoleCommand(absent))).rejects.toMatchObject({
      name: "AccessDenied",
    });
  });

  it("heeds conditions, tags, source identities and prohibitions of trust policies", async () => {
    const account = "444444444444";
    const { iam, sts } = as(inAccount(account));
    const AWS = account;
    const RoleName = "partner";
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trustOf({ Principal: { AWS } }) }));
    const assume = (given: Partial<AssumeRoleCommandInput> = {}) =>
      sts.send(
        new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${account}:role/partner`, RoleSessionName: "s-1", ...given }),
      );
    const trust = (...statements: Parameters<typeof trustOf>) =>
      iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trustOf(...statements) }));
    const denied = { name: "AccessDenied" };

    await trust({ Principal: { AWS }, Condition: { StringEquals: { "sts:ExternalId": "secret-1" } } });
    await expect(assume()).rejects.toMatchObject(denied);
    await expect(assume({ ExternalId: "secret-2" })).rejects.toMatchObject(denied);
    expect((await assume({ ExternalId: "secret-1" })).PackedPolicySize).toBeUndefined();

    await trust({ Principal: { AWS } });
    const Tags = [{ Key: "team", Value: "maps" }];
    await expect(assume({ Tags })).rejects.toMatchObject({
      message: expect.stringContaining("sts:TagSession") as string,
    });
    await trust({ Principal: { AWS }, Action: ["sts:AssumeRole", "sts:TagSession"] });
    expect((await assume({ Tags })).PackedPolicySize).toBe(1);
    await expect(assume({ SourceIdentity: "ann" })).rejects.toMatchObject(denied);

    await trust(
      { Principal: { AWS } },
      { Principal: "*", Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } },
    );
    await expect(assume()).rejects.toMatchObject(denied);
  });

  it("keeps to the role's maximum, an hour for chains, and the sizes", async () => {
    const account = "555555555555";
    const { iam, sts } = as(inAccount(account));
    const AssumeRolePolicyDocument = trustOf({ Principal: { AWS: account } });
    await iam.send(new CreateRoleCommand({ RoleName: "long", AssumeRolePolicyDocument, MaxSessionDuration: 7_200 }));
    const assume = (given: Partial<AssumeRoleCommandInput>) =>
      new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${account}:role/long`, RoleSessionName: "s-1", ...given });
    await expect(sts.send(assume({ DurationSeconds: 7_201 }))).rejects.toMatchObject({
      name: "ValidationError",
      message: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    });
    const { Credentials } = await sts.send(assume({ DurationSeconds: 7_200 }));
    await expect(as(keyOf(Credentials)).sts.send(assume({ DurationSeconds: 3_601 }))).rejects.toMatchObject({
      message: expect.stringContaining("role chaining") as string,
    });
    await expect(sts.send(assume({ Policy: "{" }))).rejects.toMatchObject({
      name: "MalformedPolicyDocumentException",
    });
    await expect(sts.send(assume({ SerialNumber: `arn:aws:iam::${account}:mfa/ann` }))).rejects.toMatchObject({
      message: expect.stringContaining("MFA") as string,
    });
  });

  it("lets sessions of users and roles end at their time", async () => {
    const ann = as(await userWithKey(as(inAccount("666666666666")).iam, "ann"));
    const { Credentials } = await ann.sts.send(new GetSessionTokenCommand({ DurationSeconds: 900 }));
    const session = as(keyOf(Credentials));
    expect((await session.sts.send(new GetCallerIdentityCommand({}))).Arn).toBe(
      "arn:aws:iam::666666666666:user/eng/ann",
    );
    await expect(session.sts.send(new GetSessionTokenCommand({}))).rejects.toMatchObject({
      name: "AccessDenied",
      message: "Cannot call GetSessionToken with session credentials",
    });
    aheadMs = 899_999;
    await session.sts.send(new GetCallerIdentityCommand({}));
    aheadMs = 900_000;
    await expect(session.sts.send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
      name: "ExpiredToken",
      message: "The security token included in the request is expired",
    });
    await expect(session.lambda.send(new ListFunctionsCommand({}))).rejects.toMatchObject({
      name: "ExpiredTokenException",
    });
    await expect(session.s3.send(new ListBucketsCommand({}))).rejects.toMatchObject({
      name: "ExpiredToken",
      message: "The provided token has expired.",
    });
  });

  it("does not know web identities, and says so", async () => {
    const request = {
      RoleArn: "arn:aws:iam::000000000000:role/web",
      RoleSessionName: "s-1",
      WebIdentityToken: "t.t.t",
    };
    await expect(
      as(inAccount("777777777777")).sts.send(new AssumeRoleWithWebIdentityCommand(request)),
    ).rejects.toMatchObject({
      $metadata: { httpStatusCode: 501 },
      message: "Mikan does not implement sts:AssumeRoleWithWebIdentity yet.",
    });
  });
});

describe("a node that verifies", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "mikan-sts-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("knows users' keys and sessions, for as long as they are good, over a restart", async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    const options = { rootKey, data: directory, clock };
    let key: Key;
    let session: Key;
    {
      await using mikan = await startMikan(options);
      const root = clientsFor(mikan.url, rootKey);
      key = await userWithKey(root.iam, "ann");
      const AssumeRolePolicyDocument = trustOf({ Principal: { AWS: "arn:aws:iam::000000000000:user/eng/ann" } });
      await root.iam.send(new CreateRoleCommand({ RoleName: "work", AssumeRolePolicyDocument }));
      const ann = clientsFor(mikan.url, key);
      const assume = new AssumeRoleCommand({
        RoleArn: "arn:aws:iam::000000000000:role/work",
        RoleSessionName: "day",
        DurationSeconds: 900,
      });
      session = keyOf((await ann.sts.send(assume)).Credentials);
      await expect(root.sts.send(assume)).rejects.toMatchObject({ name: "AccessDenied" });
    }
    await using mikan = await startMikan(options);
    const { iam } = clientsFor(mikan.url, rootKey);
    const callerOf = async (given: Key, offset = 0) =>
      (await clientsFor(mikan.url, given, offset).sts.send(new GetCallerIdentityCommand({}))).Arn;
    expect(await callerOf(key)).toBe("arn:aws:iam::000000000000:user/eng/ann");
    expect(await callerOf(session)).toBe("arn:aws:sts::000000000000:assumed-role/work/day");

    const wrongs: [Key, string][] = [
      [{ ...key, secretAccessKey: "guess" }, "SignatureDoesNotMatch"],
      [{ ...session, secretAccessKey: "guess" }, "SignatureDoesNotMatch"],
      [{ ...session, sessionToken: `${session.sessionToken}x` }, "InvalidClientTokenId"],
      [{ ...session, accessKeyId: key.accessKeyId }, "InvalidClientTokenId"],
      [{ ...key, sessionToken: session.sessionToken ?? "" }, "InvalidClientTokenId"],
      [{ accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey }, "InvalidClientTokenId"],
    ];
    for (const [wrong, name] of wrongs) await expect(callerOf(wrong)).rejects.toMatchObject({ name });

    const status = (Status: "Active" | "Inactive") =>
      iam.send(new UpdateAccessKeyCommand({ UserName: "ann", AccessKeyId: key.accessKeyId, Status }));
    await status("Inactive");
    await expect(callerOf(key)).rejects.toMatchObject({ name: "InvalidClientTokenId" });
    await status("Active");
    await callerOf(key);

    aheadMs = 900_000;
    await expect(callerOf(session, aheadMs)).rejects.toMatchObject({
      name: "ExpiredToken",
      $metadata: { httpStatusCode: 403 },
    });
    expect(await callerOf(key, aheadMs)).toBe("arn:aws:iam::000000000000:user/eng/ann");
  });
});
