/** Parameter Store through the official client, on a whole node. */
import {
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  CreateKeyCommand,
  KMSClient,
} from "@aws-sdk/client-kms";
import {
  AddTagsToResourceCommand,
  DeleteParameterCommand,
  DeleteParametersCommand,
  DescribeParametersCommand,
  GetParameterCommand,
  GetParameterHistoryCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  LabelParameterVersionCommand,
  ListTagsForResourceCommand,
  PutParameterCommand,
  RemoveTagsFromResourceCommand,
  SSMClient,
  UnlabelParameterVersionCommand,
  type PutParameterCommandInput,
} from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { createLog } from "../../telemetry/log.ts";
import { systemClock } from "../../base/clock.ts";

let mikan: Mikan;
let ssm: SSMClient;
let kms: KMSClient;
const logged: string[] = [];
const account = "000000000000";

beforeAll(async () => {
  const log = createLog({ clock: systemClock, level: "debug", write: (line) => logged.push(line) });
  mikan = await startMikan({ log });
  const configuration = {
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: account, secretAccessKey: "test" },
    maxAttempts: 1,
  };
  ssm = new SSMClient(configuration);
  kms = new KMSClient(configuration);
});
afterAll(async () => {
  ssm.destroy();
  kms.destroy();
  await mikan.close(0);
});

const put = (Name: string, Value: string, rest: Partial<PutParameterCommandInput> = {}) =>
  ssm.send(new PutParameterCommand({ Name, Value, Type: "String", ...rest }));
const get = async (Name: string, WithDecryption = false) => {
  const { Parameter } = await ssm.send(new GetParameterCommand({ Name, WithDecryption }));
  return must(Parameter, "Parameter");
};
const refused = (name: string, message?: string) =>
  expect.objectContaining(message === undefined ? { name } : { name, message });

