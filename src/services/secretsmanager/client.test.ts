/** Secrets Manager through the official client, on a whole node, with real functions and stacks. */
import { createRequire } from "node:module";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  UpdateStackCommand,
  waitUntilStackUpdateComplete,
  DescribeStackEventsCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
} from "@aws-sdk/client-cloudformation";
import { CreateKeyCommand, DescribeKeyCommand, KMSClient, DisableKeyCommand } from "@aws-sdk/client-kms";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  LambdaClient,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import {
  BatchGetSecretValueCommand,
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetRandomPasswordCommand,
  GetResourcePolicyCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  ListSecretsCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { createLog } from "../../telemetry/log.ts";
import { role, zipOf } from "../lambda/node.suite.ts";

let mikan: Mikan;
let secrets: SecretsManagerClient;
let clients: { lambda: LambdaClient; kms: KMSClient; ssm: SSMClient; cloudformation: CloudFormationClient };
const logged: string[] = [];
const account = "000000000000";

beforeAll(async () => {
  const log = createLog({ clock: systemClock, level: "debug", write: (line) => logged.push(line) });
  // A function here has its SDK from this checkout.
  mikan = await startMikan({ log, isolation: "process" });
  const configuration = {
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: account, secretAccessKey: "test" },
    maxAttempts: 1,
  };
  secrets = new SecretsManagerClient(configuration);
  clients = {
    lambda: new LambdaClient(configuration),
    kms: new KMSClient(configuration),
    ssm: new SSMClient(configuration),
    cloudformation: new CloudFormationClient(configuration),
  };
});
afterAll(async () => {
  for (const client of [secrets, ...Object.values(clients)]) client.destroy();
  await mikan.close(0);
});

