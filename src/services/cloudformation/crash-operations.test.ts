/** Killed at every step of what is more than one stack's creation or update: the end is always one that AWS would show. */
import { describe, expect, it } from "vitest";
import type { Deps } from "../../kit/service.ts";
import { everyStep, stackStatus } from "./crash.suite.ts";
import type { Node } from "./node.suite.ts";

const thing = (properties: object) => ({ Type: "Test::Thing", Properties: properties });
const body = (Resources: object) => JSON.stringify({ Resources });
const former = body({ A: thing({ Value: "1" }), B: thing({ Value: { Ref: "A" } }) });
const next = body({ A: thing({ Value: "2" }), New: thing({}) });
const bad = body({ A: thing({ Value: "2" }), New: thing({}), B: thing({ Value: { Ref: "New" }, Fails: "no" }) });

async function stack(node: Node): Promise<void> {
  await node.send("CreateStack", { StackName: "s", TemplateBody: former });
  await node.settled("s");
}

const valueOfA = (node: Node) =>
  [...node.world.made.values()].find(({ request, gone }) => request.logicalId === "A" && !gone)?.request.properties[
    "Value"
  ];

const modes = ["before", "after"] as const;

describe.each(modes)("killed %s a transaction is made", (mode) => {
  it("the execution of a change set ends complete, or was never begun", async () => {
    const steps = await everyStep(mode, {
      async before(node) {
        await stack(node);
        await node.send("CreateChangeSet", { StackName: "s", ChangeSetName: "c", TemplateBody: next });
      },
      act: (node) => node.send("ExecuteChangeSet", { StackName: "s", ChangeSetName: "c" }),
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        const executed = accepted || status !== "CREATE_COMPLETE";
        expect(status).toBe(executed ? "UPDATE_COMPLETE" : "CREATE_COMPLETE");
        expect(node.world.alive).toEqual(executed ? ["A", "New"] : ["A", "B"]);
        const { ExecutionStatus } = await node.send("DescribeChangeSet", { StackName: "s", ChangeSetName: "c" });
        expect(ExecutionStatus).toBe(executed ? "EXECUTE_COMPLETE" : "AVAILABLE");
      },
    });
    expect(steps).toBeGreaterThan(5);
  });

  it("an update that is not rolled back ends failed, and goes the way back", async () => {
    const steps = await everyStep(mode, {
      before: stack,
      async act(node) {
        await node.send("UpdateStack", { StackName: "s", TemplateBody: bad, DisableRollback: true });
        await node.settled("s");
        await node.send("RollbackStack", { StackName: "s" });
      },
      async check(node, accepted) {
        const status = await stackStatus(node, "s");
        if (accepted) expect(status).toBe("UPDATE_ROLLBACK_COMPLETE");
        expect(["CREATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"]).toContain(status);
        if (status === "UPDATE_FAILED") {
          expect(valueOfA(node)).toBe("2");
          await node.send("RollbackStack", { StackName: "s" });
          expect((await node.settled("s")).status).toBe("UPDATE_ROLLBACK_COMPLETE");
        }
        expect(node.world.alive).toEqual(["A", "B"]);
        expect(valueOfA(node)).toBe("1");
      },
    });
    expect(steps).toBeGreaterThan(12);
  });

  it("a drift detection ends with what there is to tell", async () => {
    const steps = await everyStep(mode, {
      async before(node) {
        await stack(node);
        for (const made of node.world.made.values()) {
          if (made.request.logicalId === "A") made.request = { ...made.request, properties: { Value: "by hand" } };
        }
      },
      async act(node) {
        const { StackDriftDetectionId = "" } = await node.send("DetectStackDrift", { StackName: "s" });
        const over = async () => {
          const told = await node.send("DescribeStackDriftDetectionStatus", { StackDriftDetectionId });
          return told.DetectionStatus !== "DETECTION_IN_PROGRESS";
        };
        await node.until(async () => node.killed() || (await over()));
      },
      async check(node, accepted) {
        const told = async () => {
          const { Stacks: [found] = [] } = await node.send("DescribeStacks", { StackName: "s" });
          return found?.DriftInformation?.StackDriftStatus;
        };
        if (!accepted) {
          // Asked for again: refused only where the first is on its way.
          const again = node.send("DetectStackDrift", { StackName: "s" });
          await again.catch((error: unknown) => expect(String(error)).toContain("already in progress"));
        }
        await node.until(async () => (await told()) === "DRIFTED");
        const { StackResourceDrifts: drifts = [] } = await node.send("DescribeStackResourceDrifts", { StackName: "s" });
        expect(drifts.map((drift) => drift.StackResourceDriftStatus)).toEqual(["MODIFIED", "IN_SYNC"]);
      },
    });
    expect(steps).toBe(2);
  });
});

