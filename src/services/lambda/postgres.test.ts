/** The tables of layers, URLs, event configurations and weights on PostgreSQL: a whole node by the official client. */
import {
  CreateAliasCommand,
  CreateCodeSigningConfigCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  DeleteLayerVersionCommand,
  GetAliasCommand,
  GetFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionEventInvokeConfigsCommand,
  ListFunctionsByCodeSigningConfigCommand,
  ListFunctionUrlConfigsCommand,
  ListLayersCommand,
  ListLayerVersionsCommand,
  ListProvisionedConcurrencyConfigsCommand,
  PublishLayerVersionCommand,
  PutFunctionCodeSigningConfigCommand,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  PutFunctionRecursionConfigCommand,
  PutProvisionedConcurrencyConfigCommand,
  PutRuntimeManagementConfigCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { afterAll, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { startMikan } from "../../mikan.ts";
import { role, zipOf } from "./node.suite.ts";

const server = await startPostgresOrSkip("Lambda on PostgreSQL");
afterAll(() => server?.stop());

describe.skipIf(server === undefined)("PostgreSQL", () => {
  it("holds layers and all that belongs to functions", { timeout: 90_000 }, async () => {
    const mikan = await startMikan({ data: (await server?.createDatabase()) ?? "", clock: "fake" });
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const lambda = new LambdaClient({ endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 });
    const key = { FunctionName: "tiles" };
    const Content = { ZipFile: await zipOf({ "nodejs/node_modules/w/index.js": "module.exports = 1;" }) };
    const layer = await lambda.send(new PublishLayerVersionCommand({ LayerName: "w", Content }));
    await lambda.send(new PublishLayerVersionCommand({ LayerName: "w", Content }));
    const { Layers } = await lambda.send(new ListLayersCommand({}));
    expect(Layers?.map(({ LatestMatchingVersion }) => LatestMatchingVersion?.Version)).toEqual([2]);
    const Code = { ZipFile: await zipOf({ "index.js": 'exports.handler = async () => require("w");' }) };
    const settings = { Role: role, Runtime: "nodejs24.x", Handler: "index.handler", Publish: true } as const;
    const used = [layer.LayerVersionArn ?? ""];
    await lambda.send(new CreateFunctionCommand({ ...key, ...settings, Code, Layers: used }));
    for (const VersionNumber of [1, 2]) {
      await lambda.send(new DeleteLayerVersionCommand({ LayerName: "w", VersionNumber }));
    }
    expect((await lambda.send(new ListLayerVersionsCommand({ LayerName: "w" }))).LayerVersions).toEqual([]);
    await mikan.clock?.advance(3600_000);
    await lambda.send(new UpdateFunctionConfigurationCommand({ ...key, Timeout: 9 }));
    expect((await lambda.send(new InvokeCommand(key))).Payload?.transformToString()).toBe("1");
    await lambda.send(new CreateAliasCommand({ ...key, Name: "live", FunctionVersion: "1" }));
    expect((await lambda.send(new GetAliasCommand({ ...key, Name: "live" }))).RoutingConfig).toBeUndefined();
    await lambda.send(new CreateFunctionUrlConfigCommand({ ...key, AuthType: "NONE", Cors: { AllowOrigins: ["*"] } }));
    const { FunctionUrlConfigs } = await lambda.send(new ListFunctionUrlConfigsCommand(key));
    expect(FunctionUrlConfigs?.map(({ Cors }) => Cors)).toEqual([{ AllowOrigins: ["*"] }]);
    await lambda.send(new PutFunctionEventInvokeConfigCommand({ ...key, MaximumRetryAttempts: 0 }));
    const listed = await lambda.send(new ListFunctionEventInvokeConfigsCommand(key));
    expect(listed.FunctionEventInvokeConfigs).toHaveLength(1);
    await lambda.send(new PutFunctionConcurrencyCommand({ ...key, ReservedConcurrentExecutions: 5 }));
    const ahead = { ...key, Qualifier: "live", ProvisionedConcurrentExecutions: 2 };
    await lambda.send(new PutProvisionedConcurrencyConfigCommand(ahead));
    await lambda.send(new DeleteFunctionConcurrencyCommand(key));
    await lambda.send(new PutProvisionedConcurrencyConfigCommand({ ...ahead, ProvisionedConcurrentExecutions: 3 }));
    const { ProvisionedConcurrencyConfigs } = await lambda.send(new ListProvisionedConcurrencyConfigsCommand(key));
    expect(ProvisionedConcurrencyConfigs).toMatchObject([{ RequestedProvisionedConcurrentExecutions: 3 }]);
    await lambda.send(new PutFunctionRecursionConfigCommand({ ...key, RecursiveLoop: "Allow" }));
    await lambda.send(new PutRuntimeManagementConfigCommand({ ...key, UpdateRuntimeOn: "FunctionUpdate" }));
    const SigningProfileVersionArns = ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/w/aBcDeFgHiJ"];
    const AllowedPublishers = { SigningProfileVersionArns };
    const { CodeSigningConfig } = await lambda.send(new CreateCodeSigningConfigCommand({ AllowedPublishers }));
    const CodeSigningConfigArn = CodeSigningConfig?.CodeSigningConfigArn;
    await lambda.send(new PutFunctionCodeSigningConfigCommand({ ...key, CodeSigningConfigArn }));
    const signed = await lambda.send(new ListFunctionsByCodeSigningConfigCommand({ CodeSigningConfigArn }));
    expect(signed.FunctionArns).toHaveLength(1);
    await lambda.send(new DeleteFunctionCommand(key));
    await expect(lambda.send(new GetFunctionCommand(key))).rejects.toThrow("Function not found");
    lambda.destroy();
    await mikan.close(0);
  });
});
