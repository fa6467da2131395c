/** Provisioned concurrency: what is asked for, what environments follow, and what it counts against. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { arn, createFunction, faultOf, role, startTestNode, withNode, zipOf, type TestNode } from "./node.suite.ts";

const key = { FunctionName: "map" };

/** A function with the versions 1 and 2, and the alias `live` of 1. */
async function publishTwo(node: TestNode) {
  const { lambda, call } = node;
  await createFunction(node, "map", { Publish: true });
  await lambda.UpdateFunctionCode({ ...key, ZipFile: await zipOf({ "index.js": "2" }), Publish: true }, call());
  await lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, call());
}

const put = ({ lambda, call }: TestNode, Qualifier: string, ProvisionedConcurrentExecutions: number) =>
  lambda.PutProvisionedConcurrencyConfig({ ...key, Qualifier, ProvisionedConcurrentExecutions }, call());
const get = ({ lambda, call }: TestNode, Qualifier: string) =>
  lambda.GetProvisionedConcurrencyConfig({ ...key, Qualifier }, call());

/** Lets the provisioner look. */
async function look({ clock }: TestNode) {
  for (let round = 0; round < 4; round += 1) {
    await clock.advance(250);
    await clock.advance(0);
  }
}

/** Environments that are asked of compute, by version. */
function aheadOf({ compute }: TestNode) {
  const counts = [...compute.provisionedCounts].filter(([, count]) => count > 0);
  return Object.fromEntries(counts.map(([id, count]) => [id.split(":")[7], count]));
}