const parent = (version: string) =>
  body({
    Child: {
      Type: "AWS::CloudFormation::Stack",
      Properties: { TemplateURL: `https://s3.amazonaws.com/templates/${version}` },
    },
    A: thing({ Value: { Ref: "Child" } }),
  });
const templates: Readonly<Record<string, string>> = {
  first: body({ In: thing({ Value: "1" }) }),
  second: body({ In: thing({ Value: "2" }), More: thing({}) }),
  broken: body({ In: thing({ Value: "3" }), Bad: thing({ Value: { Ref: "In" }, Fails: "no" }) }),
};
/** S3, as far as a template is read from it. */
const s3 = { GetObject: async ({ Key }: { Key: string }) => ({ Body: Buffer.from(templates[Key] ?? "") }) };
const options = () => ({ peers: () => ({ s3: s3 as unknown as Deps["peers"]["s3"] }) });

/** Status of all stacks that are not deleted, the nested one's under its logical id. */
async function family(node: Node): Promise<Record<string, string | undefined>> {
  const { Stacks: stacks = [] } = await node.send("DescribeStacks", {});
  return Object.fromEntries(
    stacks.map((found) => [found.ParentId === undefined ? "s" : "Child", found.StackStatus] as const),
  );
}

async function settledFamily(node: Node): Promise<void> {
  await node.send("CreateStack", { StackName: "s", TemplateBody: parent("first") });
  expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
}

describe.each(modes)("a nested stack, killed %s a transaction is made", (mode) => {
  it("is made and kept with its parent", async () => {
    const steps = await everyStep(mode, {
      options,
      act: (node) => node.send("CreateStack", { StackName: "s", TemplateBody: parent("first") }),
      async check(node, accepted) {
        const statuses = await family(node);
        if (!accepted && statuses["s"] === undefined) {
          expect(node.world.alive).toEqual([]);
          return;
        }
        expect(statuses).toEqual({ s: "CREATE_COMPLETE", Child: "CREATE_COMPLETE" });
        expect(node.world.alive).toEqual(["A", "In"]);
      },
    });
    expect(steps).toBeGreaterThan(8);
  });

  it("is changed with its parent, or put back with it", async () => {
    for (const [version, alive, ends] of [
      ["second", ["A", "In", "More"], ["UPDATE_COMPLETE", "UPDATE_COMPLETE"]],
      ["broken", ["A", "In"], ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]],
    ] as const) {
      await everyStep(mode, {
        options,
        before: settledFamily,
        act: (node) => node.send("UpdateStack", { StackName: "s", TemplateBody: parent(version) }),
        async check(node, accepted) {
          const statuses = await family(node);
          if (!accepted && statuses["s"] === "CREATE_COMPLETE") return;
          expect([statuses["s"], statuses["Child"]]).toEqual(ends);
          expect(node.world.alive).toEqual(alive);
        },
      });
    }
  });

  it("goes with its parent", async () => {
    await everyStep(mode, {
      options,
      before: settledFamily,
      act: (node) => node.send("DeleteStack", { StackName: "s" }),
      async check(node, accepted) {
        const statuses = await family(node);
        if (accepted || statuses["s"] === undefined) {
          expect(statuses).toEqual({});
          expect(node.world.alive).toEqual([]);
        } else expect(statuses).toEqual({ s: "CREATE_COMPLETE", Child: "CREATE_COMPLETE" });
      },
    });
  });
});
