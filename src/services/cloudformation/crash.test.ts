/** Killed at every step: the next life ends every stack in a state that AWS would show, and leaves nothing behind. */
import { describe, expect, it } from "vitest";
import { createWorld, startNode, type Kill, type Node, type World } from "./node.suite.ts";

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

/** More transactions than any of the runs below makes. */
const stepsMax = 60;

interface Run {
  /** What happens before the life that ends early. */
  before?(node: Node): Promise<void>;
  /** The request whose work is cut short. */
  act(node: Node): Promise<unknown>;
  /** What must hold at the end; `accepted` when the request was answered. */
  check(node: Node, accepted: boolean): Promise<void>;
}

/** Ids of things that exist, each once for each time it was made. */
function expectNoDoubles(world: World): void {
  const names = [...world.made.values()].filter(({ gone }) => !gone).map(({ physicalId }) => physicalId);
  expect(new Set(names).size).toBe(names.length);
  expect(new Set(world.alive).size).toBe(world.alive.length);
}

async function stackStatus(node: Node, name: string): Promise<string | undefined> {
  const { StackSummaries: stacks = [] } = await node.send("ListStacks", {});
  return stacks.find((stack) => stack.StackName === name)?.StackStatus;
}

/** Runs up to the kill, and a second life to the end. False when the run was over before the kill. */
async function killedAt(kill: Kill, run: Run): Promise<boolean> {
  const world = createWorld();
  const first = await startNode({ world });
  await run.before?.(first);
  // Starting takes one transaction itself.
  const doomed = await first.reborn({ ...kill, transactions: kill.transactions + 1 });
  let accepted = true;
  await run.act(doomed).catch(() => {
    accepted = false;
  });
  const survived = await doomed
    .until(async () => doomed.killed() || (await resting(doomed)))
    .then(() => !doomed.killed());
  const second = await doomed.reborn();
  try {
    await second.until(() => resting(second));
    await run.check(second, accepted);
    expectNoDoubles(world);
  } finally {
    await second.close();
  }
  return !survived;
}

async function resting(node: Node): Promise<boolean> {
  const { StackSummaries: stacks = [] } = await node.send("ListStacks", {}).catch(() => ({ StackSummaries: [] }));
  return !node.killed() && stacks.every((stack) => !stack.StackStatus?.endsWith("_IN_PROGRESS"));
}

async function everyStep(mode: Kill["mode"], run: Run): Promise<number> {
  for (let transactions = 0; transactions < stepsMax; transactions += 1) {
    if (!(await killedAt({ transactions, mode }, run))) return transactions;
  }
  throw new Error("the run has more steps than the test allows");
}

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