describe("values", () => {
  it("are put, got, overwritten and deleted", async () => {
    expect(await put("/app/url", "http://a")).toMatchObject({ Version: 1, Tier: "Standard" });
    expect(await get("/app/url")).toMatchObject({
      Name: "/app/url",
      Type: "String",
      Value: "http://a",
      Version: 1,
      ARN: `arn:aws:ssm:us-east-1:${account}:parameter/app/url`,
      DataType: "text",
    });
    await expect(put("/app/url", "http://b")).rejects.toEqual(
      refused(
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
      ),
    );
    expect((await put("/app/url", "http://b", { Overwrite: true })).Version).toBe(2);
    expect((await get(`arn:aws:ssm:us-east-1:${account}:parameter/app/url`)).Value).toBe("http://b");
    await ssm.send(new DeleteParameterCommand({ Name: "/app/url" }));
    await expect(get("/app/url")).rejects.toEqual(refused("ParameterNotFound"));
    await expect(ssm.send(new DeleteParameterCommand({ Name: "/app/url" }))).rejects.toEqual(
      refused("ParameterNotFound"),
    );
  });

  it("that are secret are encrypted by KMS, and shown only when asked for", async () => {
    const secret = "correct horse battery staple";
    await put("/app/password", secret, { Type: "SecureString" });
    const sealed = await get("/app/password");
    expect(sealed.Type).toBe("SecureString");
    expect(sealed.Value).not.toContain(secret);
    expect((await get("/app/password", true)).Value).toBe(secret);
    const { Plaintext, KeyId } = await kms.send(
      new DecryptCommand({
        CiphertextBlob: Buffer.from(must(sealed.Value, "Value"), "base64"),
        EncryptionContext: { PARAMETER_ARN: must(sealed.ARN, "ARN") },
      }),
    );
    expect(Buffer.from(must(Plaintext, "Plaintext")).toString()).toBe(secret);
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: "alias/aws/ssm" }));
    expect(KeyMetadata).toMatchObject({ Arn: KeyId, KeyManager: "AWS" });

    const long = "ü".repeat(8_000);
    await put("/app/certificate", long, { Type: "SecureString", Tier: "Intelligent-Tiering" });
    expect((await get("/app/certificate", true)).Value).toBe(long);
    const refusal = await put("/app/password", secret, { Type: "SecureString", AllowedPattern: "^\\d+$" }).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(refusal?.name).toBe("ParameterAlreadyExists");
    await expect(put("/app/pin", secret, { Type: "SecureString", AllowedPattern: "^\\d+$" })).rejects.toEqual(
      refused("ParameterPatternMismatchException"),
    );
    expect(logged.join("")).not.toContain(secret);
  });

  it("say so when their key cannot be used", async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const KeyId = must(KeyMetadata?.KeyId, "KeyId");
    await put("/app/own", "secret", { Type: "SecureString", KeyId });
    await kms.send(new DisableKeyCommand({ KeyId }));
    await expect(get("/app/own", true)).rejects.toEqual(refused("InvalidKeyId"));
    await expect(put("/app/other", "secret", { Type: "SecureString", KeyId: "alias/none" })).rejects.toEqual(
      refused("InvalidKeyId"),
    );
  });

  it("keep to AWS's rules", async () => {
    const wrong: [string, string, Partial<PutParameterCommandInput>, string][] = [
      ["/aws/x", "v", {}, "AccessDeniedException"],
      ["ssm-x", "v", {}, "ValidationException"],
      ["a/b", "v", {}, "ValidationException"],
      ["/a b", "v", {}, "ValidationException"],
      [`/${"a/".repeat(15)}b`, "v", {}, "HierarchyLevelLimitExceededException"],
      ["/long", "v".repeat(4_097), {}, "ValidationException"],
      ["/longer", "v".repeat(8_193), { Tier: "Advanced" }, "ValidationException"],
      ["/empty", "", {}, "ValidationException"],
      ["/nested", "{{ssm:x}}", {}, "ValidationException"],
      ["/pattern", "abc", { AllowedPattern: "(" }, "InvalidAllowedPatternException"],
      ["/pattern", `${"a".repeat(4000)}!`, { AllowedPattern: "^(a+)+$" }, "InvalidAllowedPatternException"],
      ["/policies", "v", { Policies: '[{"Type":"Expiration"}]' }, "NotImplemented"],
      ["/image", "v", { DataType: "aws:ec2:image" }, "NotImplemented"],
      ["/tagged", "v", { Overwrite: true, Tags: [{ Key: "a", Value: "b" }] }, "ValidationException"],
    ];
    for (const [name, value, rest, code] of wrong) {
      await expect(put(name, value, rest), name).rejects.toEqual(refused(code));
    }
    await expect(ssm.send(new PutParameterCommand({ Name: "/untyped", Value: "v" }))).rejects.toEqual(
      refused("ValidationException", "A parameter type is required when you create a parameter."),
    );
    expect((await put("/tier", "v".repeat(5_000), { Tier: "Intelligent-Tiering" })).Tier).toBe("Advanced");
    await expect(put("/tier", "v", { Tier: "Standard", Overwrite: true })).rejects.toEqual(
      refused("ValidationException"),
    );
    await expect(get("/aws/service/ami-amazon-linux-latest/al2023")).rejects.toEqual(refused("ParameterNotFound"));
  });
});

describe("versions", () => {
  it("are reached by number and by label, and told in the history", async () => {
    for (const value of ["1", "2", "3"]) await put("/history", value, { Overwrite: true });
    const label = (ParameterVersion: number, Labels: string[]) =>
      ssm.send(new LabelParameterVersionCommand({ Name: "/history", ParameterVersion, Labels }));
    expect(await label(1, ["prod", "2x", "aws1"])).toMatchObject({ InvalidLabels: ["2x", "aws1"] });
    await label(2, ["prod", "test"]);
    expect(await get("/history:1")).toMatchObject({ Value: "1", Selector: ":1", Name: "/history" });
    expect((await get("/history:prod")).Value).toBe("2");
    expect((await get("/history")).Value).toBe("3");
    await expect(get("/history:9")).rejects.toEqual(refused("ParameterVersionNotFound"));
    await expect(get("/history:dev")).rejects.toEqual(refused("ParameterVersionNotFound"));
    const unlabel = { Name: "/history", ParameterVersion: 2, Labels: ["test", "none"] };
    expect(await ssm.send(new UnlabelParameterVersionCommand(unlabel))).toMatchObject({
      RemovedLabels: ["test"],
      InvalidLabels: ["none"],
    });
    const first = await ssm.send(new GetParameterHistoryCommand({ Name: "/history", MaxResults: 2 }));
    expect(first.Parameters?.map(({ Value, Labels }) => [Value, Labels])).toEqual([
      ["1", []],
      ["2", ["prod"]],
    ]);
    const rest = await ssm.send(new GetParameterHistoryCommand({ Name: "/history", NextToken: first.NextToken }));
    expect(rest.Parameters?.map(({ Version }) => Version)).toEqual([3]);
  });

  it("are a hundred; the oldest goes unless it is labelled", async () => {
    for (let i = 1; i <= 101; i += 1) await put("/many", String(i), { Overwrite: true });
    await expect(get("/many:1")).rejects.toEqual(refused("ParameterVersionNotFound"));
    await ssm.send(new LabelParameterVersionCommand({ Name: "/many", ParameterVersion: 2, Labels: ["keep"] }));
    await expect(put("/many", "102", { Overwrite: true })).rejects.toEqual(refused("ParameterMaxVersionLimitExceeded"));
  });
});