const tokenOf = (digit: number) => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`;
const value = async (SecretId: string, which: object = {}) =>
  (await secrets.send(new GetSecretValueCommand({ SecretId, ...which }))).SecretString;
const refused = (name: string, message?: string) =>
  expect.objectContaining(message === undefined ? { name } : { name, message });

describe("secrets", () => {
  it("are created once, and read by name, ARN and partial ARN", async () => {
    const create = (SecretString: string) =>
      secrets.send(new CreateSecretCommand({ Name: "app/db", ClientRequestToken: tokenOf(1), SecretString }));
    const made = await create("hunter2");
    expect(made.ARN).toMatch(new RegExp(`^arn:aws:secretsmanager:us-east-1:${account}:secret:app/db-[A-Za-z0-9]{6}$`));
    const again = await create("hunter2");
    expect([again.ARN, again.VersionId]).toEqual([made.ARN, tokenOf(1)]);
    await expect(create("other")).rejects.toEqual(
      refused("ResourceExistsException", "The operation failed because the secret app/db already exists."),
    );
    const arn = must(made.ARN, "ARN");
    for (const id of ["app/db", arn, arn.slice(0, -7)]) expect(await value(id)).toBe("hunter2");
    await expect(value("none")).rejects.toEqual(
      refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
    );
    const binary = Buffer.from([0, 255, 1]);
    await secrets.send(new CreateSecretCommand({ Name: "app/binary", SecretBinary: binary }));
    const got = await secrets.send(new GetSecretValueCommand({ SecretId: "app/binary" }));
    expect([got.SecretBinary, got.SecretString]).toEqual([Uint8Array.from(binary), undefined]);
    await expect(secrets.send(new CreateSecretCommand({ Name: "bad name", SecretString: "x" }))).rejects.toEqual(
      refused("InvalidParameterException"),
    );
    expect(logged.join("")).not.toContain("hunter2");
  });

  it("move their labels as versions come", async () => {
    const SecretId = "labels";
    await secrets.send(new CreateSecretCommand({ Name: SecretId, ClientRequestToken: tokenOf(1), SecretString: "1" }));
    const put = (digit: number, rest: object = {}) =>
      secrets.send(
        new PutSecretValueCommand({ SecretId, ClientRequestToken: tokenOf(digit), SecretString: `${digit}`, ...rest }),
      );
    const stages = async () => (await secrets.send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages;
    await put(2);
    expect(await stages()).toEqual({ [tokenOf(1)]: ["AWSPREVIOUS"], [tokenOf(2)]: ["AWSCURRENT"] });
    expect((await put(2)).VersionStages).toEqual(["AWSCURRENT"]);
    await expect(put(2, { SecretString: "other" })).rejects.toEqual(refused("ResourceExistsException"));
    await put(3, { VersionStages: ["blue"] });
    expect(await value(SecretId, { VersionStage: "blue" })).toBe("3");
    const move = (rest: object) =>
      secrets.send(new UpdateSecretVersionStageCommand({ SecretId, VersionStage: "AWSCURRENT", ...rest }));
    await expect(move({ MoveToVersionId: tokenOf(3) })).rejects.toEqual(
      refused(
        "InvalidParameterException",
        `The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version ${tokenOf(2)}, so you must explicitly reference that version in RemoveFromVersionId.`,
      ),
    );
    await expect(move({ RemoveFromVersionId: tokenOf(2) })).rejects.toEqual(refused("InvalidParameterException"));
    await move({ MoveToVersionId: tokenOf(3), RemoveFromVersionId: tokenOf(2) });
    expect(await stages()).toEqual({ [tokenOf(2)]: ["AWSPREVIOUS"], [tokenOf(3)]: ["blue", "AWSCURRENT"] });
    const list = async (IncludeDeprecated: boolean) =>
      (await secrets.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated }))).Versions?.length;
    expect([await list(false), await list(true)]).toEqual([2, 3]);
    expect(await value(SecretId, { VersionId: tokenOf(1) })).toBe("1");
    await expect(value(SecretId, { VersionStage: "green" })).rejects.toEqual(
      refused(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: green",
      ),
    );
  });

  it("can be more than a hundred versions long in their life", async () => {
    const SecretId = "many";
    await secrets.send(new CreateSecretCommand({ Name: SecretId, SecretString: "0" }));
    for (let i = 1; i <= 103; i += 1) {
      await secrets.send(new PutSecretValueCommand({ SecretId, SecretString: String(i) }));
    }
    expect(await value(SecretId)).toBe("103");
    const { Versions } = await secrets.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }));
    expect(Versions).toHaveLength(100);
  });

  it("change their key, and their values with them", async () => {
    const { KeyMetadata } = await clients.kms.send(new CreateKeyCommand({}));
    const KmsKeyId = must(KeyMetadata?.Arn, "Arn");
    await secrets.send(new CreateSecretCommand({ Name: "keyed", SecretString: "k" }));
    const managed = await clients.kms.send(new DescribeKeyCommand({ KeyId: "alias/aws/secretsmanager" }));
    expect(managed.KeyMetadata?.KeyManager).toBe("AWS");
    await secrets.send(new UpdateSecretCommand({ SecretId: "keyed", KmsKeyId, Description: "with its own key" }));
    expect(await value("keyed")).toBe("k");
    await clients.kms.send(new DisableKeyCommand({ KeyId: KmsKeyId }));
    await expect(value("keyed")).rejects.toEqual(refused("DecryptionFailure"));
    await expect(
      secrets.send(new CreateSecretCommand({ Name: "unkeyed", SecretString: "k", KmsKeyId: "alias/none" })),
    ).rejects.toEqual(refused("EncryptionFailure"));
    await expect(secrets.send(new DescribeSecretCommand({ SecretId: "unkeyed" }))).rejects.toEqual(
      refused("ResourceNotFoundException"),
    );
  });

  it("are listed, filtered, tagged and read together", async () => {
    const Tags = [{ Key: "env", Value: "prod" }];
    for (const Name of ["list/a", "list/b", "list/c"]) {
      await secrets.send(new CreateSecretCommand({ Name, SecretString: Name, Tags, Description: "Of the list" }));
    }
    await secrets.send(new TagResourceCommand({ SecretId: "list/c", Tags: [{ Key: "team", Value: "x" }] }));
    await secrets.send(new UntagResourceCommand({ SecretId: "list/c", TagKeys: ["env"] }));
    const list = async (input: object) => {
      const page = await secrets.send(new ListSecretsCommand(input));
      return { names: page.SecretList?.map(({ Name }) => Name), next: page.NextToken };
    };
    const byName = { Key: "name" as const, Values: ["list/"] };
    const first = await list({ Filters: [byName], MaxResults: 2 });
    expect(first.names).toEqual(["list/a", "list/b"]);
    expect((await list({ Filters: [byName], MaxResults: 2, NextToken: first.next })).names).toEqual(["list/c"]);
    expect((await list({ Filters: [byName], SortOrder: "desc" })).names).toEqual(["list/c", "list/b", "list/a"]);
    expect((await list({ Filters: [byName, { Key: "tag-key", Values: ["!env"] }] })).names).toEqual(["list/c"]);
    expect((await list({ Filters: [{ Key: "description", Values: ["of the"] }] })).names).toHaveLength(3);
    const batch = await secrets.send(new BatchGetSecretValueCommand({ SecretIdList: ["list/a", "list/none"] }));
    expect(batch.SecretValues?.map(({ SecretString }) => SecretString)).toEqual(["list/a"]);
    expect(batch.Errors).toMatchObject([{ SecretId: "list/none", ErrorCode: "ResourceNotFoundException" }]);
    const filtered = await secrets.send(new BatchGetSecretValueCommand({ Filters: [byName] }));
    expect(filtered.SecretValues).toHaveLength(3);
  });

  it("are deleted with a window or at once, and have policies", async () => {
    const SecretId = "doomed";
    await secrets.send(new CreateSecretCommand({ Name: SecretId, SecretString: "x" }));
    const ResourcePolicy = JSON.stringify({ Version: "2012-10-17", Statement: [] });
    await secrets.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy }));
    expect((await secrets.send(new GetResourcePolicyCommand({ SecretId }))).ResourcePolicy).toBe(ResourcePolicy);
    await secrets.send(new DeleteResourcePolicyCommand({ SecretId }));
    await expect(secrets.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy: "{" }))).rejects.toEqual(
      refused("MalformedPolicyDocumentException"),
    );
    await expect(secrets.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 3 }))).rejects.toEqual(
      refused("InvalidParameterException"),
    );
    await secrets.send(new DeleteSecretCommand({ SecretId }));
    await expect(value(SecretId)).rejects.toEqual(
      refused(
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
      ),
    );
    await expect(secrets.send(new CreateSecretCommand({ Name: SecretId, SecretString: "y" }))).rejects.toEqual(
      refused("InvalidRequestException"),
    );
    await secrets.send(new RestoreSecretCommand({ SecretId }));
    await secrets.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    await expect(value(SecretId)).rejects.toEqual(refused("ResourceNotFoundException"));
    await secrets.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  });

  it("are read as parameters", async () => {
    await secrets.send(new CreateSecretCommand({ Name: "param", SecretString: "shared" }));
    const Name = "/aws/reference/secretsmanager/param";
    const { Parameter } = await clients.ssm.send(new GetParameterCommand({ Name, WithDecryption: true }));
    expect(Parameter).toMatchObject({ Name, Type: "SecureString", Value: "shared" });
    await expect(clients.ssm.send(new GetParameterCommand({ Name }))).rejects.toEqual(refused("ValidationException"));
  });
});

it("passwords hold to their rules", async () => {
  const password = async (input: object) =>
    must((await secrets.send(new GetRandomPasswordCommand(input))).RandomPassword, "RandomPassword");
  expect(await password({})).toHaveLength(32);
  expect(await password({ PasswordLength: 4 })).toMatch(/^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^A-Za-z0-9]).{4}$/);
  expect(await password({ PasswordLength: 200, ExcludePunctuation: true, ExcludeCharacters: "abc123" })).toMatch(
    /^[d-zA-Z04-9]{200}$/,
  );
  await expect(password({ PasswordLength: 3 })).rejects.toEqual(refused("InvalidParameterException"));
});

it("a real function rotates a secret through the API", async () => {
  const sdk = createRequire(import.meta.url).resolve("@aws-sdk/client-secrets-manager");
  const source = `
