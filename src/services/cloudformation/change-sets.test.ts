import { afterEach, describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import { startNode, type Node } from "./node.suite.ts";

const nodes: Node[] = [];
async function start(): Promise<Node> {
  const node = await startNode();
  nodes.push(node);
  return node;
}
afterEach(async () => {
  for (const started of nodes.splice(0)) await started.close();
});

const thing = (properties: JsonObject = {}, rest: JsonObject = {}) => ({
  Type: "Test::Thing",
  Properties: properties,
  ...rest,
});
const parameters = { P: { Type: "String", Default: "one" }, Secret: { Type: "String", NoEcho: true, Default: "hush" } };
const body = (resources: JsonObject, rest: JsonObject = {}) =>
  JSON.stringify({ Parameters: parameters, Resources: resources, ...rest });

async function changeSet(
  node: Node,
  resources: JsonObject,
  more: Partial<Parameters<typeof node.send<"CreateChangeSet">>[1]> = {},
) {
  const names = { StackName: "s", ChangeSetName: "c" };
  await node.send("CreateChangeSet", { ...names, TemplateBody: body(resources), ...more });
  return node.send("DescribeChangeSet", names);
}

async function stackOf(resources: JsonObject): Promise<Node> {
  const node = await start();
  await node.send("CreateStack", { StackName: "s", TemplateBody: body(resources) });
  expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
  node.world.log.length = 0;
  return node;
}

const execute = (node: Node) => node.send("ExecuteChangeSet", { StackName: "s", ChangeSetName: "c" });

describe("a change set", () => {
  it("shows what a transform makes, and asks nobody to acknowledge it", async () => {
    const node = await start();
    const source = { Transform: "AWS::LanguageExtensions", Resources: { A: thing() } };
    await expect(
      node.send("CreateStack", { StackName: "s", TemplateBody: JSON.stringify(source) }),
    ).rejects.toMatchObject({ code: "InsufficientCapabilitiesException" });
    const names = { StackName: "s", ChangeSetName: "c" };
    await node.send("CreateChangeSet", {
      ...names,
      ChangeSetType: "CREATE",
      TemplateBody: JSON.stringify(source),
    });
    expect(await node.send("DescribeChangeSet", names)).toMatchObject({ Status: "CREATE_COMPLETE" });
  });

  it("makes a stack that was in review", async () => {
    const node = await start();
    const described = await changeSet(
      node,
      { A: thing(), B: thing({ Value: { Ref: "A" } }) },
      { ChangeSetType: "CREATE" },
    );
    expect(described).toMatchObject({
      Status: "CREATE_COMPLETE",
      ExecutionStatus: "AVAILABLE",
      Parameters: [
        { ParameterKey: "P", ParameterValue: "one" },
        { ParameterKey: "Secret", ParameterValue: "****" },
      ],
      Changes: ["A", "B"].map((LogicalResourceId) => ({
        Type: "Resource",
        ResourceChange: { Action: "Add", LogicalResourceId, ResourceType: "Test::Thing", Scope: [], Details: [] },
      })),
    });
    const { Stacks: [stack] = [] } = await node.send("DescribeStacks", { StackName: "s" });
    expect(stack?.StackStatus).toBe("REVIEW_IN_PROGRESS");
    expect(node.world.log).toEqual([]);
    await expect(node.send("UpdateStack", { StackName: "s", TemplateBody: body({ A: thing() }) })).rejects.toThrow(
      "is in REVIEW_IN_PROGRESS state and can not be updated.",
    );
    await execute(node);
    expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
    expect(node.world.alive).toEqual(["A", "B"]);
    expect((await node.story("s")).slice(0, 2)).toEqual([
      "s REVIEW_IN_PROGRESS: User Initiated",
      "s CREATE_IN_PROGRESS: User Initiated",
    ]);
    await expect(execute(node)).rejects.toThrow(
      /cannot be executed in its current execution status of \[EXECUTE_COMPLETE\]$/,
    );
    await expect(changeSet(node, { A: thing() }, { ChangeSetType: "CREATE", ChangeSetName: "d" })).rejects.toThrow(
      "Stack [s] already exists and cannot be created again with the changeSet [d].",
    );
  });

  it("tells true differences, with what causes them", async () => {
    const node = await stackOf({
      Port: thing({ Port: 1 }),
      Follows: thing({ Value: { Ref: "Port" } }),
      Moves: thing({ Port: { "Fn::GetAtt": ["Port", "Value"] } }),
      Param: thing({ Value: { Ref: "P" } }),
      Direct: thing({ Value: "a", List: ["x"] }),
      Reads: thing({ Value: { "Fn::GetAtt": ["Direct", "Value"] } }),
      Named: thing({ Value: { Ref: "Direct" } }),
      Same: thing({ Value: "x" }),
      Noted: thing({}, { Metadata: { a: 1 } }),
      Gone: thing({}, { DeletionPolicy: "Retain" }),
    });
    const { Changes: changes = [] } = await changeSet(
      node,
      {
        New: thing(),
        Port: thing({ Port: 2 }),
        Follows: thing({ Value: { Ref: "Port" } }),
        Moves: thing({ Port: { "Fn::GetAtt": ["Port", "Value"] } }),
        Param: thing({ Value: { Ref: "P" } }),
        Direct: thing({ Value: "b" }),
        Reads: thing({ Value: { "Fn::GetAtt": ["Direct", "Value"] } }),
        Named: thing({ Value: { Ref: "Direct" } }),
        Same: thing({ Value: { "Fn::Join": ["", ["x"]] } }),
        Noted: thing({}, { Metadata: { a: 2 } }),
      },
      { Parameters: [{ ParameterKey: "P", ParameterValue: "two" }] },
    );
    const told = changes.map(({ ResourceChange: change }) => {
      const details = (change?.Details ?? []).map(
        ({ Target: target, Evaluation: evaluation, ChangeSource: source, CausingEntity: cause }) =>
          [target?.Attribute, target?.Name, target?.RequiresRecreation, evaluation, source, cause]
            .filter(Boolean)
            .join(" "),
      );
      const head = [change?.Action, change?.LogicalResourceId, change?.Replacement, change?.PolicyAction];
      return [head.filter(Boolean).join(" "), ...details];
    });
    expect(told).toEqual([
      ["Add New"],
      ["Modify Port True ReplaceAndDelete", "Properties Port Always Static DirectModification"],
      ["Modify Follows False", "Properties Value Never Dynamic ResourceReference Port"],
      ["Modify Moves Conditional ReplaceAndDelete", "Properties Port Always Dynamic ResourceAttribute Port.Value"],
      ["Modify Param False", "Properties Value Never Static ParameterReference P"],
      [
        "Modify Direct False",
        "Properties Value Never Static DirectModification",
        "Properties List Never Static DirectModification",
      ],
      ["Modify Reads False", "Properties Value Never Dynamic ResourceAttribute Direct.Value"],
      ["Modify Noted False", "Metadata Never Static DirectModification"],
      ["Remove Gone Retain"],
    ]);
    expect(node.world.log).toEqual([]);
    await execute(node);
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
    expect(node.world.log.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "create New",
      "create Port",
      "delete Port",
      "update Direct",
      "update Follows",
      "update Param",
      "update Reads",
    ]);
  });

  it("fails where nothing would change", async () => {
    const node = await stackOf({ A: thing() });
    expect(await changeSet(node, { A: thing() })).toMatchObject({
      Status: "FAILED",
      ExecutionStatus: "UNAVAILABLE",
      StatusReason:
        "The submitted information didn't contain changes. Submit different information to create a change set.",
    });
    await expect(execute(node)).rejects.toThrow("cannot be executed in its current status of [FAILED]");
    await expect(changeSet(node, { A: thing({ Value: "x" }) })).rejects.toThrow("ChangeSet [c] already exists");
    await node.send("DeleteChangeSet", { StackName: "s", ChangeSetName: "c" });
    await expect(node.send("DescribeChangeSet", { StackName: "s", ChangeSetName: "c" })).rejects.toThrow(
      "ChangeSet [c] does not exist",
    );
  });

  it("is obsolete after another change, and gone after another's execution", async () => {
    const node = await stackOf({ A: thing() });
    await changeSet(node, { A: thing({ Value: "1" }) });
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body({ A: thing({ Value: "2" }) }) });
    await node.settled("s");
    await expect(execute(node)).rejects.toThrow("in its current execution status of [OBSOLETE]");
    await changeSet(node, { A: thing({ Value: "3" }) }, { ChangeSetName: "d" });
    await node.send("ExecuteChangeSet", { StackName: "s", ChangeSetName: "d" });
    await node.settled("s");
    const { Summaries: summaries = [] } = await node.send("ListChangeSets", { StackName: "s" });
    expect(summaries.map(({ ChangeSetName: name, ExecutionStatus: status }) => [name, status])).toEqual([
      ["d", "EXECUTE_COMPLETE"],
    ]);
  });

  it("leaves nothing of a stack in review that is deleted", async () => {
    const node = await start();
    await changeSet(node, { A: thing() }, { ChangeSetType: "CREATE" });
    await node.send("DeleteStack", { StackName: "s" });
    await expect(node.send("DescribeStacks", { StackName: "s" })).rejects.toThrow("does not exist");
    await node.send("CreateStack", { StackName: "s", TemplateBody: body({ A: thing() }) });
    expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
  });
});
