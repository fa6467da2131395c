/** Recursive loops, runtime management and code signing. */
import { describe, expect, it } from "vitest";
import { parseTrace } from "../../telemetry/trace.ts";
import { account, arn, createFunction, faultOf, withNode, zipOf, type TestNode } from "./node.suite.ts";

const key = { FunctionName: "map" };

/** A chain: each invocation carries the trace that the one before was handed. */
async function chain(node: TestNode, names: readonly string[]) {
  let trace = node.call().trace;
  for (const FunctionName of names) {
    await node.lambda.Invoke({ FunctionName }, node.call({ trace }));
    trace = parseTrace(node.compute.invoked.at(-1)?.invocation.traceHeader ?? "") ?? trace;
  }
  return trace;
}

const rounds = (count: number, ...names: string[]) => Array.from({ length: count }, () => names).flat();

describe("a recursive loop", () => {
  it("is stopped when a function comes for the seventeenth time, whatever is between", () =>
    withNode(async (node) => {
      await createFunction(node, "map");
      await createFunction(node, "other");
      const trace = await chain(node, rounds(16, "map", "other"));
      expect(await faultOf(node.lambda.Invoke(key, node.call({ trace })))).toEqual({
        code: "RecursiveInvocationException",
        message:
          "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.",
      });
      // Another chain is none of its business.
      await node.lambda.Invoke(key, node.call());
    }));

  it("goes on where it is allowed", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "map");
      expect(await lambda.GetFunctionRecursionConfig(key, call())).toEqual({ RecursiveLoop: "Terminate" });
      await lambda.PutFunctionRecursionConfig({ ...key, RecursiveLoop: "Allow" }, call());
      expect(await lambda.GetFunctionRecursionConfig(key, call())).toEqual({ RecursiveLoop: "Allow" });
      const trace = await chain(node, rounds(20, "map"));
      await lambda.PutFunctionRecursionConfig({ ...key, RecursiveLoop: "Terminate" }, call());
      expect((await faultOf(lambda.Invoke(key, call({ trace })))).code).toBe("RecursiveInvocationException");
    }));

  it("of events ends at the destination for failures, without further attempts", () =>
    withNode(async (node) => {
      const { lambda, call, clock, compute } = node;
      await createFunction(node, "map");
      await createFunction(node, "told");
      const DestinationConfig = { OnFailure: { Destination: arn("told") } };
      await lambda.PutFunctionEventInvokeConfig({ ...key, DestinationConfig }, call());
      const trace = await chain(node, rounds(16, "map"));
      const before = compute.invoked.length;
      await lambda.Invoke({ ...key, InvocationType: "Event" }, call({ trace }));
      for (let round = 0; round < 4; round += 1) await clock.advance(1_000);
      await expect.poll(() => compute.invoked.length).toBe(before + 1);
      const { spec, invocation } = compute.invoked.at(-1) ?? {};
      expect(spec?.functionName).toBe("told");
      expect(JSON.parse(Buffer.from(invocation?.payload ?? []).toString())).toMatchObject({
        requestContext: { condition: "RecursiveInvocation", functionArn: arn("map:$LATEST") },
      });
    }));
});

describe("runtime management", () => {
  it("is kept for each version, and Auto by default", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "map", { Publish: true });
      const RuntimeVersionArn = `arn:aws:lambda:us-east-1::runtime:${"a".repeat(64)}`;
      expect(await lambda.GetRuntimeManagementConfig(key, call())).toEqual({
        UpdateRuntimeOn: "Auto",
        FunctionArn: arn("map"),
      });
      const put = { ...key, Qualifier: "1", UpdateRuntimeOn: "Manual" as const };
      const kept = { UpdateRuntimeOn: "Manual", FunctionArn: arn("map:1"), RuntimeVersionArn };
      expect(await lambda.PutRuntimeManagementConfig({ ...put, RuntimeVersionArn }, call())).toEqual(kept);
      expect(await lambda.GetRuntimeManagementConfig({ ...key, Qualifier: "1" }, call())).toEqual(kept);
      expect((await lambda.GetRuntimeManagementConfig(key, call())).UpdateRuntimeOn).toBe("Auto");
      expect((await faultOf(lambda.PutRuntimeManagementConfig(put, call()))).code).toBe(
        "InvalidParameterValueException",
      );
    }));
});

