import { afterEach, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import type { JsonObject } from "./json.ts";
import { startNode, thing, type Node } from "./node.suite.ts";

const nodes: Node[] = [];
afterEach(async () => {
  for (const started of nodes.splice(0)) await started.close();
});

const body = (resources: JsonObject, rest: JsonObject = {}) => JSON.stringify({ Resources: resources, ...rest });
const of = (properties: JsonObject, type = "Test::Thing") => ({ Type: type, Properties: properties });

async function stackOf(resources: JsonObject, rest: JsonObject = {}): Promise<Node> {
  const types: Parameters<typeof startNode>[0] = {
    types: (world) => {
      const { read: _, ...unreadable } = thing(world, "Test::Dark");
      return [thing(world), unreadable];
    },
  };
  const node = await startNode(types);
  nodes.push(node);
  const Parameters = [{ ParameterKey: "Secret", ParameterValue: "hush" }];
  const parameters = rest["Parameters"] === undefined ? {} : { Parameters };
  await node.send("CreateStack", { StackName: "s", TemplateBody: body(resources, rest), ...parameters });
  expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
  return node;
}

/** As somebody would who goes round CloudFormation. */
function change(node: Node, logicalId: string, properties: JsonObject): void {
  const found = must(
    [...node.world.made.values()].find(({ request }) => request.logicalId === logicalId),
    logicalId,
  );
  found.request = { ...found.request, properties: { ...found.request.properties, ...properties } };
}

async function detect(node: Node, LogicalResourceIds?: string[]) {
  const input = { StackName: "s", ...(LogicalResourceIds === undefined ? {} : { LogicalResourceIds }) };
  const { StackDriftDetectionId } = await node.send("DetectStackDrift", input);
  return finished(node, must(StackDriftDetectionId, "the id of a detection"));
}

async function finished(node: Node, StackDriftDetectionId: string) {
  const read = () => node.send("DescribeStackDriftDetectionStatus", { StackDriftDetectionId });
  await node.until(async () => (await read()).DetectionStatus !== "DETECTION_IN_PROGRESS");
  return read();
}

const drifts = async (node: Node) =>
  (await node.send("DescribeStackResourceDrifts", { StackName: "s" })).StackResourceDrifts ?? [];

describe("drift detection", () => {
  it("finds a stack as its template says", async () => {
    const node = await stackOf({ A: of({ Value: "1" }), B: of({ List: ["a", "b"] }) });
    const { Stacks: [before] = [] } = await node.send("DescribeStacks", { StackName: "s" });
    expect(before?.DriftInformation).toEqual({ StackDriftStatus: "NOT_CHECKED" });
    expect(await detect(node)).toMatchObject({
      DetectionStatus: "DETECTION_COMPLETE",
      StackDriftStatus: "IN_SYNC",
      DriftedStackResourceCount: 0,
    });
    expect((await drifts(node)).map((drift) => [drift.LogicalResourceId, drift.StackResourceDriftStatus])).toEqual([
      ["A", "IN_SYNC"],
      ["B", "IN_SYNC"],
    ]);
  });

  it("tells what was changed, what is gone, and what it cannot read", async () => {
    const node = await stackOf({
      Changed: of({ Value: "1", Port: "80" }),
      Gone: of({ Value: "2" }),
      Still: of({}),
      Dark: of({}, "Test::Dark"),
    });
    change(node, "Changed", { Value: "9", Port: 80, Name: "not in the template" });
    for (const made of node.world.made.values()) if (made.request.logicalId === "Gone") made.gone = true;
    expect(await detect(node)).toMatchObject({ StackDriftStatus: "DRIFTED", DriftedStackResourceCount: 2 });
    const [changed, gone, still, ...more] = await drifts(node);
    expect(more).toEqual([]);
    expect(changed).toMatchObject({
      StackResourceDriftStatus: "MODIFIED",
      ResourceType: "Test::Thing",
      ExpectedProperties: '{"Value":"1","Port":"80"}',
      ActualProperties: '{"Value":"9","Port":80}',
      PropertyDifferences: [
        { PropertyPath: "/Value", ExpectedValue: "1", ActualValue: "9", DifferenceType: "NOT_EQUAL" },
      ],
    });
    expect(gone).toMatchObject({ StackResourceDriftStatus: "DELETED", PropertyDifferences: [] });
    expect(gone?.ActualProperties).toBeUndefined();
    expect(still?.StackResourceDriftStatus).toBe("IN_SYNC");

    const { Stacks: [stack] = [] } = await node.send("DescribeStacks", { StackName: "s" });
    expect(stack?.DriftInformation?.StackDriftStatus).toBe("DRIFTED");
    expect(stack?.DriftInformation?.LastCheckTimestamp).toBeInstanceOf(Date);
    const { StackSummaries: [summary] = [] } = await node.send("ListStacks", {});
    expect(summary?.DriftInformation?.StackDriftStatus).toBe("DRIFTED");
    const { StackResources: resources = [] } = await node.send("DescribeStackResources", { StackName: "s" });
    expect(resources.map((resource) => resource.DriftInformation?.StackResourceDriftStatus)).toEqual([
      "MODIFIED",
      "DELETED",
      "IN_SYNC",
      "NOT_CHECKED",
    ]);
    const { StackResourceDetail: detail } = await node.send("DescribeStackResource", {
      StackName: "s",
      LogicalResourceId: "Changed",
    });
    expect(detail?.DriftInformation?.StackResourceDriftStatus).toBe("MODIFIED");
    const only = await node.send("DescribeStackResourceDrifts", {
      StackName: "s",
      StackResourceDriftStatusFilters: ["DELETED"],
    });
    expect(only.StackResourceDrifts?.map((drift) => drift.LogicalResourceId)).toEqual(["Gone"]);
  });

  it("goes by pages, and by name", async () => {
    const node = await stackOf({ A: of({}), B: of({}), C: of({}) });
    await detect(node, ["A", "C"]);
    const first = await node.send("DescribeStackResourceDrifts", { StackName: "s", MaxResults: 1 });
    expect(first.StackResourceDrifts?.map((drift) => drift.LogicalResourceId)).toEqual(["A"]);
    const { NextToken = "" } = first;
    const second = await node.send("DescribeStackResourceDrifts", { StackName: "s", MaxResults: 1, NextToken });
    expect(second.StackResourceDrifts?.map((drift) => drift.LogicalResourceId)).toEqual(["C"]);
    expect(second.NextToken).toBeUndefined();
    await expect(detect(node, ["Z"])).rejects.toThrow("Resource Z does not exist for stack s");
  });

  it("checks one resource at once", async () => {
    const node = await stackOf({ A: of({ Value: "1" }), Dark: of({}, "Test::Dark") });
    change(node, "A", { Value: "2" });
    const { StackResourceDrift: drift } = await node.send("DetectStackResourceDrift", {
      StackName: "s",
      LogicalResourceId: "A",
    });
    expect(drift?.StackResourceDriftStatus).toBe("MODIFIED");
    expect(await drifts(node)).toHaveLength(1);
    const other = (LogicalResourceId: string) =>
      node.send("DetectStackResourceDrift", { StackName: "s", LogicalResourceId });
    await expect(other("Dark")).rejects.toThrow("Drift detection is not supported");
    await expect(other("Z")).rejects.toThrow("Resource Z does not exist for stack s");
  });

  it("says which resources could not be read", async () => {
    const node = await stackOf({ A: of({}), B: of({}) });
    node.world.unreadable.add("A");
    expect(await detect(node)).toMatchObject({
      DetectionStatus: "DETECTION_FAILED",
      DetectionStatusReason: "Failed to detect drift on the following resource(s): [A]",
    });
    expect((await drifts(node)).map((drift) => drift.LogicalResourceId)).toEqual(["B"]);
  });

  it("shows no secret", async () => {
    const secret = { Parameters: { Secret: { Type: "String", NoEcho: true } } };
    const node = await stackOf({ A: of({ Value: { Ref: "Secret" }, Port: 1 }) }, secret);
    await detect(node);
    expect((await drifts(node))[0]).toMatchObject({
      StackResourceDriftStatus: "IN_SYNC",
      ExpectedProperties: '{"Value":"****","Port":1}',
      ActualProperties: '{"Value":"****","Port":1}',
    });
    change(node, "A", { Value: "leak" });
    await detect(node);
    expect(JSON.stringify(await drifts(node))).not.toMatch(/hush|leak/);
    expect((await drifts(node))[0]?.StackResourceDriftStatus).toBe("MODIFIED");
  });

  it("is one at a time, of stacks at rest, and forgets what was replaced", async () => {
    const node = await stackOf({ A: of({ Value: "1", Port: 1 }) });
    const { StackDriftDetectionId: id = "" } = await node.send("DetectStackDrift", { StackName: "s" });
    await expect(node.send("DetectStackDrift", { StackName: "s" })).rejects.toThrow("already in progress");
    await finished(node, id);
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body({ A: of({ Value: "1", Port: 2 }) }) });
    await expect(node.send("DetectStackDrift", { StackName: "s" })).rejects.toThrow("UPDATE_IN_PROGRESS");
    await node.settled("s");
    expect(await drifts(node)).toEqual([]);
    await expect(node.send("DescribeStackDriftDetectionStatus", { StackDriftDetectionId: "none" })).rejects.toThrow(
      "does not exist",
    );
  });
});
