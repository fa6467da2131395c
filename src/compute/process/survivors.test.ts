import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { isRunning, processesWith } from "../harness.suite.ts";
import { endSurvivors, environmentsDirectory, recordProcess } from "./survivors.ts";

let directory: string;
const started: ChildProcess[] = [];
/** Processes that should be gone; ended for sure, so that a test that fails leaves none behind. */
const expectedGone: number[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-survivors-"));
});
afterEach(async () => {
  for (const { pid } of started.splice(0)) if (pid !== undefined) expectedGone.push(-pid, pid);
  for (const pid of expectedGone.splice(0)) endIfThere(pid);
  await rm(directory, { recursive: true, force: true });
});

function endIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

/** A node of its own: opens compute, invokes one function, prints the process ids that it answers, and waits. */
const node = (code: string, options: object) => `
import { createCompute } from ${JSON.stringify(new URL("../compute.ts", import.meta.url).href)};
import { specOf, invocationOf } from ${JSON.stringify(new URL("../harness.suite.ts", import.meta.url).href)};
import { systemClock } from ${JSON.stringify(new URL("../../base/clock.ts", import.meta.url).href)};
import { silentLog } from ${JSON.stringify(new URL("../../telemetry/log.ts", import.meta.url).href)};
import { createMetrics } from ${JSON.stringify(new URL("../../telemetry/metrics.ts", import.meta.url).href)};
const [directory, codeDir] = process.argv.slice(1);
const compute = await createCompute({ ...${JSON.stringify(options)}, directory, clock: systemClock, log: silentLog, metrics: createMetrics(),
  onLogLine: ({ text }) => { if (text.includes("pids ")) console.log(text.split("pids ")[1]); } });
const spec = specOf(codeDir, { timeoutMs: 60_000 });
${code}
`;

const plain = { isolation: "process" };

