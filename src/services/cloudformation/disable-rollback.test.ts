/** Updates that are not rolled back: what they leave, how they go on, and the way back. */
import { afterEach, describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import { startNode, type Node } from "./node.suite.ts";

const nodes: Node[] = [];
afterEach(async () => {
  for (const started of nodes.splice(0)) await started.close();
});

const thing = (properties: JsonObject) => ({ Type: "Test::Thing", Properties: properties });
const body = (Resources: JsonObject) => JSON.stringify({ Resources });
const before = { A: thing({ Value: "1" }), B: thing({ Value: { Ref: "A" } }), Gone: thing({}) };
/** `A` is changed, `New` is made, `B` fails. */
const bad = {
  A: thing({ Value: "2" }),
  New: thing({}),
  B: thing({ Value: { "Fn::Sub": "${A}${New}" }, Fails: "no" }),
};
const good = { ...bad, B: thing({ Value: { "Fn::Sub": "${A}${New}" } }) };

async function failedUpdate(): Promise<Node> {
  const node = await startNode();
  nodes.push(node);
  await node.send("CreateStack", { StackName: "s", TemplateBody: body(before) });
  await node.settled("s");
  node.world.log.length = 0;
  await node.send("UpdateStack", { StackName: "s", TemplateBody: body(bad), DisableRollback: true });
  expect(await node.settled("s")).toMatchObject({
    status: "UPDATE_FAILED",
    reason: "The following resource(s) failed to update: [B]. ",
  });
  return node;
}

const valueOf = (node: Node, id: string) =>
  [...node.world.made.values()].find(({ request, gone }) => request.logicalId === id && !gone)?.request.properties[
    "Value"
  ];

describe("an update with DisableRollback", () => {
  it("leaves what it has done", async () => {
    const node = await failedUpdate();
    expect(node.world.alive).toEqual(["A", "B", "Gone", "New"]);
    expect(valueOf(node, "A")).toBe("2");
    const { StackResources: all = [] } = await node.send("DescribeStackResources", { StackName: "s" });
    expect(Object.fromEntries(all.map((row) => [row.LogicalResourceId, row.ResourceStatus]))).toEqual({
      A: "UPDATE_COMPLETE",
      B: "UPDATE_FAILED",
      Gone: "CREATE_COMPLETE",
      New: "CREATE_COMPLETE",
    });
    await expect(node.send("UpdateStack", { StackName: "s", TemplateBody: body(good) })).rejects.toThrow(
      "This stack is currently in a non-terminal [UPDATE_FAILED] state.",
    );
  });

  it("goes on with another update, from where it stopped", async () => {
    const node = await failedUpdate();
    node.world.log.length = 0;
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(good), DisableRollback: true });
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
    expect(node.world.log).toEqual(["update B", "delete Gone"]);
    expect(node.world.alive).toEqual(["A", "B", "New"]);
    await expect(node.send("RollbackStack", { StackName: "s" })).rejects.toThrow("can not be rolled back");
    // Nothing of it is left to be in the way of the next one.
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(before) });
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
  });

  it("goes on to what failed as it was: it may have been changed half way", async () => {
    const node = await failedUpdate();
    node.world.log.length = 0;
    const half = { ...good, B: before.B };
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(half), DisableRollback: true });
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
    expect(node.world.log).toEqual(["update B", "delete Gone"]);
  });

  it.each([1, 2])("is rolled back, after %i of them, to what the stack was", async (times) => {
    const node = await failedUpdate();
    const again = { ...bad, A: thing({ Value: "3" }), More: thing({}) };
    if (times === 2) {
      await node.send("UpdateStack", { StackName: "s", TemplateBody: body(again), DisableRollback: true });
      expect((await node.settled("s")).status).toBe("UPDATE_FAILED");
      expect(valueOf(node, "A")).toBe("3");
    }
    const token = { ClientRequestToken: "back" };
    const { StackId } = await node.send("RollbackStack", { StackName: "s", ...token });
    expect(await node.send("RollbackStack", { StackName: "s", ...token })).toEqual({ StackId });
    expect((await node.settled("s")).status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(node.world.alive).toEqual(["A", "B", "Gone"]);
    expect(valueOf(node, "A")).toBe("1");
    expect((await node.send("GetTemplate", { StackName: "s" })).TemplateBody).toBe(body(before));
  });

  it("replaces nothing, and is deleted as it is", async () => {
    const node = await failedUpdate();
    const replacing = { ...good, A: thing({ Value: "2", Port: 2 }) };
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(replacing), DisableRollback: true });
    expect((await node.settled("s")).status).toBe("UPDATE_FAILED");
    expect(await node.story("s")).toContain(
      "A UPDATE_FAILED: Replacement type updates not supported on stack with disable-rollback.",
    );
    const { StackId = "" } = await node.send("UpdateTerminationProtection", {
      StackName: "s",
      EnableTerminationProtection: false,
    });
    await node.send("DeleteStack", { StackName: "s" });
    expect((await node.settled(StackId)).status).toBe("DELETE_COMPLETE");
    expect(node.world.alive).toEqual([]);
  });

  it("comes of a change set too", async () => {
    const node = await startNode();
    nodes.push(node);
    await node.send("CreateStack", { StackName: "s", TemplateBody: body(before) });
    await node.settled("s");
    const change = { StackName: "s", ChangeSetName: "c", TemplateBody: body(bad) };
    await expect(node.send("CreateChangeSet", { ...change, OnStackFailure: "DELETE" })).rejects.toThrow("only for");
    await node.send("CreateChangeSet", { ...change, OnStackFailure: "DO_NOTHING" });
    expect((await node.send("DescribeChangeSet", { StackName: "s", ChangeSetName: "c" })).OnStackFailure).toBe(
      "DO_NOTHING",
    );
    await node.send("ExecuteChangeSet", { StackName: "s", ChangeSetName: "c" });
    expect((await node.settled("s")).status).toBe("UPDATE_FAILED");
    await node.send("CreateChangeSet", { ...change, TemplateBody: body(good), ChangeSetName: "d" });
    await node.send("ExecuteChangeSet", { StackName: "s", ChangeSetName: "d", DisableRollback: true });
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
  });
});

describe("a creation that failed and was left", () => {
  const failing = { A: thing({}), B: thing({ Value: { Ref: "A" }, Fails: "no" }), C: thing({ Value: { Ref: "B" } }) };
  const made = async () => {
    const node = await startNode();
    nodes.push(node);
    await node.send("CreateStack", { StackName: "s", TemplateBody: body(failing), DisableRollback: true });
    expect((await node.settled("s")).status).toBe("CREATE_FAILED");
    return node;
  };

  it("is made whole by an update", async () => {
    const node = await made();
    const whole = { ...failing, B: thing({ Value: { Ref: "A" } }) };
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(whole), DisableRollback: true });
    expect((await node.settled("s")).status).toBe("UPDATE_COMPLETE");
    expect(node.world.log).toEqual(["create A", "create B", "create C"]);
  });

  it("is rolled back to nothing, also after an update that failed", async () => {
    const node = await made();
    const other = { ...failing, D: thing({}) };
    await node.send("UpdateStack", { StackName: "s", TemplateBody: body(other), DisableRollback: true });
    expect((await node.settled("s")).status).toBe("UPDATE_FAILED");
    await node.send("RollbackStack", { StackName: "s" });
    expect((await node.settled("s")).status).toBe("ROLLBACK_COMPLETE");
    expect(node.world.alive).toEqual([]);
  });
});