describe("a code signing configuration", () => {
  const AllowedPublishers = {
    SigningProfileVersionArns: [`arn:aws:signer:us-east-1:${account}:/signing-profiles/map/aBcDeFgHiJ`],
  };

  it("that enforces lets no code in that is not signed; one that warns does", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const { CodeSigningConfig: config } = await lambda.CreateCodeSigningConfig({ AllowedPublishers }, call());
      const CodeSigningConfigArn = config?.CodeSigningConfigArn ?? "";
      expect(CodeSigningConfigArn).toMatch(/:code-signing-config:csc-[a-z0-9]{17}$/);
      expect(config?.CodeSigningPolicies).toEqual({ UntrustedArtifactOnDeployment: "Warn" });
      await createFunction(node, "map", { CodeSigningConfigArn });
      expect(await lambda.GetFunctionCodeSigningConfig(key, call())).toEqual({
        FunctionName: "map",
        CodeSigningConfigArn,
      });
      const update = async () =>
        lambda.UpdateFunctionCode({ ...key, ZipFile: await zipOf({ "index.js": String(Math.random()) }) }, call());
      await update();
      const CodeSigningPolicies = { UntrustedArtifactOnDeployment: "Enforce" as const };
      await lambda.UpdateCodeSigningConfig({ CodeSigningConfigArn, CodeSigningPolicies }, call());
      expect((await faultOf(update())).code).toBe("CodeVerificationFailedException");
      expect((await faultOf(createFunction(node, "other", { CodeSigningConfigArn }))).code).toBe(
        "CodeVerificationFailedException",
      );
      const used = await lambda.ListFunctionsByCodeSigningConfig({ CodeSigningConfigArn }, call());
      expect(used.FunctionArns).toEqual([arn("map")]);
      expect((await faultOf(lambda.DeleteCodeSigningConfig({ CodeSigningConfigArn }, call()))).code).toBe(
        "ResourceConflictException",
      );
      await lambda.DeleteFunctionCodeSigningConfig(key, call());
      await update();
      await lambda.DeleteCodeSigningConfig({ CodeSigningConfigArn }, call());
      expect((await lambda.ListCodeSigningConfigs({}, call())).CodeSigningConfigs).toEqual([]);
      expect(await faultOf(lambda.PutFunctionCodeSigningConfig({ ...key, CodeSigningConfigArn }, call()))).toEqual({
        code: "CodeSigningConfigNotFoundException",
        message: `The Lambda function code signing config ${CodeSigningConfigArn} doesn't exist.`,
      });
    }));

  it("comes with a template, as do a function's other options", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      const request = (properties: object) => ({
        token: "t",
        stackId: "s",
        stackName: "map",
        logicalId: "Map",
        physicalName: "map",
        properties: { ...properties },
        metadata: {},
        tags: {},
      });
      const signing = node.resource("AWS::Lambda::CodeSigningConfig");
      const made = await signing.create(request({ AllowedPublishers }), call());
      expect(await signing.create(request({ AllowedPublishers }), call())).toEqual(made);
      const functions = node.resource("AWS::Lambda::Function");
      const plain = {
        Code: { ZipFile: "exports.handler = async () => 1;" },
        Handler: "index.handler",
        Role: `arn:aws:iam::${account}:role/functions`,
        Runtime: "nodejs24.x",
      };
      const whole = {
        ...plain,
        CodeSigningConfigArn: made.physicalId,
        RecursiveLoop: "Allow",
        RuntimeManagementConfig: { UpdateRuntimeOn: "FunctionUpdate" },
        LoggingConfig: { LogFormat: "JSON", SystemLogLevel: "WARN" },
      };
      const state = await functions.create(request(whole), call());
      const shown = async () => ({
        ...(await lambda.GetFunctionCodeSigningConfig(key, call())),
        ...(await lambda.GetFunctionRecursionConfig(key, call())),
        ...(await lambda.GetRuntimeManagementConfig(key, call())),
        ...(await lambda.GetFunctionConfiguration(key, call())).LoggingConfig,
      });
      expect(await shown()).toMatchObject({
        CodeSigningConfigArn: made.physicalId,
        RecursiveLoop: "Allow",
        UpdateRuntimeOn: "FunctionUpdate",
        LogFormat: "JSON",
        ApplicationLogLevel: "INFO",
        SystemLogLevel: "WARN",
      });
      const former = { properties: whole, metadata: {}, tags: {} };
      await functions.update?.({ ...request(plain), ...state, former }, call());
      expect(await shown()).toEqual({
        FunctionName: "map",
        FunctionArn: arn("map"),
        CodeSigningConfigArn: undefined,
        RecursiveLoop: "Terminate",
        UpdateRuntimeOn: "Auto",
        LogFormat: "Text",
        LogGroup: "/aws/lambda/map",
      });
      await signing.delete({ ...request({}), ...made }, call());
    }));
});
