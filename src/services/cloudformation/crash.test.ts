/** Killed at every step: the next life ends every stack in a state that AWS would show, and leaves nothing behind. */
import { describe, expect, it } from "vitest";
import { everyStep, stackStatus } from "./crash.suite.ts";

const good = JSON.stringify({
  Resources: {
    Front: { Type: "Test::Thing", Properties: { Value: { "Fn::GetAtt": ["Middle", "Arn"] } } },
    Middle: { Type: "Test::Thing", DependsOn: "Back" },
    Back: { Type: "Test::Thing" },
    Side: { Type: "Test::Thing" },
  },
  Outputs: { Value: { Value: { Ref: "Front" }, Export: { Name: "front" } } },
});
const bad = JSON.stringify({
  Resources: {
    Good: { Type: "Test::Thing" },
    Other: { Type: "Test::Thing" },
    Bad: { Type: "Test::Thing", DependsOn: "Good", Properties: { Fails: "no" } },
  },
});

describe.each(["before", "after"] as const)("killed %s a transaction is made", (mode) => {
  it("a creation ends complete", async () => {
    const steps = await everyStep(mode, {
      act: (node) => node.send("CreateStack", { StackName: "s", TemplateBody: good }),
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        // Not acknowledged may still mean made; acknowledged always does.
        if (accepted || status !== undefined) {
          expect(status).toBe("CREATE_COMPLETE");
          expect(node.world.alive).toEqual(["Back", "Front", "Middle", "Side"]);
          expect((await node.send("ListExports", {})).Exports).toHaveLength(1);
        } else expect(node.world.alive).toEqual([]);
      },
    });
    expect(steps).toBeGreaterThan(6);
  });

  it("a creation that fails ends rolled back", async () => {
    const steps = await everyStep(mode, {
      act: (node) => node.send("CreateStack", { StackName: "s", TemplateBody: bad }),
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        if (accepted || status !== undefined) {
          expect(status).toBe("ROLLBACK_COMPLETE");
          const story = await node.story("s");
          expect(story.filter((line) => line.startsWith("s ROLLBACK_IN_PROGRESS"))).toHaveLength(1);
        }
        expect(node.world.alive).toEqual([]);
      },
    });
    expect(steps).toBeGreaterThan(6);
  });

  it("a deletion ends with nothing left", async () => {
    const steps = await everyStep(mode, {
      async before(node) {
        await node.send("CreateStack", { StackName: "s", TemplateBody: good });
        await node.settled("s");
      },
      act: (node) => node.send("DeleteStack", { StackName: "s" }),
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        if (accepted) expect(status).toBe("DELETE_COMPLETE");
        if (status === "DELETE_COMPLETE") {
          expect(node.world.alive).toEqual([]);
          expect((await node.send("ListExports", {})).Exports).toEqual([]);
        } else {
          expect(status).toBe("CREATE_COMPLETE");
          expect(node.world.alive).toHaveLength(4);
        }
      },
    });
    expect(steps).toBeGreaterThan(5);
  });

  it("a creation that is deleted on its way ends with nothing left", async () => {
    await everyStep(mode, {
      async act(node) {
        await node.send("CreateStack", { StackName: "s", TemplateBody: good });
        await node.clock.advance(2);
        await node.send("DeleteStack", { StackName: "s" });
      },
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        if (accepted) expect(status).toBe("DELETE_COMPLETE");
        if (status === "CREATE_COMPLETE") expect(node.world.alive).toHaveLength(4);
        else expect(node.world.alive).toEqual([]);
      },
    });
  });
});
