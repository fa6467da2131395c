/** IAM and STS on PostgreSQL. */
import { randomBytes } from "node:crypto";
import { CreateAccessKeyCommand, CreateRoleCommand, CreateUserCommand, IAMClient } from "@aws-sdk/client-iam";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { iamSuite } from "./operations.suite.ts";

const server = await startPostgresOrSkip("IAM on PostgreSQL");

describe.skipIf(server === undefined)("PostgreSQL", () => {
  afterAll(async () => server?.stop());

  const database = async () => (await server?.createDatabase()) ?? "";

  describe("operations", () => {
    iamSuite(async () => startMikan({ data: await database() }));
  });

  describe("two nodes on one database", () => {
    const nodes: Mikan[] = [];
    const masterKey = randomBytes(32).toString("base64");
    beforeAll(async () => {
      const data = await database();
      for (const key of [masterKey, masterKey, undefined]) {
        nodes.push(await startMikan({ data, ...(key === undefined ? {} : { masterKey: key }) }));
      }
    });
    afterAll(async () => {
      for (const node of nodes) await node.close(0);
    });

    const account = "123456789012";
    const optionsOf = (
      at: number,
      credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
    ) => ({
      endpoint: nodes[at]?.url ?? "",
      region: "us-east-1",
      credentials,
      maxAttempts: 1,
    });
    const owner = { accessKeyId: account, secretAccessKey: "test" };
    const callerAt = async (at: number, AccessKeyId = "", SecretAccessKey = "", SessionToken?: string) => {
      const token = SessionToken === undefined ? {} : { sessionToken: SessionToken };
      const key = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, ...token };
      return (await new STSClient(optionsOf(at, key)).send(new GetCallerIdentityCommand({}))).Arn;
    };
    const trust = JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" }],
    });
    const request = { RoleArn: `arn:aws:iam::${account}:role/work`, RoleSessionName: "day" };

    it("know each other's keys", async () => {
      const iam = new IAMClient(optionsOf(0, owner));
      await iam.send(new CreateUserCommand({ UserName: "ann" }));
      await iam.send(new CreateRoleCommand({ RoleName: "work", AssumeRolePolicyDocument: trust }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: "ann" }));
      expect(await callerAt(1, AccessKey?.AccessKeyId, AccessKey?.SecretAccessKey)).toBe(
        `arn:aws:iam::${account}:user/ann`,
      );
      const { Credentials } = await new STSClient(optionsOf(0, owner)).send(new AssumeRoleCommand(request));
      const { AccessKeyId, SecretAccessKey, SessionToken } = Credentials ?? {};
      expect(await callerAt(1, AccessKeyId, SecretAccessKey, SessionToken)).toBe(
        `arn:aws:sts::${account}:assumed-role/work/day`,
      );
    });

    it("make none without a master key, and say why", async () => {
      const why = { message: expect.stringContaining("MIKAN_MASTER_KEY") as string };
      await expect(new STSClient(optionsOf(2, owner)).send(new AssumeRoleCommand(request))).rejects.toMatchObject(why);
      const iam = new IAMClient(optionsOf(2, owner));
      await expect(iam.send(new CreateAccessKeyCommand({ UserName: "ann" }))).rejects.toMatchObject(why);
    });
  });
});
