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

type Resources = Record<string, JsonObject>;
const thing = (properties: JsonObject = {}, rest: JsonObject = {}) => ({
  Type: "Test::Thing",
  Properties: properties,
  ...rest,
});
const body = (resources: Resources, rest: JsonObject = {}) => JSON.stringify({ Resources: resources, ...rest });

/** A stack `s` at rest with these resources. */
async function stackOf(resources: Resources, rest: JsonObject = {}): Promise<Node> {
  const node = await start();
  await node.send("CreateStack", { StackName: "s", TemplateBody: body(resources, rest) });
  expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
  node.world.log.length = 0;
  return node;
}

async function update(node: Node, resources: Resources, rest: JsonObject = {}) {
  const from = (await node.story("s")).length;
  await node.send("UpdateStack", { StackName: "s", TemplateBody: body(resources, rest) });
  const end = await node.settled("s");
  return { ...end, story: (await node.story("s")).slice(from) };
}

async function resource(node: Node, id: string) {
  const { StackResourceDetail: detail } = await node.send("DescribeStackResource", {
    StackName: "s",
    LogicalResourceId: id,
  });
  return { id: detail?.PhysicalResourceId, status: detail?.ResourceStatus };
}

const chain = (value: string, port = 1): Resources => ({
  Front: thing({ Value: { "Fn::GetAtt": ["Middle", "Value"] } }),
  Middle: thing({ Value: { Ref: "Back" } }),
  Back: thing({ Value: value, Port: port }),
  Side: thing(),
});