async function startNode(
  handler: string,
  code: string,
  options: object = plain,
): Promise<{ process: ChildProcess; pids: number[] }> {
  const codeDir = join(directory, "code");
  await mkdir(codeDir, { recursive: true });
  await writeFile(join(codeDir, "index.mjs"), handler);
  const args = ["--input-type=module", "--eval", node(code, options), join(directory, "compute"), codeDir];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  started.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const pids = JSON.parse(line) as number[];
  expectedGone.push(...pids);
  return { process: child, pids };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

const sleeper = `import { spawn } from "node:child_process";
const sleeper = spawn("sleep", ["1000"], { stdio: "ignore" });
export const handler = async () => { console.log("pids " + JSON.stringify([process.pid, sleeper.pid])); return 1; };`;

const busy = `export const handler = async () => { console.log("pids " + JSON.stringify([process.pid])); for (;;); };`;

/** Deaf to everything, and its channel is closed by nobody: what only the record can find. */
const stubborn = (pid: number) => {
  const place = join(environmentsDirectory(join(directory, "compute")), "0123456789abcdef0123456789abcdef");
  recordProcess(place, pid);
  return place;
};

describe("when a node is killed", () => {
  it("its idle environments end, with what they started", async () => {
    const { process: victim, pids } = await startNode(sleeper, "await compute.invoke(spec, invocationOf({}));");
    expect(await Promise.all(pids.map(isRunning))).toEqual([true, true]);
    await kill(victim);
    for (const pid of pids) await expect.poll(() => isRunning(pid), { timeout: 5_000 }).toBe(false);
  });

  it.each([
    ["by their control group", true],
    ["by a signal", false],
  ])("its environments end that are frozen %s", async (_name, controlGroups) => {
    const code = "await compute.invoke(spec, invocationOf({}));";
    const { process: victim, pids } = await startNode(sleeper, code, { ...plain, freezeMs: 20, controlGroups });
    const states = () =>
      Promise.all(pids.map(async (pid) => (await readFile(`/proc/${pid}/stat`, "latin1")).split(" ")[2]));
    // Version 2 of the control groups shows no state of its own: a frozen process seems to sleep.
    const shown = !controlGroups || existsSync("/sys/fs/cgroup/freezer/cgroup.procs") ? /[TD]/ : /[TDS]/;
    await expect.poll(states).toEqual([expect.stringMatching(shown), expect.stringMatching(shown)]);
    await kill(victim);
    for (const pid of pids) await expect.poll(() => isRunning(pid), { timeout: 5_000 }).toBe(false);
  });

  it("its environments end that have a view of their own, with what left its session there", async () => {
    const marker = `escapee-${crypto.randomUUID()}`;
    const handler = `import { spawn } from "node:child_process";
export const handler = async () => { spawn("/bin/sh", ["-c", "sleep 1000; :", "${marker}"], { detached: true, stdio: "ignore" }).unref(); console.log("pids []"); for (;;); };`;
    const { process: victim } = await startNode(handler, "await compute.invoke(spec, invocationOf({}));", {});
    expect(processesWith(marker)).not.toEqual([]);
    await kill(victim);
    await expect.poll(() => processesWith(marker), { timeout: 5_000 }).toEqual([]);
  });

  it("environments end that are in the midst of computing", async () => {
    const { process: victim, pids } = await startNode(busy, "await compute.invoke(spec, invocationOf({}));");
    expect(pids).toHaveLength(1);
    await kill(victim);
    for (const pid of pids) await expect.poll(() => isRunning(pid), { timeout: 5_000 }).toBe(false);
  });
});

describe("when a node ends", () => {
  it("so does what its functions started in sessions of their own", async () => {
    const daemon = sleeper.replace('stdio: "ignore"', 'detached: true, stdio: "ignore"');
    const code =
      "await compute.invoke(spec, invocationOf({})); process.stdin.once('end', () => compute.close()).resume();";
    const { process: ending, pids } = await startNode(daemon, code);
    expect(await Promise.all(pids.map(isRunning))).toEqual([true, true]);
    ending.stdin?.end();
    await once(ending, "exit");
    expect(await Promise.all(pids.map(isRunning))).toEqual([false, false]);
  });
});

describe("at the start of a node", () => {
  const open = () => endSurvivors(join(directory, "compute"), systemClock);
  const lead = (script: string, env: Record<string, string> = {}) => {
    const child = spawn("/bin/sh", ["-c", script], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, ...env },
    });
    started.push(child);
    return child;
  };

  it("what is left of the former one is killed, and its directories removed", async () => {
    const leader = lead("sleep 1000 & echo $!; wait");
    const [line] = (await once(createInterface({ input: leader.stdout }), "line")) as [string];
    const place = stubborn(leader.pid ?? 0);
    expect(await open()).toBe(2);
    expect(await isRunning(Number(line))).toBe(false);
    expect(existsSync(place)).toBe(false);
  });

  it("so is what a dead leader left behind", async () => {
    const leader = lead("sleep 1000 & echo $!; read wait");
    const [line] = (await once(createInterface({ input: leader.stdout }), "line")) as [string];
    stubborn(leader.pid ?? 0);
    await kill(leader);
    expect(await open()).toBe(1);
    expect(await isRunning(Number(line))).toBe(false);
  });

  it("so is what had left its session, which the place of its temporary files gives away", async () => {
    const tmp = join(environmentsDirectory(join(directory, "compute")), "0123", "tmp");
    await mkdir(tmp, { recursive: true });
    const escaped = lead("sleep 1000", { TMPDIR: tmp });
    const other = lead("sleep 1000", { TMPDIR: join(directory, "elsewhere") });
    expect(await open()).toBeGreaterThan(0);
    expect([await isRunning(escaped.pid ?? 0), await isRunning(other.pid ?? 0)]).toEqual([false, true]);
  });

  it.each([
    ["started at another time", { startTicks: 1 }],
    ["of another boot", { bootId: "00000000-0000-0000-0000-000000000000" }],
  ])("a process with the same id is left alone: %s", async (_name, change) => {
    const leader = lead("sleep 1000");
    const place = stubborn(leader.pid ?? 0);
    const file = join(place, "process.json");
    const record = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(file, JSON.stringify({ ...record, ...change }));
    expect(await open()).toBe(0);
    expect(await isRunning(leader.pid ?? 0)).toBe(true);
    expect(await readdir(environmentsDirectory(join(directory, "compute")))).toEqual([]);
  });

  it("a torn record and an empty directory are no obstacle", async () => {
    const place = join(environmentsDirectory(join(directory, "compute")), "torn");
    await mkdir(place, { recursive: true });
    await writeFile(join(place, "process.json"), '{"pid":');
    expect(await open()).toBe(0);
    expect(await open()).toBe(0);
  });
});
