/** Kills a node at every step of what it does, and looks at what its next life makes of it. */
import { expect } from "vitest";
import { createWorld, startNode, type Kill, type Node, type NodeOptions, type World } from "./node.suite.ts";

/** More transactions than any of the runs below makes. */
const stepsMax = 60;

/** What is cut short, and what must hold in the end. */
export interface Run {
  /** What is there beside the service, made for each run. */
  options?(): Pick<NodeOptions, "peers">;
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

/** Of the stack that has the name, deleted or not. */
export async function stackStatus(node: Node, name: string): Promise<string | undefined> {
  const { StackSummaries: stacks = [] } = await node.send("ListStacks", {});
  return stacks.find((stack) => stack.StackName === name)?.StackStatus;
}

/** Runs up to the kill, and a second life to the end. False when the run was over before the kill. */
async function killedAt(kill: Kill, run: Run): Promise<boolean> {
  const world = createWorld();
  const first = await startNode({ world, ...run.options?.() });
  await run.before?.(first);
  // Starting takes two transactions itself.
  const doomed = await first.reborn({ ...kill, transactions: kill.transactions + 2 });
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

/** Cuts the run short at each of its transactions; gives how many there are. */
export async function everyStep(mode: Kill["mode"], run: Run): Promise<number> {
  for (let transactions = 0; transactions < stepsMax; transactions += 1) {
    if (!(await killedAt({ transactions, mode }, run))) return transactions;
  }
  throw new Error("the run has more steps than the test allows");
}