describe("an update", () => {
  it("touches only what is different", async () => {
    const node = await stackOf(chain("one"));
    const { status, story } = await update(node, chain("two"));
    expect(status).toBe("UPDATE_COMPLETE");
    expect(node.world.log).toEqual(["update Back"]);
    expect(story).toEqual([
      "s UPDATE_IN_PROGRESS: User Initiated",
      "Back UPDATE_IN_PROGRESS",
      "Back UPDATE_COMPLETE",
      "s UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
      "s UPDATE_COMPLETE",
    ]);
    const { Stacks: [stack] = [] } = await node.send("DescribeStacks", { StackName: "s" });
    expect(stack?.LastUpdatedTime).toBeInstanceOf(Date);
  });

  it("replaces what cannot be changed, and what refers to it follows; the old one goes at the end", async () => {
    const node = await stackOf(chain("one"));
    const before = await resource(node, "Back");
    const { status, story } = await update(node, chain("one", 2));
    expect(status).toBe("UPDATE_COMPLETE");
    expect(node.world.log).toEqual(["create Back", "update Middle", "update Front", "delete Back"]);
    expect(story.slice(1, 4)).toEqual([
      "Back UPDATE_IN_PROGRESS: Requested update requires the creation of a new physical resource; hence creating one.",
      "Back UPDATE_IN_PROGRESS: Resource creation Initiated",
      "Back UPDATE_COMPLETE",
    ]);
    expect(story.slice(-4)).toEqual([
      "s UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
      "Back DELETE_IN_PROGRESS",
      "Back DELETE_COMPLETE",
      "s UPDATE_COMPLETE",
    ]);
    const after = await resource(node, "Back");
    expect(after.id).not.toBe(before.id);
    expect(after.status).toBe("UPDATE_COMPLETE");
    expect(node.world.alive).toEqual(["Back", "Front", "Middle", "Side"]);
  });

  it("adds and removes, what is removed after what needed it", async () => {
    const node = await stackOf({ A: thing(), B: thing({ Value: { Ref: "A" } }), C: thing() });
    const { status } = await update(node, { C: thing(), D: thing({ Value: { Ref: "C" } }) });
    expect(status).toBe("UPDATE_COMPLETE");
    expect(node.world.log).toEqual(["create D", "delete B", "delete A"]);
    const { StackResources: resources = [] } = await node.send("DescribeStackResources", { StackName: "s" });
    expect(resources.map(({ LogicalResourceId: id }) => id)).toEqual(["C", "D"]);
    expect((await update(node, { A: thing(), C: thing() })).status).toBe("UPDATE_COMPLETE");
    expect(node.world.alive).toEqual(["A", "C"]);
  });

  it("is refused where nothing is different, also with other words for the same", async () => {
    const node = await stackOf({ A: thing({ Value: "x", Name: "a" }) });
    const same =
      '{ "Resources": { "A": { "Properties": { "Name": {"Ref": "P"}, "Value": "x" }, "Type": "Test::Thing" } }, "Parameters": { "P": { "Type": "String", "Default": "a" } } }';
    await expect(node.send("UpdateStack", { StackName: "s", TemplateBody: same })).rejects.toThrow(
      "No updates are to be performed.",
    );
    expect(await node.story("s")).toHaveLength(5);
  });

  it("takes former templates and values", async () => {
    const node = await start();
    const template = {
      Parameters: { A: { Type: "String" }, B: { Type: "String", NoEcho: true } },
      Resources: { T: thing({ Value: { "Fn::Sub": "${A}-${B}" } }) },
      Outputs: { O: { Value: { "Fn::GetAtt": ["T", "Value"] } } },
    };
    await node.send("CreateStack", {
      StackName: "s",
      TemplateBody: JSON.stringify(template),
      Parameters: [
        { ParameterKey: "A", ParameterValue: "1" },
        { ParameterKey: "B", ParameterValue: "secret" },
      ],
    });
    await node.settled("s");
    await node.send("UpdateStack", {
      StackName: "s",
      UsePreviousTemplate: true,
      Parameters: [
        { ParameterKey: "A", ParameterValue: "2" },
        { ParameterKey: "B", UsePreviousValue: true },
      ],
    });
    expect(await node.settled("s")).toMatchObject({ status: "UPDATE_COMPLETE", outputs: { O: "2-secret" } });
    await expect(
      node.send("UpdateStack", {
        StackName: "s",
        UsePreviousTemplate: true,
        Parameters: [{ ParameterKey: "A", ParameterValue: "2" }],
      }),
    ).rejects.toThrow("Parameters: [B] must have values");
  });

  it("brings other tags to what has tags", async () => {
    const node = await stackOf({ A: thing() });
    const TemplateBody = body({ A: thing() });
    await node.send("UpdateStack", { StackName: "s", TemplateBody, Tags: [{ Key: "team", Value: "map" }] });
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
    expect([...node.world.made.values()].map(({ request }) => request.tags["team"])).toEqual(["map"]);
    expect(node.world.log).toEqual(["update A"]);
  });

  it("keeps what policies say to keep", async () => {
    const keep = { UpdateReplacePolicy: "Retain", DeletionPolicy: "Retain" };
    const node = await stackOf({ A: thing({ Port: 1 }, keep), B: thing({}, keep), C: thing() });
    const { story } = await update(node, { A: thing({ Port: 2 }, keep), C: thing() });
    expect(story).toContain("A DELETE_SKIPPED");
    expect(story).toContain("B DELETE_SKIPPED");
    expect(node.world.alive).toEqual(["A", "A", "B", "C"]);
  });

  it("says what it could not delete, and the next one tries again", async () => {
    const node = await stackOf({ A: thing(), B: thing() });
    node.world.undeletable.add("A");
    expect(await update(node, { B: thing() })).toMatchObject({
      status: "UPDATE_COMPLETE",
      reason: "Update successful. One or more resources could not be deleted.",
    });
    expect(await resource(node, "A")).toMatchObject({ status: "DELETE_FAILED" });
    node.world.undeletable.clear();
    expect(await update(node, { A: thing(), B: thing() })).toMatchObject({ status: "UPDATE_COMPLETE" });
    expect(node.world.log).toEqual(["create A", "delete A"]);
    expect(node.world.alive).toEqual(["A", "B"]);
  });

  it("leaves what it replaced and could not delete to the stack's deletion", async () => {
    const node = await stackOf({ A: thing({ Port: 1 }) });
    node.world.undeletable.add("A");
    expect(await update(node, { A: thing({ Port: 2 }) })).toMatchObject({
      status: "UPDATE_COMPLETE",
      reason: "Update successful. One or more resources could not be deleted.",
    });
    expect(node.world.alive).toEqual(["A", "A"]);
    await node.send("DeleteStack", { StackName: "s" });
    expect(await node.settled("s")).toMatchObject({
      status: "DELETE_FAILED",
      reason: "The following resource(s) failed to delete: [A]. ",
    });
    node.world.undeletable.clear();
    await node.send("DeleteStack", { StackName: "s" });
    await expect(node.settled("s")).rejects.toThrow("does not exist");
    expect(node.world.alive).toEqual([]);
  });

  it("is refused in AWS's words", async () => {
    const node = await stackOf({ A: thing() });
    const send = (TemplateBody: string) => node.send("UpdateStack", { StackName: "s", TemplateBody });
    await expect(node.send("UpdateStack", { StackName: "t", TemplateBody: body({}) })).rejects.toThrow(
      "Stack with id t does not exist",
    );
    await send(body({ A: thing({ Value: "x" }) }));
    await expect(send(body({ A: thing({ Value: "y" }) }))).rejects.toThrow(
      /^Stack:arn:aws:cloudformation:us-east-1:000000000000:stack\/s\/.* is in UPDATE_IN_PROGRESS state and can not be updated\.$/,
    );
    await expect(node.send("DeleteStack", { StackName: "s" })).rejects.toThrow(
      "Stack [s] cannot be deleted while in status UPDATE_IN_PROGRESS",
    );
    await node.settled("s");
  });

  it("does not replace what has its own name", async () => {
    const node = await stackOf({ A: thing({ Name: "mine", Port: 1 }) });
    const { status, story } = await update(node, { A: thing({ Name: "mine", Port: 2 }) });
    expect(status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(story).toContain(
      "A UPDATE_FAILED: CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename mine and update the stack again.",
    );
  });
});

describe("an update that fails", () => {
  it("puts everything back as it was", async () => {
    const node = await stackOf({ ...chain("one"), Gone: thing() });
    const before = await resource(node, "Back");
    const bad: Resources = {
      ...chain("two", 2),
      New: thing(),
      Side: thing({ Value: { Ref: "Front" }, Fails: "no room" }),
    };
    const { status, story } = await update(node, bad);
    expect(status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(story).toContain("s UPDATE_ROLLBACK_IN_PROGRESS: The following resource(s) failed to update: [Side]. ");
    expect(node.world.alive).toEqual(["Back", "Front", "Gone", "Middle", "Side"]);
    expect(await resource(node, "Back")).toEqual({ id: before.id, status: "UPDATE_COMPLETE" });
    const things = [...node.world.made.values()].filter(({ gone }) => !gone);
    const values = things.map(({ request }) => [request.logicalId, request.properties["Value"]]);
    expect(Object.fromEntries(values)).toMatchObject({ Back: "one", Middle: before.id, Front: before.id });
    expect(story.slice(-6)).toEqual([
      "s UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
      expect.stringMatching(/^\w+ DELETE_IN_PROGRESS$/),
      expect.stringMatching(/^\w+ DELETE_IN_PROGRESS$/),
      expect.stringMatching(/^\w+ DELETE_COMPLETE$/),
      expect.stringMatching(/^\w+ DELETE_COMPLETE$/),
      "s UPDATE_ROLLBACK_COMPLETE",
    ]);
    const { TemplateBody: text } = await node.send("GetTemplate", { StackName: "s" });
    expect(text).toBe(body({ ...chain("one"), Gone: thing() }));
    expect((await update(node, { ...chain("three"), Gone: thing() })).status).toBe("UPDATE_COMPLETE");
  });

  it("says when it cannot, and goes on when it is told to", async () => {
    const node = await stackOf({ A: thing({ Value: "1" }), B: thing() });
    const bad = { A: thing({ Value: "2" }), B: thing({ Value: { Ref: "A" }, Fails: "no", Waits: true }) };
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(bad) });
    await node.until(() => node.world.waiting.has("B"));
    node.world.unchangeable.add("A");
    node.world.waiting.get("B")?.();
    expect(await node.settled("s")).toMatchObject({
      status: "UPDATE_ROLLBACK_FAILED",
      reason: "The following resource(s) failed to update: [A]. ",
    });
    await expect(node.send("UpdateStack", { StackName: "s", TemplateBody: body(bad) })).rejects.toThrow(
      "is in UPDATE_ROLLBACK_FAILED state and can not be updated.",
    );
    await node.send("ContinueUpdateRollback", { StackName: "s" });
    expect((await node.settled("s")).status).toBe("UPDATE_ROLLBACK_FAILED");
    await node.send("ContinueUpdateRollback", { StackName: "s", ResourcesToSkip: ["A"] });
    expect((await node.settled("s")).status).toBe("UPDATE_ROLLBACK_COMPLETE");
  });

  it("can be deleted after its rollback failed, with what was replaced", async () => {
    const node = await stackOf({ A: thing({ Value: "1" }), B: thing({ Value: { Ref: "A" } }), C: thing({ Port: 1 }) });
    const bad = {
      A: thing({ Value: "2" }),
      C: thing({ Port: 2, Value: { Ref: "A" } }),
      B: thing({ Waits: true, Fails: "no", Value: { "Fn::Sub": "${A}${C}" } }),
    };
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(bad) });
    await node.until(() => node.world.waiting.has("B"));
    node.world.unchangeable.add("A");
    node.world.waiting.get("B")?.();
    expect((await node.settled("s")).status).toBe("UPDATE_ROLLBACK_FAILED");
    await node.send("DeleteStack", { StackName: "s" });
    await expect(node.settled("s")).rejects.toThrow("does not exist");
    expect(node.world.alive).toEqual([]);
  });

  it("is what a cancelled one becomes", async () => {
    const node = await stackOf({ A: thing({ Value: "1" }) });
    await node.send("UpdateStack", {
      StackName: "s",
      TemplateBody: body({ A: thing({ Value: "2", Waits: true }), B: thing() }),
    });
    await node.until(() => node.world.waiting.has("A"));
    await node.send("CancelUpdateStack", { StackName: "s" });
    node.world.waiting.get("A")?.();
    expect((await node.settled("s")).status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(await node.story("s")).toContain("A UPDATE_FAILED: Resource update cancelled");
    expect(await node.story("s")).toContain("s UPDATE_ROLLBACK_IN_PROGRESS: User Initiated");
    expect(node.world.alive).toEqual(["A"]);
    await expect(node.send("CancelUpdateStack", { StackName: "s" })).rejects.toThrow(
      "CancelUpdateStack cannot be called from current stack status",
    );
  });
});

