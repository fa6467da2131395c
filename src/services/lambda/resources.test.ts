import { describe, expect, it } from "vitest";
import type { JsonObject, ResourceState } from "../../kit/resource.ts";
import { arn, createFunction, faultOf, role, withNode, type TestNode } from "./node.suite.ts";
import { packInline } from "./inline.ts";

function drive(node: TestNode, type: string) {
  const resource = node.resource(type);
  const request = (properties: JsonObject, token = "t1", physicalName = "map-Tiles-X") => ({
    token,
    stackId: "s",
    stackName: "map",
    logicalId: "Tiles",
    physicalName,
    properties,
    metadata: {},
    tags: { "aws:cloudformation:stack-name": "map" },
  });
  return {
    create: (properties: JsonObject, token?: string, name?: string) =>
      resource.create(request(properties, token, name), node.call()),
    remove: (properties: JsonObject, state: ResourceState) =>
      resource.delete({ ...request(properties), ...state }, node.call()),
  };
}

const properties: JsonObject = {
  Code: { ZipFile: "exports.handler = async () => 1;" },
  Handler: "index.handler",
  Role: role,
  Runtime: "nodejs24.x",
  Timeout: "9",
  Environment: { Variables: { NUMBER: 5, FLAG: true } },
  ReservedConcurrentExecutions: 3,
  Tags: [{ Key: "team", Value: "map" }],
};

describe("AWS::Lambda::Function", () => {
  it("is made once for a token, with everything that the template says", () =>
    withNode(async (node) => {
      const { create, remove } = drive(node, "AWS::Lambda::Function");
      const state = await create(properties);
      expect(state).toEqual({ physicalId: "map-Tiles-X", attributes: { Arn: arn("map-Tiles-X") } });
      expect(await create(properties)).toEqual(state);
      const shown = await node.lambda.GetFunction({ FunctionName: "map-Tiles-X" }, node.call());
      expect(shown).toMatchObject({
        Configuration: { Timeout: 9, Environment: { Variables: { NUMBER: "5", FLAG: "true" } } },
        Concurrency: { ReservedConcurrentExecutions: 3 },
        Tags: { team: "map", "aws:cloudformation:stack-name": "map" },
      });
      expect(await faultOf(create(properties, "t2"))).toEqual({
        code: "ResourceConflictException",
        message: "Function already exist: map-Tiles-X",
      });
      await remove(properties, state);
      await remove(properties, state);
      expect((await node.lambda.ListFunctions({}, node.call())).Functions).toEqual([]);
    }));

  it("leaves nothing behind when a part of it is refused", () =>
    withNode(async (node) => {
      const { create } = drive(node, "AWS::Lambda::Function");
      const refusal = async (changes: JsonObject) => (await faultOf(create({ ...properties, ...changes }))).message;
      expect(await refusal({ ReservedConcurrentExecutions: 901 })).toContain("below its minimum value of [100]");
      expect(await refusal({ Code: "./src" })).toContain("package local paths before deploying");
      expect(await refusal({ Runtime: "java21" })).toContain("ZipFile can only be used");
      expect(await refusal({ Layers: ["arn"] })).toBe("Invalid layer version ARN: arn");
      expect(await refusal({ RecursiveLoop: "Often" })).toBe("RecursiveLoop must be Allow or Terminate.");
      expect(await refusal({ FunctionScalingConfig: { MinExecutionEnvironments: 1 } })).toBe(
        "Mikan does not implement FunctionScalingConfig for functions yet.",
      );
      const { AccountUsage, AccountLimit } = await node.lambda.GetAccountSettings({}, node.call());
      expect(AccountUsage).toEqual({ TotalCodeSize: 0, FunctionCount: 0 });
      expect(AccountLimit?.UnreservedConcurrentExecutions).toBe(1_000);
    }));

  it("packs source code the same way every time", async () => {
    const pack = async (source: string, runtime: string) => Buffer.from(await packInline(source, runtime));
    const first = await pack("x", "nodejs24.x");
    expect((await pack("x", "nodejs24.x")).equals(first)).toBe(true);
    expect(first.includes("index.js")).toBe(true);
    expect((await pack("x", "python3.12")).includes("index.py")).toBe(true);
  });
});

describe("AWS::Lambda::Permission", () => {
  it("is made once, and taken away with or without its function", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const { create, remove } = drive(node, "AWS::Lambda::Permission");
      const permission = {
        Action: "lambda:InvokeFunction",
        FunctionName: arn("tiles"),
        Principal: "elasticloadbalancing.amazonaws.com",
      };
      const state = await create(permission, "t1", "map-Permission-X");
      expect(await create(permission, "t1", "map-Permission-X")).toEqual(state);
      const { Policy } = await node.lambda.GetPolicy({ FunctionName: "tiles" }, node.call());
      expect(Policy).toContain('"Sid":"map-Permission-X"');
      await remove(permission, state);
      await remove(permission, state);
      expect((await faultOf(node.lambda.GetPolicy({ FunctionName: "tiles" }, node.call()))).code).toBe(
        "ResourceNotFoundException",
      );
      await node.lambda.DeleteFunction({ FunctionName: "tiles" }, node.call());
      await remove(permission, state);
    }));
});

describe("AWS::Lambda::Version and Alias", () => {
  it("are made once for a token, and point to one another", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const versions = drive(node, "AWS::Lambda::Version");
      const aliases = drive(node, "AWS::Lambda::Alias");
      const version = await versions.create({ FunctionName: "tiles", Description: "one" });
      expect(version).toEqual({
        physicalId: arn("tiles:1"),
        attributes: { FunctionArn: arn("tiles:1"), Version: "1" },
      });
      expect(await versions.create({ FunctionName: "tiles", Description: "one" })).toEqual(version);
      expect((await faultOf(versions.create({ FunctionName: "tiles" }, "t2"))).message).toBe(
        "A version for this Lambda function exists ( 1 ). Modify the function to create a new version.",
      );
      const live = { FunctionName: "tiles", FunctionVersion: "1", Name: "live" };
      const alias = await aliases.create(live);
      expect(alias).toEqual({ physicalId: arn("tiles:live"), attributes: { AliasArn: arn("tiles:live") } });
      expect(await aliases.create(live)).toEqual(alias);
      expect((await faultOf(aliases.create(live, "t2"))).code).toBe("ResourceConflictException");
      await aliases.remove(live, alias);
      await aliases.remove(live, alias);
      await versions.remove({ FunctionName: "tiles" }, version);
      await versions.remove({ FunctionName: "tiles" }, version);
    }));
});
