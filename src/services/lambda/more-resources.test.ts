/** CloudFormation's types of layers, function URLs and event configurations. */
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { JsonObject, ResourceState } from "../../kit/resource.ts";
import { account, arn, createFunction, faultOf, withNode, zipOf, type TestNode } from "./node.suite.ts";

function drive(node: TestNode, type: string) {
  const resource = node.resource(type);
  const request = (properties: JsonObject, token = "t1") => ({
    token,
    stackId: "s",
    stackName: "map",
    logicalId: "Fonts",
    physicalName: "map-Fonts-X",
    properties,
    metadata: {},
    tags: {},
  });
  return {
    resource,
    create: (properties: JsonObject, token?: string) => resource.create(request(properties, token), node.call()),
    update: (properties: JsonObject, former: JsonObject, state: ResourceState) =>
      resource.update?.(
        { ...request(properties), ...state, former: { properties: former, metadata: {}, tags: {} } },
        node.call(),
      ),
    read: (properties: JsonObject, state: ResourceState) =>
      resource.read?.({ ...request(properties), ...state }, node.call()),
    remove: (properties: JsonObject, state: ResourceState) =>
      resource.delete({ ...request(properties), ...state }, node.call()),
  };
}

const layerArn = `arn:aws:lambda:us-east-1:${account}:layer:Fonts`;
const s3 = {
  async GetObject() {
    return { Body: Readable.from([await zipOf({ "nodejs/a.js": "1" })]) };
  },
};

describe("AWS::Lambda::LayerVersion", () => {
  it("is published once for a token, under the logical id without a name, and may be shared", () =>
    withNode(
      async (node) => {
        const layers = drive(node, "AWS::Lambda::LayerVersion");
        const properties = { Content: { S3Bucket: "code", S3Key: "k" }, CompatibleRuntimes: ["nodejs24.x"] };
        const state = await layers.create(properties);
        expect(state).toEqual({ physicalId: `${layerArn}:1`, attributes: { LayerVersionArn: `${layerArn}:1` } });
        expect(await layers.create(properties)).toEqual(state);
        expect((await layers.create(properties, "t2")).physicalId).toBe(`${layerArn}:2`);
        expect(layers.resource.update).toBeUndefined();
        expect(await layers.read(properties, state)).toMatchObject({ CompatibleRuntimes: ["nodejs24.x"] });
        expect((await faultOf(layers.create({ Content: "./layer" }))).message).toContain("package local paths");

        const permissions = drive(node, "AWS::Lambda::LayerVersionPermission");
        const permission = { Action: "lambda:GetLayerVersion", LayerVersionArn: `${layerArn}:1`, Principal: "*" };
        const given = await permissions.create(permission);
        expect(await permissions.create(permission)).toEqual(given);
        const version = { LayerName: "Fonts", VersionNumber: 1 };
        const { Policy = "" } = await node.lambda.GetLayerVersionPolicy(version, node.call());
        expect(JSON.parse(Policy)).toMatchObject({ Statement: [{ Principal: "*", Resource: `${layerArn}:1` }] });
        await permissions.remove(permission, given);
        await permissions.remove(permission, given);

        await layers.remove(properties, state);
        await layers.remove(properties, state);
        expect(await layers.read(properties, state)).toBeUndefined();
      },
      { s3 },
    ));
});

describe("AWS::Lambda::Url", () => {
  it("is made, changed in place and deleted", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const urls = drive(node, "AWS::Lambda::Url");
      const properties = {
        TargetFunctionArn: arn("tiles"),
        AuthType: "NONE",
        Cors: { AllowOrigins: ["*"], AllowCredentials: "false", MaxAge: "5" },
      };
      const state = await urls.create(properties);
      expect(state.physicalId).toBe(arn("tiles"));
      expect(state.attributes["FunctionUrl"]).toMatch(
        /^http:\/\/[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:4566\/$/,
      );
      expect(await urls.create(properties)).toEqual(state);
      const shown = () => node.lambda.GetFunctionUrlConfig({ FunctionName: "tiles" }, node.call());
      expect((await shown()).Cors).toEqual({ AllowOrigins: ["*"], AllowCredentials: false, MaxAge: 5 });
      const changed = { TargetFunctionArn: arn("tiles"), AuthType: "AWS_IAM" };
      await urls.update(changed, properties, state);
      const { AuthType, Cors } = await shown();
      expect([AuthType, Cors]).toEqual(["AWS_IAM", undefined]);
      expect(await urls.read(changed, state)).toMatchObject({ AuthType: "AWS_IAM" });
      expect((await faultOf(urls.create({ ...properties, AuthType: "SOME" }, "t2"))).message).toContain("SOME");
      await urls.remove(changed, state);
      await urls.remove(changed, state);
      expect(await urls.read(changed, state)).toBeUndefined();
    }));
});

describe("AWS::Lambda::EventInvokeConfig", () => {
  it("is made, changed in place and deleted", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      await createFunction(node, "told");
      const configs = drive(node, "AWS::Lambda::EventInvokeConfig");
      const named = { FunctionName: "tiles", Qualifier: "$LATEST" };
      const properties = {
        ...named,
        MaximumRetryAttempts: "1",
        DestinationConfig: { OnFailure: { Destination: arn("told") } },
      };
      const state = await configs.create(properties);
      expect(await configs.create(properties)).toEqual(state);
      const shown = () => node.lambda.GetFunctionEventInvokeConfig(named, node.call());
      expect(await shown()).toMatchObject({
        MaximumRetryAttempts: 1,
        DestinationConfig: { OnFailure: { Destination: arn("told") } },
      });
      const changed = { ...named, MaximumEventAgeInSeconds: 90 };
      await configs.update(changed, properties, state);
      expect(await shown()).toMatchObject({ MaximumEventAgeInSeconds: 90, DestinationConfig: { OnFailure: {} } });
      expect((await shown()).MaximumRetryAttempts).toBeUndefined();
      const young = configs.create({ ...named, MaximumEventAgeInSeconds: 1 }, "t2");
      expect((await faultOf(young)).message).toContain("greater than or equal to 60");
      await configs.remove(changed, state);
      await configs.remove(changed, state);
      expect(await configs.read(changed, state)).toBeUndefined();
    }));
});