describe("exports", () => {
  const exporting = (value: string, name = "e"): JsonObject => ({
    Outputs: { O: { Value: value, Export: { Name: name } } },
  });
  it("that are in use can be neither changed nor removed", async () => {
    const node = await stackOf({ A: thing() }, exporting("1"));
    await node.send("CreateStack", {
      StackName: "user",
      TemplateBody: body({ U: thing({ Value: { "Fn::ImportValue": "e" } }) }),
    });
    await node.settled("user");
    const changed = await update(node, { A: thing() }, exporting("2"));
    expect(changed.story).toContain(
      "s UPDATE_ROLLBACK_IN_PROGRESS: Export e cannot be updated as it is in use by user",
    );
    const removed = await update(node, { A: thing() });
    expect(removed.story).toContain(
      "s UPDATE_ROLLBACK_IN_PROGRESS: Export e cannot be deleted as it is in use by user",
    );
    expect((await node.send("ListExports", {})).Exports).toMatchObject([{ Name: "e", Value: "1" }]);
    await node.send("UpdateStack", { StackName: "user", TemplateBody: body({ U: thing({ Value: "own" }) }) });
    expect((await node.settled("user")).status).toBe("UPDATE_COMPLETE");
    expect((await update(node, { A: thing() }, exporting("2"))).status).toBe("UPDATE_COMPLETE");
    expect((await node.send("ListExports", {})).Exports).toMatchObject([{ Name: "e", Value: "2" }]);
  });
});

describe("termination protection", () => {
  it("is switched", async () => {
    const node = await stackOf({ A: thing() });
    await node.send("UpdateTerminationProtection", { StackName: "s", EnableTerminationProtection: true });
    await expect(node.send("DeleteStack", { StackName: "s" })).rejects.toThrow("TerminationProtection is enabled");
  });
});
