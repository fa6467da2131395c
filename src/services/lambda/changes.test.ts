import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { arn, createFunction, faultOf, withNode, zipOf, type TestNode } from "./node.suite.ts";

const key = { FunctionName: "tiles" };
const otherZip = zipOf({ "index.js": "exports.handler = async () => 2;" });
const staleRevision = {
  code: "PreconditionFailedException",
  message:
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
};

describe("UpdateFunctionCode", () => {
  it("puts new code in force, counts it, and ends the environments of the old", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      const before = await createFunction(node, "tiles");
      await lambda.Invoke(key, call());
      const after = await lambda.UpdateFunctionCode({ ...key, ZipFile: await otherZip }, call());
      expect(after.CodeSha256).not.toBe(before.CodeSha256);
      expect(after.RevisionId).not.toBe(before.RevisionId);
      await node.clock.advance(0);
      expect(compute.retired).toEqual([compute.invoked[0]?.spec.id]);
      await lambda.Invoke(key, call());
      const [first, second] = compute.invoked;
      expect(second?.spec.id).not.toBe(first?.spec.id);
      expect(second?.spec.codeDir).not.toBe(first?.spec.codeDir);
      const { AccountUsage } = await lambda.GetAccountSettings({}, call());
      expect(AccountUsage?.TotalCodeSize).toBe(after.CodeSize);
    }));

  it("removes code that was replaced, and no code that a version still has", () =>
    withNode(async (node) => {
      const { lambda, call, clock } = node;
      const unpacked = async () => {
        const [home = ""] = await readdir(node.cacheDir);
        return (await readdir(join(node.cacheDir, home))).length;
      };
      await createFunction(node, "tiles", { Publish: true });
      await lambda.UpdateFunctionCode({ ...key, ZipFile: await otherZip }, call());
      await lambda.UpdateFunctionCode({ ...key, ZipFile: await zipOf({ "index.js": "3" }) }, call());
      expect(await unpacked()).toBe(3);
      await clock.advance(60_000);
      await expect.poll(unpacked).toBe(2);
      expect((await lambda.Invoke({ ...key, Qualifier: "1" }, call())).StatusCode).toBe(200);
    }));

  it("keeps environments when nothing changes that runs", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "tiles", { Code: { ZipFile: await otherZip } });
      await lambda.Invoke(key, call());
      await lambda.UpdateFunctionCode({ ...key, ZipFile: await otherZip }, call());
      await lambda.UpdateFunctionConfiguration({ ...key, Description: "new words" }, call());
      await lambda.TagResource({ Resource: arn("tiles"), Tags: { a: "b" } }, call());
      await lambda.Invoke(key, call());
      expect(new Set(compute.invoked.map(({ spec }) => spec.id)).size).toBe(1);
      await node.clock.advance(0);
      expect(compute.retired).toEqual([]);
    }));

  it("refuses a bad zip and a stale revision, and changes nothing", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const made = await createFunction(node, "tiles");
      const bad = lambda.UpdateFunctionCode({ ...key, ZipFile: Buffer.from("x") }, call());
      expect((await faultOf(bad)).message).toContain("Could not unzip uploaded file.");
      const stale = { ...key, ZipFile: await otherZip, RevisionId: "stale" };
      expect(await faultOf(lambda.UpdateFunctionCode(stale, call()))).toEqual(staleRevision);
      const missing = lambda.UpdateFunctionCode({ FunctionName: "none", ZipFile: await otherZip }, call());
      expect((await faultOf(missing)).message).toBe(`Function not found: ${arn("none")}`);
      expect(await lambda.GetFunctionConfiguration(key, call())).toEqual(made);
    }));

  it("tells at a dry run what would be, and does nothing", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const made = await createFunction(node, "tiles");
      const dry = await lambda.UpdateFunctionCode({ ...key, ZipFile: await otherZip, DryRun: true }, call());
      expect(dry.CodeSha256).not.toBe(made.CodeSha256);
      expect(await lambda.GetFunctionConfiguration(key, call())).toEqual(made);
    }));
});

