/** Keys, parameters and secrets across a restart, on PostgreSQL, and through boto3 with signatures verified. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { kms } from "../kms/service.ts";
import { withServices } from "../services.suite.ts";
import { ssm } from "../ssm/service.ts";
import { secretsmanager } from "./service.ts";

const secret = "a secret that is in no file";
const dayMs = 24 * 3600_000;

async function withClients<T>(mikan: Mikan, body: (s: SecretsManagerClient, p: SSMClient) => Promise<T>): Promise<T> {
  const configuration = {
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: "000000000000", secretAccessKey: "test" },
    maxAttempts: 1,
  };
  const secrets = new SecretsManagerClient(configuration);
  const parameters = new SSMClient(configuration);
  try {
    return await body(secrets, parameters);
  } finally {
    secrets.destroy();
    parameters.destroy();
    await mikan.close(0);
  }
}

const readBoth = async (secrets: SecretsManagerClient, parameters: SSMClient) => [
  (await secrets.send(new GetSecretValueCommand({ SecretId: "kept" }))).SecretString,
  (await parameters.send(new GetParameterCommand({ Name: "/kept", WithDecryption: true }))).Parameter?.Value,
];
const writeBoth = async (secrets: SecretsManagerClient, parameters: SSMClient) => {
  await secrets.send(new CreateSecretCommand({ Name: "kept", SecretString: secret }));
  await parameters.send(new PutParameterCommand({ Name: "/kept", Value: secret, Type: "SecureString" }));
};

it("after a restart all is read again, and no file holds it; with another master key nothing is", async () => {
  const data = await mkdtemp(join(tmpdir(), "mikan-secrets-"));
  try {
    await withClients(await startMikan({ data, log: silentLog }), writeBoth);
    const read = await withClients(await startMikan({ data, log: silentLog }), readBoth);
    expect(read).toEqual([secret, secret]);
    const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((file) => file.isFile());
    expect(files.map(({ name }) => name)).toContain("master.key");
    for (const { parentPath, name } of files) {
      expect((await readFile(join(parentPath, name))).includes(secret), name).toBe(false);
    }
    await writeFile(join(data, "master.key"), randomBytes(32).toString("base64"));
    const other = withClients(await startMikan({ data, log: silentLog }), readBoth);
    await expect(other).rejects.toMatchObject({ name: "InternalFailure" });
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

const server = await startPostgresOrSkip("secrets on PostgreSQL");
afterAll(() => server?.stop());

describe.skipIf(server === undefined)("on PostgreSQL", () => {
  it("keys, parameters and secrets do the same", async () => {
    const data = (await server?.createDatabase()) ?? "";
    await withServices(
      [kms, ssm, secretsmanager],
      async ({ peers, call, clock, runJob }) => {
        const { KeyMetadata } = await peers.kms.CreateKey({}, call);
        const KeyId = must(KeyMetadata?.KeyId, "KeyId");
        await peers.kms.CreateAlias({ AliasName: "alias/own", TargetKeyId: KeyId }, call);
        await peers.kms.EnableKeyRotation({ KeyId }, call);
        const grantee = { GranteePrincipal: "arn:aws:iam::000000000000:root", Operations: ["Decrypt" as const] };
        await peers.kms.CreateGrant({ KeyId, Name: "g", ...grantee }, call);
        await peers.ssm.PutParameter({ Name: "/a/b", Value: secret, Type: "SecureString", KeyId: "alias/own" }, call);
        await peers.secretsmanager.CreateSecret({ Name: "kept", SecretString: secret, KmsKeyId: "alias/own" }, call);
        await peers.secretsmanager.PutSecretValue({ SecretId: "kept", SecretString: "second" }, call);
        await clock.advance(365 * dayMs);
        await runJob("kms:rotation");
        expect((await peers.kms.ListKeyRotations({ KeyId }, call)).Rotations).toHaveLength(1);
        const page = await peers.ssm.GetParametersByPath({ Path: "/a", WithDecryption: true }, call);
        expect(page.Parameters?.map(({ Value }) => Value)).toEqual([secret]);
        const filters = [{ Key: "Path", Option: "Recursive", Values: ["/"] }];
        expect((await peers.ssm.DescribeParameters({ ParameterFilters: filters }, call)).Parameters).toHaveLength(1);
        const previous = { SecretId: "kept", VersionStage: "AWSPREVIOUS" };
        expect((await peers.secretsmanager.GetSecretValue(previous, call)).SecretString).toBe(secret);
        expect((await peers.secretsmanager.ListSecrets({ MaxResults: 1 }, call)).SecretList).toHaveLength(1);
        await peers.secretsmanager.DeleteSecret({ SecretId: "kept" }, call);
        await peers.kms.ScheduleKeyDeletion({ KeyId }, call);
        await clock.advance(30 * dayMs);
        for (const job of ["kms:deletion", "secretsmanager:deletion", "secretsmanager:rotation"]) await runJob(job);
        expect((await peers.kms.ListAliases({}, call)).Aliases).toEqual([]);
        expect((await peers.secretsmanager.ListSecrets({ IncludePlannedDeletion: true }, call)).SecretList).toEqual([]);
      },
      data,
    );
  });

  it("a node without a master key refuses to take secrets, by name", async () => {
    const data = (await server?.createDatabase()) ?? "";
    const lines: unknown[] = [];
    const log = { ...silentLog, with: () => log, error: (_: string, fields?: object) => lines.push(fields) };
    const mikan = await startMikan({ data, log, masterKey: "" });
    await expect(withClients(mikan, writeBoth)).rejects.toMatchObject({ name: "InternalFailure" });
    expect(lines.map((fields) => String((fields as { error?: Error } | undefined)?.error)).join("")).toContain(
      "MIKAN_MASTER_KEY",
    );
    const masterKey = randomBytes(32).toString("base64");
    await withClients(await startMikan({ data, log: silentLog, masterKey }), writeBoth);
    expect(await withClients(await startMikan({ data, log: silentLog, masterKey }), readBoth)).toEqual([
      secret,
      secret,
    ]);
  });
});

const hasBoto = spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!hasBoto) console.warn("SKIPPED: secrets through boto3, because python3 has no boto3 here (pip install boto3)");

const script = `
import boto3, json, os
from botocore.config import Config
def client(name):
    return boto3.client(name, endpoint_url=os.environ["ENDPOINT"], region_name="eu-central-1",
        aws_access_key_id="AKIAROOT", aws_secret_access_key="right", config=Config(retries={"max_attempts": 0}))
kms, ssm, secrets = client("kms"), client("ssm"), client("secretsmanager")
key = kms.create_key(Description="boto")["KeyMetadata"]["Arn"]
kms.create_alias(AliasName="alias/boto", TargetKeyId=key)
blob = kms.encrypt(KeyId="alias/boto", Plaintext=b"bytes", EncryptionContext={"a": "b"})["CiphertextBlob"]
shown = {"opened": kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"].decode()}
try:
    kms.decrypt(CiphertextBlob=blob)
except kms.exceptions.InvalidCiphertextException as error:
    shown["refused"] = error.response["Error"]["Code"]
signer = kms.create_key(KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
signed = dict(KeyId=signer, Message=b"m", SigningAlgorithm="ECDSA_SHA_384")
shown["valid"] = kms.verify(Signature=kms.sign(**signed)["Signature"], **signed)["SignatureValid"]
ssm.put_parameter(Name="/boto/x", Value="one", Type="SecureString", KeyId="alias/boto")
ssm.put_parameter(Name="/boto/y", Value="a,b", Type="StringList")
pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/boto", WithDecryption=True)
shown["parameters"] = [p["Value"] for page in pages for p in page["Parameters"]]
try:
    ssm.get_parameter(Name="/none")
except ssm.exceptions.ParameterNotFound as error:
    shown["missing"] = error.response["Error"]["Code"]
secrets.create_secret(Name="boto", SecretString=json.dumps({"user": "u"}))
secrets.put_secret_value(SecretId="boto", SecretBinary=b"\\x00\\x01")
shown["secret"] = [secrets.get_secret_value(SecretId="boto")["SecretBinary"].hex(),
    secrets.get_secret_value(SecretId="boto", VersionStage="AWSPREVIOUS")["SecretString"]]
shown["listed"] = [s["Name"] for page in secrets.get_paginator("list_secrets").paginate() for s in page["SecretList"]]
try:
    secrets.create_secret(Name="long", SecretString="s3cr3t" * 20000)
except secrets.exceptions.ClientError as error:
    shown["long"] = [error.response["Error"]["Code"], "s3cr3t" in error.response["Error"]["Message"]]
print(json.dumps(shown))
`;

it.skipIf(!hasBoto)("boto3 does the round, with signatures verified", async () => {
  const rootKey = { accessKeyId: "AKIAROOT", secretAccessKey: "right" };
  await using mikan = await startMikan({ log: silentLog, rootKey });
  const child = spawn("python3", ["-c", script], { env: { ...process.env, ENDPOINT: mikan.url } });
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(errors).toBe("");
  expect(JSON.parse(out)).toEqual({
    opened: "bytes",
    refused: "InvalidCiphertextException",
    valid: true,
    parameters: ["one", "a,b"],
    missing: "ParameterNotFound",
    secret: ["0001", '{"user": "u"}'],
    listed: ["boto"],
    long: ["ValidationException", false],
  });
});
