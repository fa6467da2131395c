import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { Fault } from "../../base/errors.ts";
import { runtimes } from "./limits.ts";
import { account, arn, createFunction, faultOf, role, withNode, zipOf } from "./node.suite.ts";

const key = { FunctionName: "tiles" };

describe("CreateFunction", () => {
  it("answers with the function as AWS shows it", () =>
    withNode(async (node) => {
      const made = await createFunction(node, "tiles", { Environment: { Variables: { STAGE: "test" } } });
      expect(made).toEqual({
        FunctionName: "tiles",
        FunctionArn: arn("tiles"),
        Runtime: "nodejs24.x",
        Role: role,
        Handler: "index.handler",
        CodeSize: made.CodeSize,
        Description: "",
        Timeout: 3,
        MemorySize: 128,
        LastModified: "2026-01-01T00:00:00.000+0000",
        CodeSha256: made.CodeSha256,
        Version: "$LATEST",
        Environment: { Variables: { STAGE: "test" } },
        TracingConfig: { Mode: "PassThrough" },
        RevisionId: made.RevisionId,
        State: "Active",
        LastUpdateStatus: "Successful",
        PackageType: "Zip",
        Architectures: ["x86_64"],
        EphemeralStorage: { Size: 512 },
        SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" },
        LoggingConfig: { LogFormat: "Text", LogGroup: "/aws/lambda/tiles" },
      });
      expect(made.CodeSize).toBeGreaterThan(0);
      const shown = await node.lambda.GetFunction(key, node.call());
      const Location = expect.stringMatching(/^http:\/\/127\.0\.0\.1:4566\/_mikan\/lambda\/code\//) as string;
      expect(shown).toEqual({ Configuration: made, Code: { RepositoryType: "S3", Location } });
      expect(await node.lambda.GetFunctionConfiguration(key, node.call())).toEqual(made);
    }));

  it("publishes the first version where asked for, under the function's ARN", () =>
    withNode(async (node) => {
      const made = await createFunction(node, "tiles", { Publish: true });
      expect([made.Version, made.FunctionArn]).toEqual(["1", arn("tiles")]);
      const { Versions } = await node.lambda.ListVersionsByFunction(key, node.call());
      expect(Versions?.map(({ FunctionArn }) => FunctionArn)).toEqual([arn("tiles:$LATEST"), arn("tiles:1")]);
    }));

  it("takes code from S3, and gives its errors on in AWS's words", async () => {
    const zip = await zipOf({ "index.js": "" });
    const GetObject = async ({ Bucket }: { Bucket?: string | undefined }) => {
      if (Bucket === "none") throw new Fault("NoSuchBucket", "The specified bucket does not exist");
      return { Body: Readable.from([zip]) };
    };
    await withNode(
      async (node) => {
        const fromS3 = await createFunction(node, "tiles", { Code: { S3Bucket: "code", S3Key: "tiles.zip" } });
        const fromZip = await createFunction(node, "other", { Code: { ZipFile: zip } });
        expect(fromS3.CodeSha256).toBe(fromZip.CodeSha256);
        expect(await faultOf(createFunction(node, "x", { Code: { S3Bucket: "none", S3Key: "k" } }))).toEqual({
          code: "InvalidParameterValueException",
          message:
            "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
        });
      },
      { s3: { GetObject } },
    );
  });

  it.each([
    [
      "no zip",
      { Code: { ZipFile: Buffer.from("no zip") } },
      "InvalidParameterValueException",
      "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ],
    [
      "an empty body",
      { Code: { ZipFile: Buffer.alloc(0) } },
      "InvalidParameterValueException",
      "Uploaded file must be a non-empty zip",
    ],
    ["no code", { Code: {} }, "InvalidParameterValueException", "Please provide a source for function code."],
    [
      "two sources",
      { Code: { ZipFile: Buffer.alloc(1), S3Bucket: "b", S3Key: "k" } },
      "InvalidParameterValueException",
      "Please do not provide other FunctionCode parameters when providing a ZipFile.",
    ],
    [
      "a large zip",
      { Code: { ZipFile: Buffer.alloc(52_428_801) } },
      "RequestEntityTooLarge",
      "Zipped size must be smaller than 52428800 bytes",
    ],
    [
      "no runtime",
      { Runtime: undefined },
      "InvalidParameterValueException",
      "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    ],
    [
      "a retired runtime",
      { Runtime: "nodejs14.x" as const },
      "InvalidParameterValueException",
      "The runtime parameter of nodejs14.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.",
    ],
    [
      "an unknown runtime",
      { Runtime: "cobol" },
      "InvalidParameterValueException",
      `Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${runtimes.join(", ")}] or be a valid ARN`,
    ],
    [
      "a foreign role",
      { Role: "arn:aws:iam::111111111111:role/r" },
      "AccessDeniedException",
      "Cross-account pass role is not allowed.",
    ],
    [
      "a long timeout",
      { Timeout: 901 },
      "ValidationException",
      "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900",
    ],
    [
      "much memory",
      { MemorySize: 10_241 },
      "InvalidParameterValueException",
      "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240",
    ],
    [
      "a long name",
      { FunctionName: "f".repeat(65) },
      "InvalidParameterValueException",
      `1 validation error detected: Value '${"f".repeat(65)}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64`,
    ],
    [
      "another region",
      { FunctionName: "arn:aws:lambda:eu-west-1:000000000000:function:f" },
      "ResourceNotFoundException",
      "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
    ],
    [
      "a reserved variable",
      { Environment: { Variables: { AWS_REGION: "x" } } },
      "InvalidParameterValueException",
      "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION",
    ],
    [
      "a large environment",
      { Environment: { Variables: { BIG: "x".repeat(4_096) } } },
      "InvalidParameterValueException",
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"BIG":"${"x".repeat(4_096)}"}`,
    ],
    [
      "many tags",
      { Tags: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, ""])) },
      "InvalidParameterValueException",
      "Number of tags exceeds resource tag limit.",
    ],
    [
      "a layer that is not there",
      { Layers: ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"] },
      "InvalidParameterValueException",
      "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.",
    ],
    [
      "file systems",
      { FileSystemConfigs: [{ Arn: "a", LocalMountPath: "/mnt/a" }] },
      "NotImplemented",
      "Mikan does not implement FileSystemConfigs for functions yet.",
    ],
    [
      "a dead letter queue that is none",
      { DeadLetterConfig: { TargetArn: "arn:aws:sqs:us-east-1:000000000000:q.fifo" } },
      "InvalidParameterValueException",
      "The dead letter target arn:aws:sqs:us-east-1:000000000000:q.fifo is invalid: it must be the ARN of a standard SQS queue or SNS topic.",
    ],
    [
      "log levels of text",
      { LoggingConfig: { ApplicationLogLevel: "INFO" as const } },
      "InvalidParameterValueException",
      "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.",
    ],
  ])("refuses %s", (_what, changes, code, message) =>
    withNode(async (node) => {
      const input = changes as Parameters<typeof createFunction>[2];
      expect(await faultOf(createFunction(node, "tiles", input))).toEqual({ code, message });
      expect((await node.lambda.ListFunctions({}, node.call())).Functions).toEqual([]);
    }),
  );

  it("refuses a name that is taken, and keeps what is there", () =>
    withNode(async (node) => {
      const made = await createFunction(node, "tiles");
      expect(await faultOf(createFunction(node, "tiles", { MemorySize: 512 }))).toEqual({
        code: "ResourceConflictException",
        message: "Function already exist: tiles",
      });
      expect(await node.lambda.GetFunctionConfiguration(key, node.call())).toEqual(made);
    }));

  it("creates one of many that ask at once", () =>
    withNode(async (node) => {
      const asked = await Promise.allSettled(Array.from({ length: 8 }, () => createFunction(node, "tiles")));
      expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const { AccountUsage } = await node.lambda.GetAccountSettings({}, node.call());
      expect(AccountUsage?.FunctionCount).toBe(1);
    }));
});

describe("names", () => {
  it.each(["tiles", `${account}:function:tiles`, "function:tiles", arn("tiles"), arn("tiles:$LATEST")])(
    "%s is the function",
    (name) =>
      withNode(async (node) => {
        await createFunction(node, "tiles");
        const { FunctionName } = await node.lambda.GetFunctionConfiguration({ FunctionName: name }, node.call());
        expect(FunctionName).toBe("tiles");
      }),
  );

  it("refuses a qualifier that the name contradicts", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect(await faultOf(node.lambda.GetFunction({ FunctionName: "tiles:1", Qualifier: "2" }, node.call()))).toEqual({
        code: "InvalidParameterValueException",
        message: "The derived qualifier from the function name does not match the specified qualifier.",
      });
    }));

  it("keeps accounts and regions apart", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const notFound = (where: string) => ({
        code: "ResourceNotFoundException",
        message: `Function not found: arn:aws:lambda:${where}:function:tiles`,
      });
      const inRegion = node.call({ region: "eu-west-1" });
      expect(await faultOf(node.lambda.GetFunction(key, inRegion))).toEqual(notFound("eu-west-1:000000000000"));
      const ofAnother = node.call({ account: "111111111111" });
      expect(await faultOf(node.lambda.GetFunction(key, ofAnother))).toEqual(notFound("us-east-1:111111111111"));
      const foreign = node.lambda.GetFunction({ FunctionName: arn("tiles") }, ofAnother);
      expect((await faultOf(foreign)).code).toBe("AccessDeniedException");
    }));
});

describe("ListFunctions", () => {
  it("gives pages in order of name, each function once", () =>
    withNode(async (node) => {
      for (const name of ["c", "a", "b"]) await createFunction(node, name, { Publish: name === "b" });
      const first = await node.lambda.ListFunctions({ MaxItems: 2 }, node.call());
      expect(first.Functions?.map(({ FunctionArn }) => FunctionArn)).toEqual([arn("a"), arn("b")]);
      expect(first.Functions?.[0]).not.toHaveProperty("State");
      const Marker = first.NextMarker;
      const second = await node.lambda.ListFunctions({ MaxItems: 2, Marker }, node.call());
      expect(second.Functions?.map(({ FunctionName }) => FunctionName)).toEqual(["c"]);
      expect(second.NextMarker).toBeUndefined();
      const all = await node.lambda.ListFunctions({ FunctionVersion: "ALL", MaxItems: 2 }, node.call());
      expect(all.Functions?.map(({ FunctionArn }) => FunctionArn)).toEqual([arn("a:$LATEST"), arn("b:$LATEST")]);
      const rest = await node.lambda.ListFunctions({ FunctionVersion: "ALL", Marker: all.NextMarker }, node.call());
      expect(rest.Functions?.map(({ FunctionArn }) => FunctionArn)).toEqual([arn("b:1"), arn("c:$LATEST")]);
      expect((await faultOf(node.lambda.ListFunctions({ FunctionVersion: "ALL", Marker }, node.call()))).code).toBe(
        "InvalidParameterValueException",
      );
    }));
});

describe("DeleteFunction", () => {
  it("takes everything with it, and its code when nobody can ask for it any more", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles", { Publish: true });
      await node.lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 5 }, node.call());
      await node.lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, node.call());
      expect(await node.lambda.DeleteFunction(key, node.call())).toEqual({ StatusCode: 204 });
      expect(await faultOf(node.lambda.GetFunction(key, node.call()))).toEqual({
        code: "ResourceNotFoundException",
        message: `Function not found: ${arn("tiles")}`,
      });
      const { AccountLimit, AccountUsage } = await node.lambda.GetAccountSettings({}, node.call());
      expect(AccountUsage).toEqual({ TotalCodeSize: 0, FunctionCount: 0 });
      expect(AccountLimit?.UnreservedConcurrentExecutions).toBe(1_000);
      const [home = ""] = await readdir(node.cacheDir);
      const unpacked = () => readdir(join(node.cacheDir, home));
      expect(await unpacked()).toHaveLength(1);
      await node.clock.advance(15 * 60_000);
      await expect.poll(unpacked).toEqual([]);
    }));

  it("deletes one version, but not $LATEST, nor one that an alias points to", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles", { Publish: true });
      await node.lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, node.call());
      const remove = (Qualifier: string) => node.lambda.DeleteFunction({ ...key, Qualifier }, node.call());
      expect((await faultOf(remove("$LATEST"))).message).toBe(
        "$LATEST version cannot be deleted without deleting the function.",
      );
      expect((await faultOf(remove("1"))).code).toBe("ResourceConflictException");
      await node.lambda.DeleteAlias({ ...key, Name: "live" }, node.call());
      await remove("1");
      expect((await faultOf(node.lambda.GetFunction({ ...key, Qualifier: "1" }, node.call()))).message).toBe(
        `Function not found: ${arn("tiles:1")}`,
      );
    }));

  it("never uses a version's number again", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles", { Publish: true });
      await node.lambda.DeleteFunction(key, node.call());
      expect((await createFunction(node, "tiles", { Publish: true })).Version).toBe("2");
    }));
});