describe("UpdateFunctionConfiguration", () => {
  it("changes what is given, and keeps the rest", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      const made = await createFunction(node, "tiles", { Timeout: 10, Environment: { Variables: { A: "1" } } });
      const RevisionId = made.RevisionId;
      const changed = await lambda.UpdateFunctionConfiguration({ ...key, MemorySize: 512, RevisionId }, call());
      expect(changed).toEqual({ ...made, MemorySize: 512, RevisionId: changed.RevisionId });
      expect(await faultOf(lambda.UpdateFunctionConfiguration({ ...key, RevisionId }, call()))).toEqual(staleRevision);
      const emptied = await lambda.UpdateFunctionConfiguration({ ...key, Environment: {} }, call());
      expect(emptied.Environment).toEqual({ Variables: {} });
      await lambda.Invoke(key, call());
      expect(compute.invoked[0]?.spec).toMatchObject({ memoryMiB: 512, timeoutMs: 10_000, environment: {} });
    }));

  it("echoes what it records", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const recorded = {
        EphemeralStorage: { Size: 1_024 },
        TracingConfig: { Mode: "Active" as const },
        KMSKeyArn: "arn:aws:kms:us-east-1:000000000000:key/k",
        VpcConfig: { SubnetIds: ["subnet-1"], SecurityGroupIds: ["sg-1"] },
        LoggingConfig: { LogGroup: "/my/group" },
      };
      await createFunction(node, "tiles", { ...recorded, Architectures: ["arm64"] });
      expect(await lambda.GetFunctionConfiguration(key, call())).toMatchObject({
        ...recorded,
        Architectures: ["arm64"],
        VpcConfig: { ...recorded.VpcConfig, Ipv6AllowedForDualStack: false },
        LoggingConfig: { LogFormat: "Text", LogGroup: "/my/group" },
      });
      await lambda.Invoke(key, call());
      expect(node.compute.invoked[0]?.spec.logGroup).toBe("/my/group");
    }));
});

describe("versions", () => {
  it("are published when something changed, and keep what they were", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      const made = await createFunction(node, "tiles", { Environment: { Variables: { A: "1", B: "2" } } });
      const first = await lambda.PublishVersion({ ...key, Description: "one" }, call());
      expect(first).toMatchObject({ Version: "1", FunctionArn: arn("tiles:1"), Description: "one" });
      const latest = await lambda.GetFunctionConfiguration(key, call());
      expect(latest.RevisionId).not.toBe(made.RevisionId);
      expect(await lambda.PublishVersion({ ...key, Description: "again" }, call())).toEqual(first);
      await lambda.UpdateFunctionConfiguration({ ...key, Environment: { Variables: { A: "9" } } }, call());
      const second = await lambda.PublishVersion(key, call());
      expect([second.Version, second.Description]).toEqual(["2", ""]);
      await lambda.UpdateFunctionConfiguration({ ...key, Environment: { Variables: { A: "8" } } }, call());
      await lambda.Invoke({ ...key, Qualifier: "1" }, call());
      await lambda.Invoke({ FunctionName: arn("tiles:2") }, call());
      await lambda.Invoke(key, call());
      expect(compute.invoked.map(({ spec }) => [spec.version, spec.environment["A"]])).toEqual([
        ["1", "1"],
        ["2", "9"],
        ["$LATEST", "8"],
      ]);
      const page = await lambda.ListVersionsByFunction({ ...key, MaxItems: 2 }, call());
      expect(page.Versions?.map(({ Version }) => Version)).toEqual(["$LATEST", "1"]);
      const rest = await lambda.ListVersionsByFunction({ ...key, Marker: page.NextMarker }, call());
      expect(rest.Versions?.map(({ Version }) => Version)).toEqual(["2"]);
    }));

  it("are the same again when $LATEST was changed back", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles", { Publish: true });
      await lambda.UpdateFunctionConfiguration({ ...key, MemorySize: 512 }, call());
      await lambda.UpdateFunctionConfiguration({ ...key, MemorySize: 128 }, call());
      expect((await lambda.PublishVersion(key, call())).Version).toBe("1");
    }));

  it("are refused for other code, or another revision, than $LATEST has", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const made = await createFunction(node, "tiles");
      expect(await faultOf(lambda.PublishVersion({ ...key, RevisionId: "stale" }, call()))).toEqual(staleRevision);
      expect(await faultOf(lambda.PublishVersion({ ...key, CodeSha256: "other" }, call()))).toEqual({
        code: "InvalidParameterValueException",
        message: `CodeSHA256 (other) is different from current CodeSHA256 in $LATEST (${made.CodeSha256}). Please try again with the CodeSHA256 in $LATEST.`,
      });
    }));
});

