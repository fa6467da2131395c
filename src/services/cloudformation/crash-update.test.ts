/** Killed at every step of an update or of its rollback: the next life ends where AWS would, all or nothing. */
import { describe, expect, it } from "vitest";
import { everyStep, stackStatus } from "./crash.suite.ts";
import type { Node } from "./node.suite.ts";

const body = (resources: object, value: string) =>
  JSON.stringify({ Resources: resources, Outputs: { O: { Value: value, Export: { Name: "o" } } } });
const thing = (properties: object) => ({ Type: "Test::Thing", Properties: properties });
const former = body(
  {
    Changed: thing({ Value: "1" }),
    Replaced: thing({ Port: 1 }),
    Follower: thing({ Value: { Ref: "Replaced" } }),
    Removed: thing({ Value: { Ref: "Follower" } }),
    Still: thing({}),
  },
  "1",
);
const changed = {
  Changed: thing({ Value: "2" }),
  Replaced: thing({ Port: 2 }),
  Follower: thing({ Value: { Ref: "Replaced" } }),
  Still: thing({}),
  Added: thing({ Value: { Ref: "Changed" } }),
};
const next = body(changed, "2");
const bad = body({ ...changed, Last: thing({ Value: { "Fn::Sub": "${Added}${Follower}" }, Fails: "no" }) }, "2");

async function before(node: Node): Promise<void> {
  await node.send("CreateStack", { StackName: "s", TemplateBody: former });
  await node.settled("s");
}

/** Everything as one of the templates has it. */
async function expectState(node: Node, which: "former" | "next"): Promise<void> {
  const names =
    which === "former"
      ? ["Changed", "Follower", "Removed", "Replaced", "Still"]
      : ["Added", "Changed", "Follower", "Replaced", "Still"];
  expect(node.world.alive).toEqual(names);
  const alive = [...node.world.made.values()].filter(({ gone }) => !gone);
  const of = (id: string) => alive.find(({ request }) => request.logicalId === id);
  expect(of("Changed")?.request.properties["Value"]).toBe(which === "former" ? "1" : "2");
  expect(of("Replaced")?.request.properties["Port"]).toBe(which === "former" ? 1 : 2);
  expect(of("Follower")?.request.properties["Value"]).toBe(of("Replaced")?.physicalId);
  const { Exports: exported = [] } = await node.send("ListExports", {});
  expect(exported.map(({ Value }) => Value)).toEqual([which === "former" ? "1" : "2"]);
  const { StackResources: resources = [] } = await node.send("DescribeStackResources", { StackName: "s" });
  expect(new Set(resources.map(({ LogicalResourceId: id }) => id))).toEqual(new Set(names));
  expect((await node.send("GetTemplate", { StackName: "s" })).TemplateBody).toBe(which === "former" ? former : next);
}

describe.each(["before", "after"] as const)("killed %s a transaction is made", (mode) => {
  it("an update ends complete", async () => {
    const steps = await everyStep(mode, {
      before,
      act: (node) => node.send("UpdateStack", { StackName: "s", TemplateBody: next }),
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        expect(status).toBe(accepted || status !== "CREATE_COMPLETE" ? "UPDATE_COMPLETE" : "CREATE_COMPLETE");
        await expectState(node, status === "UPDATE_COMPLETE" ? "next" : "former");
      },
    });
    expect(steps).toBeGreaterThan(8);
  });

  it("an update that fails ends rolled back", async () => {
    const steps = await everyStep(mode, {
      before,
      act: (node) => node.send("UpdateStack", { StackName: "s", TemplateBody: bad }),
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        expect(status).toBe(accepted || status !== "CREATE_COMPLETE" ? "UPDATE_ROLLBACK_COMPLETE" : "CREATE_COMPLETE");
        await expectState(node, "former");
      },
    });
    expect(steps).toBeGreaterThan(12);
  });
});
