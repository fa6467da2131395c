/** Layers as the rules have them: published, shared, used, and kept by what uses them. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { createFunction, faultOf, type TestNode, withNode, zipOf } from "./node.suite.ts";

const layerArn = "arn:aws:lambda:us-east-1:000000000000:layer";

async function publish(node: TestNode, LayerName: string, files: Record<string, string>, changes: object = {}) {
  const Content = { ZipFile: await zipOf(files) };
  return node.lambda.PublishLayerVersion({ LayerName, Content, ...changes }, node.call());
}

const arnOf = async (made: ReturnType<typeof publish>) => must((await made).LayerVersionArn, "the layer's ARN");
const optOf = (node: TestNode) => must(node.compute.invoked.at(-1)?.spec.optDir, "the directory of the layers");
const invoke = (node: TestNode, FunctionName = "tiles") => node.lambda.Invoke({ FunctionName }, node.call());

describe("a layer", () => {
  it("is published under numbers that are never used again, shown, listed and deleted", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const made = await publish(
        node,
        "fonts",
        { "nodejs/a.js": "1" },
        {
          Description: "d",
          LicenseInfo: "MIT",
          CompatibleRuntimes: ["nodejs24.x"],
          CompatibleArchitectures: ["x86_64"],
        },
      );
      expect(made).toMatchObject({
        LayerArn: `${layerArn}:fonts`,
        LayerVersionArn: `${layerArn}:fonts:1`,
        Version: 1,
        Description: "d",
        LicenseInfo: "MIT",
        CompatibleRuntimes: ["nodejs24.x"],
        CompatibleArchitectures: ["x86_64"],
      });
      expect(made.Content?.CodeSize).toBeGreaterThan(0);
      await publish(node, "fonts", { "nodejs/a.js": "2" });
      await lambda.DeleteLayerVersion({ LayerName: "fonts", VersionNumber: 2 }, call());
      await lambda.DeleteLayerVersion({ LayerName: "fonts", VersionNumber: 2 }, call());
      expect((await publish(node, `${layerArn}:fonts`, { "nodejs/a.js": "3" })).Version).toBe(3);
      const listed = await lambda.ListLayerVersions({ LayerName: "fonts" }, call());
      expect(listed.LayerVersions?.map(({ Version }) => Version)).toEqual([3, 1]);
      const byArn = await lambda.GetLayerVersionByArn({ Arn: `${layerArn}:fonts:1` }, call());
      expect({ ...byArn, Content: 0 }).toEqual({ ...made, Content: 0 });
      await publish(node, "icons", { a: "" });
      const first = await lambda.ListLayers({ MaxItems: 1 }, call());
      expect(first.Layers?.map(({ LatestMatchingVersion }) => LatestMatchingVersion?.Version)).toEqual([3]);
      const second = await lambda.ListLayers({ MaxItems: 1, Marker: first.NextMarker }, call());
      expect(second.Layers?.map(({ LayerName }) => LayerName)).toEqual(["icons"]);
      const suited = await lambda.ListLayerVersions({ LayerName: "fonts", CompatibleRuntime: "nodejs24.x" }, call());
      expect(suited.LayerVersions?.map(({ Version }) => Version)).toEqual([1]);
    }));

  it.each([
    ["GetLayerVersion", { VersionNumber: 9 }, "The resource you requested does not exist."],
    ["GetLayerVersion", { VersionNumber: 0 }, "Layer Version Cannot be less than 1."],
    ["GetLayerVersionPolicy", { VersionNumber: 1 }, "No policy is associated with the given resource."],
  ] as const)("that %s does not find is refused as AWS does", (operation, changes, message) =>
    withNode(async (node) => {
      await publish(node, "fonts", { a: "1" });
      const answer = node.lambda[operation]({ LayerName: "fonts", ...changes }, node.call());
      expect((await faultOf(answer)).message).toBe(message);
    }),
  );

  it("may be used by another account that its policy names, and by no other", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const Arn = await arnOf(publish(node, "fonts", { a: "1" }));
      const other = (account: string) => call({ account, principal: { kind: "user", account, accessKeyId: account } });
      const read = () => lambda.GetLayerVersionByArn({ Arn }, other("111111111111"));
      expect((await faultOf(read())).code).toBe("AccessDeniedException");
      const version = { LayerName: "fonts", VersionNumber: 1 };
      const permission = { StatementId: "s", Action: "lambda:GetLayerVersion", Principal: "111111111111" };
      const added = await lambda.AddLayerVersionPermission({ ...version, ...permission }, call());
      expect((await read()).Version).toBe(1);
      expect((await faultOf(lambda.GetLayerVersionByArn({ Arn }, other("222222222222")))).code).toBe(
        "AccessDeniedException",
      );
      expect((await lambda.GetLayerVersionPolicy(version, call())).RevisionId).toBe(added.RevisionId);
      expect((await faultOf(lambda.AddLayerVersionPermission({ ...version, ...permission }, call()))).code).toBe(
        "ResourceConflictException",
      );
      const stale = lambda.RemoveLayerVersionPermission({ ...version, StatementId: "s", RevisionId: "x" }, call());
      expect((await faultOf(stale)).code).toBe("PreconditionFailedException");
      await lambda.RemoveLayerVersionPermission({ ...version, StatementId: "s" }, call());
      expect((await faultOf(read())).code).toBe("AccessDeniedException");
    }));
});

describe("a function with layers", () => {
  it("finds them merged, a later one over an earlier one, and shows them", () =>
    withNode(async (node) => {
      const first = await arnOf(publish(node, "first", { "lib/a": "1", "lib/b": "1", both: "1" }));
      const second = await arnOf(publish(node, "second", { "lib/a": "2", "bin/c": "2", "both/d": "2" }));
      const made = await createFunction(node, "tiles", { Layers: [first, second] });
      expect(made.Layers?.map(({ Arn }) => Arn)).toEqual([first, second]);
      await invoke(node);
      const read = (path: string) => readFile(join(optOf(node), path), "utf8");
      expect(await Promise.all(["lib/a", "lib/b", "bin/c", "both/d"].map(read))).toEqual(["2", "1", "2", "2"]);
      await node.lambda.UpdateFunctionConfiguration({ FunctionName: "tiles", Layers: [second, first] }, node.call());
      await invoke(node);
      expect(await Promise.all(["lib/a", "both"].map(read))).toEqual(["1", "1"]);
      const none = await node.lambda.UpdateFunctionConfiguration({ FunctionName: "tiles", Layers: [] }, node.call());
      expect(none.Layers).toBeUndefined();
      await invoke(node);
      expect(node.compute.invoked.at(-1)?.spec.optDir).toBeUndefined();
    }));

  it("keeps them when they are deleted, and so do its versions", () =>
    withNode(async (node) => {
      const { lambda, call, clock } = node;
      const arn = await arnOf(publish(node, "fonts", { a: "1" }));
      await createFunction(node, "tiles", { Layers: [arn], Publish: true });
      await lambda.DeleteLayerVersion({ LayerName: "fonts", VersionNumber: 1 }, call());
      await clock.advance(3600_000);
      await lambda.UpdateFunctionConfiguration({ FunctionName: "tiles", Layers: [] }, call());
      await clock.advance(3600_000);
      await lambda.Invoke({ FunctionName: "tiles", Qualifier: "1" }, call());
      expect(await readFile(join(optOf(node), "a"), "utf8")).toBe("1");
      const again = createFunction(node, "other", { Layers: [arn] });
      expect((await faultOf(again)).message).toBe(`Layer version ${arn} does not exist.`);
    }));

  it("leaves no directory behind when it is deleted", () =>
    withNode(async (node) => {
      const arn = await arnOf(publish(node, "fonts", { a: "1" }));
      await createFunction(node, "tiles", { Layers: [arn] });
      await invoke(node);
      const opt = optOf(node);
      await node.lambda.DeleteFunction({ FunctionName: "tiles" }, node.call());
      await node.clock.advance(3600_000);
      await expect.poll(() => stat(opt).catch(() => "gone")).toBe("gone");
    }));

  it("publishes a new version when they change", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const key = { FunctionName: "tiles" };
      const arn = await arnOf(publish(node, "fonts", { a: "1" }));
      await createFunction(node, "tiles", { Publish: true });
      await lambda.UpdateFunctionConfiguration({ ...key, Layers: [arn] }, call());
      expect((await lambda.PublishVersion(key, call())).Version).toBe("2");
      expect((await lambda.PublishVersion(key, call())).Version).toBe("2");
    }));

  it.each([
    ["six of them", ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"], "Cannot reference more than 5 layers."],
    ["two versions of one", ["a:1", "a:2"], "Two different versions of the same layer are not allowed"],
  ])("is refused with %s", (_what, names, message) =>
    withNode(async (node) => {
      for (const name of ["a", "a", "b"]) await publish(node, name, { f: name });
      const Layers = names.map((name) => `${layerArn}:${name}`);
      expect((await faultOf(createFunction(node, "tiles", { Layers }))).message).toContain(message);
    }),
  );
});