describe("aliases", () => {
  const aliases = async (node: TestNode) => {
    await createFunction(node, "tiles", { Publish: true });
    return node.lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, node.call());
  };

  it("lead to a version, and can be moved", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const made = await aliases(node);
      expect(made).toEqual({
        AliasArn: arn("tiles:live"),
        Name: "live",
        FunctionVersion: "1",
        Description: "",
        RevisionId: made.RevisionId,
      });
      expect(await lambda.GetAlias({ ...key, Name: "live" }, call())).toEqual(made);
      expect((await lambda.Invoke({ ...key, Qualifier: "live" }, call())).ExecutedVersion).toBe("1");
      const shown = await lambda.GetFunctionConfiguration({ FunctionName: "tiles:live" }, call());
      expect(shown.FunctionArn).toBe(arn("tiles:1"));
      await lambda.UpdateAlias(
        { ...key, Name: "live", FunctionVersion: "$LATEST", RevisionId: made.RevisionId },
        call(),
      );
      expect((await lambda.Invoke({ ...key, Qualifier: "live" }, call())).ExecutedVersion).toBe("$LATEST");
      const { Aliases } = await lambda.ListAliases(key, call());
      expect(Aliases?.map(({ Name, FunctionVersion }) => [Name, FunctionVersion])).toEqual([["live", "$LATEST"]]);
      expect((await lambda.ListAliases({ ...key, FunctionVersion: "1" }, call())).Aliases).toEqual([]);
      await lambda.DeleteAlias({ ...key, Name: "live" }, call());
      await lambda.DeleteAlias({ ...key, Name: "live" }, call());
      expect(await faultOf(lambda.GetAlias({ ...key, Name: "live" }, call()))).toEqual({
        code: "ResourceNotFoundException",
        message: `Cannot find alias arn: ${arn("tiles:live")}`,
      });
    }));

  it("are refused as AWS refuses them", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await aliases(node);
      const again = lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, call());
      expect(await faultOf(again)).toEqual({
        code: "ResourceConflictException",
        message: `Alias already exists: ${arn("tiles:live")}`,
      });
      const missing = lambda.CreateAlias({ ...key, Name: "next", FunctionVersion: "7" }, call());
      expect((await faultOf(missing)).message).toBe(`Function not found: ${arn("tiles:7")}`);
      const unknown = lambda.UpdateAlias({ ...key, Name: "none" }, call());
      expect((await faultOf(unknown)).message).toBe(`Alias not found: ${arn("tiles:none")}`);
      const stale = lambda.UpdateAlias({ ...key, Name: "live", RevisionId: "stale" }, call());
      expect(await faultOf(stale)).toEqual(staleRevision);
    }));
});

describe("reserved concurrency", () => {
  const put = ({ lambda, call }: TestNode, reserved: number, name = "tiles") =>
    lambda.PutFunctionConcurrency({ FunctionName: name, ReservedConcurrentExecutions: reserved }, call());

  it("is set, shown and taken back", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles");
      expect(await lambda.GetFunctionConcurrency(key, call())).toEqual({});
      expect(await put(node, 0)).toEqual({ ReservedConcurrentExecutions: 0 });
      await put(node, 7);
      expect(await lambda.GetFunctionConcurrency(key, call())).toEqual({ ReservedConcurrentExecutions: 7 });
      expect((await lambda.GetFunction(key, call())).Concurrency).toEqual({ ReservedConcurrentExecutions: 7 });
      const { AccountLimit } = await lambda.GetAccountSettings({}, call());
      expect(AccountLimit).toEqual({
        TotalCodeSize: 80_530_636_800,
        CodeSizeUnzipped: 262_144_000,
        CodeSizeZipped: 52_428_800,
        ConcurrentExecutions: 1_000,
        UnreservedConcurrentExecutions: 993,
      });
      await lambda.DeleteFunctionConcurrency(key, call());
      expect(await lambda.GetFunctionConcurrency(key, call())).toEqual({});
    }));

  it("leaves 100 to the functions that have none, also when several ask at once", () =>
    withNode(async (node) => {
      for (const name of ["a", "b", "c"]) await createFunction(node, name);
      const asked = await Promise.allSettled(["a", "b", "c"].map((name) => put(node, 450, name)));
      expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
      expect(await faultOf(put(node, 1, "c"))).toEqual({
        code: "InvalidParameterValueException",
        message:
          "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
      });
      await put(node, 449, "a");
      await put(node, 1, "c");
    }));

  it("belongs to functions only", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect((await faultOf(put(node, 1, "tiles:1"))).message).toContain("permitted on Lambda functions only");
      expect((await faultOf(put(node, 1, "none"))).message).toBe(`Function not found: ${arn("none:$LATEST")}`);
    }));
});

describe("tags", () => {
  it("are set, replaced and taken away", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles", { Tags: { a: "1" } });
      await lambda.TagResource({ Resource: arn("tiles"), Tags: { a: "2", b: "3" } }, call());
      expect((await lambda.GetFunction(key, call())).Tags).toEqual({ a: "2", b: "3" });
      await lambda.UntagResource({ Resource: arn("tiles"), TagKeys: ["a", "none"] }, call());
      expect(await lambda.ListTags({ Resource: arn("tiles") }, call())).toEqual({ Tags: { b: "3" } });
    }));

  it("are refused as AWS refuses them", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles");
      const tag = (Resource: string, Tags: Record<string, string> = { a: "1" }) =>
        faultOf(lambda.TagResource({ Resource, Tags }, call()));
      expect((await tag(arn("none"))).message).toBe(`Function not found: ${arn("none")}`);
      expect((await tag(arn("tiles:1"))).message).toBe(
        "Tags on function aliases and versions are not supported. Please specify a function ARN.",
      );
      expect((await tag(arn("tiles"), {})).message).toBe("An error occurred and the request cannot be processed.");
      const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, ""]));
      expect((await tag(arn("tiles"), many)).message).toBe("Number of tags exceeds resource tag limit.");
    }));
});
