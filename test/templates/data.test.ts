/** Templates of what is kept: buckets, secrets, parameters, keys, logs, and who may have them. */
import { GetRolePolicyCommand, ListGroupsForUserCommand, UpdateRoleCommand } from "@aws-sdk/client-iam";
import {
  DecryptCommand,
  DisableKeyRotationCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
} from "@aws-sdk/client-kms";
import {
  DeleteRetentionPolicyCommand,
  DescribeLogGroupsCommand,
  PutRetentionPolicyCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  PutBucketVersioningCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { DescribeSecretCommand, GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { PutParameterCommand } from "@aws-sdk/client-ssm";
import { UpdateFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { expect } from "vitest";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

async function put({ clients, output }: Place, Key: string, Body: string): Promise<void> {
  await clients.s3.send(new PutObjectCommand({ Bucket: output("Bucket"), Key, Body, ContentType: "text/html" }));
}
const site = (ErrorDocument: string) => async (place: Place) => {
  const WebsiteConfiguration = { IndexDocument: { Suffix: "index.html" }, ErrorDocument: { Key: ErrorDocument } };
  await place.clients.s3.send(new PutBucketWebsiteCommand({ Bucket: place.output("Bucket"), WebsiteConfiguration }));
};
const themeIs = (Value: string) => async (place: Place) => {
  const Name = place.output("ThemeParameter");
  await place.clients.ssm.send(new PutParameterCommand({ Name, Value, Overwrite: true }));
};
const secretValue = async (place: Place) => {
  const input = { SecretId: place.output("Secret") };
  return (await place.clients.secretsManager.send(new GetSecretValueCommand(input))).SecretString ?? "";
};
const sessionsOf = (MaxSessionDuration: number) => async (place: Place) => {
  await place.clients.iam.send(new UpdateRoleCommand({ RoleName: place.output("Role"), MaxSessionDuration }));
};
const versioning = (Status: "Enabled" | "Suspended") => async (place: Place) => {
  const input = { Bucket: place.output("Archive"), VersioningConfiguration: { Status } };
  await place.clients.s3.send(new PutBucketVersioningCommand(input));
};

tryTemplates([
  {
    name: "static-site",
    change: { parameters: { ErrorDocument: "missing.html" } },
    async check(place, stage) {
      const missing = stage === "created" ? "error.html" : "missing.html";
      await put(place, "index.html", "<h1>welcome</h1>");
      await put(place, missing, "<h1>not here</h1>");
      const { hostname } = new URL(place.output("Url"));
      const at = (path: string) => place.get(place.node.port, path, `${hostname}:${place.node.port}`);
      expect(await at("/")).toEqual({ status: 200, body: "<h1>welcome</h1>" });
      expect(await at("/elsewhere")).toEqual({ status: 404, body: "<h1>not here</h1>" });
      // CloudFormation deletes empty buckets only.
      for (const Key of ["index.html", missing]) {
        await place.clients.s3.send(new DeleteObjectCommand({ Bucket: place.output("Bucket"), Key }));
      }
    },
    drift: {
      seen: ["Site MODIFIED /WebsiteConfiguration/ErrorDocument"],
      make: site("oops.html"),
      mend: site("missing.html"),
    },
  },
  {
    name: "secrets-and-parameters",
    change: { parameters: { Theme: "dark" } },
    async check(place, stage) {
      const theme = stage === "created" ? "light" : "dark";
      const settings = await place.invoke(place.output("Function"));
      expect(settings).toEqual({ theme, username: "shop", passwordLength: 24 });
    },
    drift: { seen: ["ThemeParameter MODIFIED /Value"], make: themeIs("red"), mend: themeIs("dark") },
  },
  {
    name: "secret-rotation",
    change: { template: "changed.yaml" },
    async check(place, stage) {
      await expect.poll(() => secretValue(place), { timeout: 30_000 }).toMatch(/"password":"rotated-[0-9a-f]{24}"/);
      const { RotationRules } = await place.clients.secretsManager.send(
        new DescribeSecretCommand({ SecretId: place.output("Secret") }),
      );
      expect(RotationRules?.AutomaticallyAfterDays).toBe(stage === "created" ? 30 : 7);
    },
    drift: {
      seen: ["Rotate MODIFIED /Timeout"],
      async make(place) {
        const input = { FunctionName: place.output("Function"), Timeout: 31 };
        await place.clients.lambda.send(new UpdateFunctionConfigurationCommand(input));
      },
      async mend(place) {
        const input = { FunctionName: place.output("Function"), Timeout: 30 };
        await place.clients.lambda.send(new UpdateFunctionConfigurationCommand(input));
      },
    },
  },
  {
    name: "encryption-key",
    change: { parameters: { Rotate: "true" } },
    async check({ clients, output }, stage) {
      const KeyId = output("Alias");
      const { CiphertextBlob } = await clients.kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("tea") }));
      const { Plaintext } = await clients.kms.send(new DecryptCommand({ CiphertextBlob }));
      expect(Buffer.from(Plaintext ?? []).toString()).toBe("tea");
      const { KeyRotationEnabled } = await clients.kms.send(new GetKeyRotationStatusCommand({ KeyId: output("Key") }));
      expect(KeyRotationEnabled).toBe(stage === "changed");
      const { KmsKeyId } = await clients.secretsManager.send(new DescribeSecretCommand({ SecretId: output("Secret") }));
      expect(KmsKeyId).toBe(KeyId);
    },
    drift: {
      seen: ["Key MODIFIED /EnableKeyRotation"],
      async make({ clients, output }) {
        await clients.kms.send(new DisableKeyRotationCommand({ KeyId: output("Key") }));
      },
      async mend({ clients, output }) {
        await clients.kms.send(new EnableKeyRotationCommand({ KeyId: output("Key") }));
      },
    },
  },
  {
    name: "identities",
    change: { parameters: { Prefix: "figures/" } },
    async check({ clients, output }, stage) {
      const { Groups } = await clients.iam.send(new ListGroupsForUserCommand({ UserName: output("User") }));
      expect(Groups?.map(({ GroupName }) => GroupName)).toEqual([output("Group")]);
      const input = { RoleName: output("Role"), PolicyName: "writes-reports" };
      const { PolicyDocument = "" } = await clients.iam.send(new GetRolePolicyCommand(input));
      expect(decodeURIComponent(PolicyDocument)).toContain(stage === "created" ? "/reports/*" : "/figures/*");
    },
    drift: { seen: ["Machine MODIFIED /MaxSessionDuration"], make: sessionsOf(3600), mend: sessionsOf(7200) },
  },
  {
    name: "log-groups",
    template: "template.json",
    change: { parameters: { ShortDays: 5 } },
    async check({ clients }, stage) {
      const { logGroups } = await clients.logs.send(
        new DescribeLogGroupsCommand({ logGroupNamePrefix: "/log-groups/" }),
      );
      const days = logGroups?.map(({ logGroupName, retentionInDays }) => `${logGroupName} ${retentionInDays}`);
      expect(days).toEqual([`/log-groups/access ${stage === "created" ? 3 : 5}`, "/log-groups/audit 365"]);
    },
    drift: {
      seen: ["Audit MODIFIED /RetentionInDays"],
      async make({ clients }) {
        await clients.logs.send(new DeleteRetentionPolicyCommand({ logGroupName: "/log-groups/audit" }));
      },
      async mend({ clients }) {
        const input = { logGroupName: "/log-groups/audit", retentionInDays: 365 };
        await clients.logs.send(new PutRetentionPolicyCommand(input));
      },
    },
    async after({ clients }) {
      expect((await clients.logs.send(new DescribeLogGroupsCommand({}))).logGroups).toEqual([]);
    },
  },
  {
    name: "retained-bucket",
    template: "template.json",
    change: { parameters: { Name: "vault" } },
    async check({ clients, output }, stage) {
      const Bucket = `retained-bucket-${stage === "created" ? "archive" : "vault"}-000000000000`;
      expect(output("Archive")).toBe(Bucket);
      expect((await clients.s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe("Enabled");
    },
    drift: {
      seen: ["Archive MODIFIED /VersioningConfiguration/Status"],
      make: versioning("Suspended"),
      mend: versioning("Enabled"),
    },
    async after({ clients }) {
      for (const name of ["archive", "vault"]) {
        await clients.s3.send(new HeadBucketCommand({ Bucket: `retained-bucket-${name}-000000000000` }));
      }
    },
  },
]);