describe("provisioned concurrency", () => {
  it("is put, shown with what is ready, listed, changed and deleted", () =>
    withNode(async (node) => {
      await publishTwo(node);
      expect(await put(node, "live", 3)).toEqual({
        RequestedProvisionedConcurrentExecutions: 3,
        AllocatedProvisionedConcurrentExecutions: 0,
        AvailableProvisionedConcurrentExecutions: 0,
        Status: "IN_PROGRESS",
        LastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\+0000$/) as string,
      });
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 3 });
      expect(await get(node, "live")).toMatchObject({ Status: "READY", AvailableProvisionedConcurrentExecutions: 3 });
      await put(node, "2", 1);
      const { ProvisionedConcurrencyConfigs: all } = await node.lambda.ListProvisionedConcurrencyConfigs(
        key,
        node.call(),
      );
      expect(all?.map(({ FunctionArn }) => FunctionArn)).toEqual([arn("map:2"), arn("map:live")]);
      await node.lambda.DeleteProvisionedConcurrencyConfig({ ...key, Qualifier: "live" }, node.call());
      expect(await faultOf(get(node, "live"))).toEqual({
        code: "ProvisionedConcurrencyConfigNotFoundException",
        message: "No Provisioned Concurrency Config found for this function",
      });
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 2: 1 });
    }));

  it("follows its alias, and each version of a weighted one by its share", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await publishTwo(node);
      await put(node, "live", 4);
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 4 });
      const RoutingConfig = { AdditionalVersionWeights: { 2: 0.25 } };
      await lambda.UpdateAlias({ ...key, Name: "live", RoutingConfig }, call());
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 3, 2: 1 });
      const moved = { FunctionVersion: "2", RoutingConfig: { AdditionalVersionWeights: {} } };
      await lambda.UpdateAlias({ ...key, Name: "live", ...moved }, call());
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 2: 4 });
      await lambda.DeleteAlias({ ...key, Name: "live" }, call());
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({});
    }));

  it("keeps a version's environments until those of the one that takes its place are ready", () =>
    withNode(async (node) => {
      await publishTwo(node);
      await put(node, "live", 2);
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 2 });
      const ready = node.compute.provisioned.bind(node.compute);
      node.compute.provisioned = (id) => ({ ...ready(id), ...(id.includes(":map:2:") ? { available: 1 } : {}) });
      await node.lambda.UpdateAlias({ ...key, Name: "live", FunctionVersion: "2" }, node.call());
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 2, 2: 2 });
      expect(await get(node, "live")).toMatchObject({
        Status: "IN_PROGRESS",
        AllocatedProvisionedConcurrentExecutions: 2,
        AvailableProvisionedConcurrentExecutions: 1,
      });
      node.compute.provisioned = ready;
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 2: 2 });
    }));

  it("tells why environments could not be started", () =>
    withNode(async (node) => {
      await publishTwo(node);
      const failure = { cause: "init" as const, reason: "FUNCTION_ERROR_INIT_FAILURE" };
      node.compute.provisioned = () => ({ requested: 1, allocated: 0, available: 0, failure });
      await put(node, "1", 1);
      await expect
        .poll(() => look(node).then(() => get(node, "1")))
        .toMatchObject({
          Status: "FAILED",
          StatusReason: "FUNCTION_ERROR_INIT_FAILURE",
        });
    }));

  it("is there again after a restart of the node", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-provisioned-"));
    try {
      const before = await startTestNode({ directory });
      await publishTwo(before);
      await put(before, "1", 2);
      await before.stop();
      const after = await startTestNode({ directory });
      await expect.poll(() => look(after).then(() => aheadOf(after))).toEqual({ 1: 2 });
      await after.stop();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("lets a version run on demand what goes beyond it, within the reservation", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      await publishTwo(node);
      await lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 3 }, call());
      await put(node, "1", 2);
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 2 });
      compute.hold = true;
      const invoke = (Qualifier: string) => lambda.Invoke({ ...key, Qualifier }, call());
      const running = [invoke("2")];
      await expect.poll(() => compute.held.length).toBe(1);
      expect((await faultOf(invoke("2"))).code).toBe("TooManyRequestsException");
      running.push(invoke("1"), invoke("1"));
      await expect.poll(() => compute.held.length).toBe(3);
      expect((await faultOf(invoke("1"))).code).toBe("TooManyRequestsException");
      compute.held.forEach(({ end }) => end());
      await Promise.all(running);
    }));

  it.each([
    [
      "of $LATEST",
      "$LATEST",
      1,
      "InvalidParameterValueException",
      "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    ],
    ["of no version", "7", 1, "ResourceNotFoundException", `Function not found: ${arn("map:7")}`],
    ["of no alias", "none", 1, "ResourceNotFoundException", `Cannot find alias arn: ${arn("map:none")}`],
    [
      "of a version that an alias has it for",
      "1",
      1,
      "ResourceConflictException",
      "Version is pointed by a Provisioned Concurrency alias",
    ],
    [
      "of an alias of a version that has it",
      "second",
      1,
      "ResourceConflictException",
      "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    ],
    [
      "of a weighted alias",
      "weighted",
      1,
      "InvalidParameterValueException",
      "Alias with weights can not be used with Provisioned Concurrency",
    ],
    [
      "beyond the reservation",
      "live",
      4,
      "InvalidParameterValueException",
      "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    ],
  ])("is refused %s", (_what, qualifier, count, code, message) =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await publishTwo(node);
      await lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 4 }, call());
      await lambda.CreateAlias({ ...key, Name: "second", FunctionVersion: "2" }, call());
      const RoutingConfig = { AdditionalVersionWeights: { 2: 0.5 } };
      await lambda.CreateAlias({ ...key, Name: "weighted", FunctionVersion: "1", RoutingConfig }, call());
      await put(node, "live", 1);
      await put(node, "2", 1);
      expect(await faultOf(put(node, qualifier, count))).toEqual({ code, message });
    }),
  );

  it("counts against the account, which keeps 100 for the rest, and against a later reservation", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await publishTwo(node);
      await createFunction(node, "other");
      const reserve = (FunctionName: string, ReservedConcurrentExecutions: number) =>
        lambda.PutFunctionConcurrency({ FunctionName, ReservedConcurrentExecutions }, call());
      await reserve("other", 400);
      const less = "decreases account's UnreservedConcurrentExecution below its minimum value of [100].";
      expect((await faultOf(put(node, "1", 501))).message).toBe(`Specified ConcurrentExecutions for function ${less}`);
      await put(node, "1", 500);
      expect((await faultOf(reserve("other", 401))).message).toContain(less);
      expect((await faultOf(reserve("map", 499))).message).toBe(
        "ReservedConcurrentExecutions 499 should not be lower than function's total provisioned concurrency [500].",
      );
      await reserve("map", 500);
      expect((await faultOf(reserve("other", 401))).message).toContain(less);
    }));

  it("comes with a version and an alias of a template, and goes with its property", () =>
    withNode(async (node) => {
      const request = (properties: object) => ({
        token: "t",
        stackId: "s",
        stackName: "map",
        logicalId: "Live",
        physicalName: "x",
        properties: { FunctionName: "map", FunctionVersion: "1", Name: "now", ...properties },
        metadata: {},
        tags: {},
      });
      await createFunction(node, "map", { Publish: true, Role: role });
      const alias = node.resource("AWS::Lambda::Alias");
      const asked = { ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: "2" } };
      const making = alias.create(request(asked), node.call());
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({ 1: 2 });
      const state = await making;
      const former = { properties: request(asked).properties, metadata: {}, tags: {} };
      await alias.update?.({ ...request({}), ...state, former }, node.call());
      await expect.poll(() => look(node).then(() => aheadOf(node))).toEqual({});
    }));
});