describe("listings", () => {
  it("go by path, one level or all, in pages", async () => {
    for (const name of ["/shop/a", "/shop/b", "/shop/db/host", "/shop/db/port", "/shopping/x"]) await put(name, name);
    const byPath = async (input: object) => {
      const page = await ssm.send(new GetParametersByPathCommand({ Path: "/shop", ...input }));
      return { names: page.Parameters?.map(({ Name }) => Name), next: page.NextToken };
    };
    expect((await byPath({})).names).toEqual(["/shop/a", "/shop/b"]);
    const first = await byPath({ Recursive: true, MaxResults: 3 });
    expect(first.names).toEqual(["/shop/a", "/shop/b", "/shop/db/host"]);
    const second = await byPath({ Recursive: true, MaxResults: 3, NextToken: first.next });
    expect(second).toEqual({ names: ["/shop/db/port"], next: undefined });
    await expect(byPath({ Path: "shop" })).rejects.toEqual(refused("ValidationException"));
    const foreign = byPath({ Path: "/other", NextToken: first.next });
    await expect(foreign).rejects.toEqual(refused("InvalidNextToken"));
  });

  it("describe and filter, without values", async () => {
    await put("/list/one", "1", { Description: "first", Tags: [{ Key: "team", Value: "a" }] });
    await put("/list/two", "x,y", { Type: "StringList" });
    const names = async (...ParameterFilters: object[]) => {
      const page = await ssm.send(new DescribeParametersCommand({ ParameterFilters: ParameterFilters as never }));
      return page.Parameters?.map(({ Name }) => Name);
    };
    const path = { Key: "Path", Values: ["/list"] };
    expect(await names(path)).toEqual(["/list/one", "/list/two"]);
    expect(await names(path, { Key: "Type", Values: ["StringList"] })).toEqual(["/list/two"]);
    expect(await names({ Key: "tag:team", Values: ["a"] })).toEqual(["/list/one"]);
    expect(await names({ Key: "Name", Option: "Contains", Values: ["st/tw"] })).toEqual(["/list/two"]);
    expect(await names({ Key: "Name", Option: "BeginsWith", Values: ["/list/"] })).toHaveLength(2);
    const { Parameters } = await ssm.send(
      new DescribeParametersCommand({ ParameterFilters: [{ Key: "Name", Values: ["/list/one"] }] }),
    );
    expect(Parameters?.[0]).toMatchObject({ Description: "first", Tier: "Standard", Version: 1 });
    expect(Parameters?.[0]).not.toHaveProperty("Value");

    const id = { ResourceType: "Parameter" as const, ResourceId: "/list/one" };
    await ssm.send(new AddTagsToResourceCommand({ ...id, Tags: [{ Key: "tier", Value: "1" }] }));
    await ssm.send(new RemoveTagsFromResourceCommand({ ...id, TagKeys: ["team"] }));
    expect((await ssm.send(new ListTagsForResourceCommand(id))).TagList).toEqual([{ Key: "tier", Value: "1" }]);
  });

  it("take several at once, and name those that are not there", async () => {
    await put("/batch/a", "1");
    await put("/batch/b", "2");
    const Names = ["/batch/a", "/batch/b:1", "/batch/none"];
    const { Parameters, InvalidParameters } = await ssm.send(new GetParametersCommand({ Names }));
    expect(Parameters?.map(({ Value }) => Value)).toEqual(["1", "2"]);
    expect(InvalidParameters).toEqual(["/batch/none"]);
    expect(await ssm.send(new DeleteParametersCommand({ Names: ["/batch/a", "/batch/none"] }))).toMatchObject({
      DeletedParameters: ["/batch/a"],
      InvalidParameters: ["/batch/none"],
    });
  });
});