const { SecretsManager } = require(${JSON.stringify(sdk)});
const secrets = new SecretsManager({});
exports.handler = async ({ Step, SecretId, ClientRequestToken }) => {
  const { VersionIdsToStages } = await secrets.describeSecret({ SecretId });
  if (Step === "createSecret") {
    const { RandomPassword } = await secrets.getRandomPassword({ ExcludePunctuation: true });
    await secrets.putSecretValue({
      SecretId, ClientRequestToken, SecretString: "rotated-" + RandomPassword, VersionStages: ["AWSPENDING"],
    });
  }
  if (Step === "finishSecret") {
    const [from] = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes("AWSCURRENT"));
    await secrets.updateSecretVersionStage({
      SecretId, VersionStage: "AWSCURRENT", MoveToVersionId: ClientRequestToken, RemoveFromVersionId: from,
    });
  }
};`;
  const FunctionName = "rotate";
  const { FunctionArn } = await clients.lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: role,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Timeout: 30,
      MemorySize: 512,
      Code: { ZipFile: await zipOf({ "index.js": source }) },
    }),
  );
  await waitUntilFunctionActiveV2({ client: clients.lambda, maxWaitTime: 10 }, { FunctionName });
  const SecretId = "rotating";
  await secrets.send(new CreateSecretCommand({ Name: SecretId, SecretString: "at first" }));
  const rotate = () =>
    secrets.send(
      new RotateSecretCommand({
        SecretId,
        RotationLambdaARN: FunctionArn,
        RotationRules: { ScheduleExpression: "rate(4 hours)" },
      }),
    );
  await expect(rotate()).rejects.toEqual(refused("AccessDeniedException"));
  await clients.lambda.send(
    new AddPermissionCommand({
      FunctionName,
      StatementId: "rotation",
      Action: "lambda:InvokeFunction",
      Principal: "secretsmanager.amazonaws.com",
    }),
  );
  const { VersionId } = await rotate();
  await expect.poll(() => value(SecretId), { timeout: 20_000 }).toMatch(/^rotated-\w{32}$/);
  expect(await value(SecretId, { VersionStage: "AWSPREVIOUS" })).toBe("at first");
  expect(await value(SecretId, { VersionId })).toBe(await value(SecretId));
  const rotated = async () => (await secrets.send(new DescribeSecretCommand({ SecretId }))).LastRotatedDate;
  await expect.poll(rotated).toBeInstanceOf(Date);
}, 40_000);

it("a stack makes keys, parameters and secrets, and takes them away", async () => {
  const { cloudformation, kms, ssm } = clients;
  const StackName = "secrets";
  const template = {
    Resources: {
      Key: { Type: "AWS::KMS::Key", Properties: { Description: "of a stack", EnableKeyRotation: true } },
      Alias: { Type: "AWS::KMS::Alias", Properties: { AliasName: "alias/stack", TargetKeyId: { Ref: "Key" } } },
      Url: {
        Type: "AWS::SSM::Parameter",
        Properties: { Name: "/stack/url", Type: "String", Value: "http://a", Tags: { team: "a" } },
      },
      Login: {
        Type: "AWS::SecretsManager::Secret",
        Properties: {
          Name: "stack/login",
          KmsKeyId: { "Fn::GetAtt": ["Key", "Arn"] },
          GenerateSecretString: {
            SecretStringTemplate: '{"username":"admin"}',
            GenerateStringKey: "password",
            PasswordLength: 20,
            ExcludePunctuation: true,
          },
        },
      },
    },
    Outputs: {
      Key: { Value: { Ref: "Key" } },
      Url: { Value: { "Fn::GetAtt": ["Url", "Value"] } },
      Login: { Value: { Ref: "Login" } },
    },
  };
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: JSON.stringify(template) }));
  const waiting = { client: cloudformation, maxWaitTime: 20, minDelay: 1, maxDelay: 1 };
  await waitUntilStackCreateComplete(waiting, { StackName });
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  const outputs = Object.fromEntries((Stacks?.[0]?.Outputs ?? []).map((one) => [one.OutputKey, one.OutputValue]));
  expect(outputs["Url"]).toBe("http://a");
  const login = JSON.parse(must(await value(must(outputs["Login"], "Login")), "login")) as Record<string, string>;
  expect(login).toEqual({ username: "admin", password: expect.stringMatching(/^\w{20}$/) });
  const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: "alias/stack" }));
  expect(KeyMetadata?.KeyId).toBe(outputs["Key"]);
  expect((await ssm.send(new GetParameterCommand({ Name: "/stack/url" }))).Parameter?.Value).toBe("http://a");
  const { StackEvents } = await cloudformation.send(new DescribeStackEventsCommand({ StackName }));
  expect(JSON.stringify(StackEvents) + logged.join("")).not.toContain(login["password"]);

  const { Key, Url, Login } = template.Resources;
  Object.assign(Key.Properties, { Description: "changed", Tags: [{ Key: "team", Value: "b" }] });
  Url.Properties.Value = "http://b";
  Object.assign(Login.Properties, { Description: "for the database" });
  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: JSON.stringify(template) }));
  await waitUntilStackUpdateComplete(waiting, { StackName });
  const after = await kms.send(new DescribeKeyCommand({ KeyId: "alias/stack" }));
  expect(after.KeyMetadata).toMatchObject({ KeyId: outputs["Key"], Description: "changed" });
  const url = await ssm.send(new GetParameterCommand({ Name: "/stack/url" }));
  expect(url.Parameter).toMatchObject({ Value: "http://b", Version: 2 });
  const described = await secrets.send(new DescribeSecretCommand({ SecretId: outputs["Login"] }));
  expect(described.Description).toBe("for the database");
  expect(JSON.parse((await value("stack/login")) ?? "")).toEqual(login);
  Object.assign(Login.Properties, { GenerateSecretString: { PasswordLength: 8 } });
  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: JSON.stringify(template) }));
  await waitUntilStackUpdateComplete(waiting, { StackName });
  expect(await value("stack/login")).toHaveLength(8);
  expect(JSON.parse((await value("stack/login", { VersionStage: "AWSPREVIOUS" })) ?? "")).toEqual(login);
  const fixed = { Name: "stack/login", SecretString: "fixed-by-the-template" };
  Object.assign(template.Resources, { Login: { Type: "AWS::SecretsManager::Secret", Properties: fixed } });
  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: JSON.stringify(template) }));
  await waitUntilStackUpdateComplete(waiting, { StackName });
  expect(await value("stack/login")).toBe(fixed.SecretString);

  const refusal = cloudformation.send(
    new CreateStackCommand({
      StackName: "attached",
      TemplateBody: JSON.stringify({
        Resources: {
          Attachment: {
            Type: "AWS::SecretsManager::SecretTargetAttachment",
            Properties: { SecretId: "x", TargetId: "y", TargetType: "AWS::RDS::DBInstance" },
          },
        },
      }),
    }),
  );
  await expect(refusal).rejects.toThrow("AWS::SecretsManager::SecretTargetAttachment");

  await cloudformation.send(new DeleteStackCommand({ StackName }));
  await waitUntilStackDeleteComplete(waiting, { StackName: must(Stacks?.[0]?.StackId, "StackId") });
  await expect(value("stack/login")).rejects.toEqual(refused("ResourceNotFoundException"));
  const key = await kms.send(new DescribeKeyCommand({ KeyId: outputs["Key"] }));
  expect(key.KeyMetadata?.KeyState).toBe("PendingDeletion");
}, 60_000);
