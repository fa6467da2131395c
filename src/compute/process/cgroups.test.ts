import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { silentLog } from "../../telemetry/log.ts";
import { isRunning } from "../harness.suite.ts";
import { type Cgroup, openCgroups } from "./cgroups.ts";

let directory: string;
const started: ChildProcess[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-cgroups-"));
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

const open = (allowed = true) => openCgroups({ directory, log: silentLog, allowed });

/** A process that sleeps in `group`. */
async function sleeperIn(group: Cgroup): Promise<number> {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  started.push(child);
  await once(child, "spawn");
  for (const path of group.directories) writeFileSync(join(path, "cgroup.procs"), String(child.pid));
  return child.pid ?? 0;
}

const probed = openCgroups({ directory: tmpdir(), log: silentLog, allowed: true });
const has = probed.roots.length > 0;
probed.close();

describe.skipIf(!has)("CONTROL GROUPS MAY NOT BE MADE HERE: the control groups of a node", () => {
  it("end what is frozen in them, and are gone with the node", async () => {
    const cgroups = open();
    const group = cgroups.create("0123", { memoryMiB: 128 });
    if (group === undefined) throw new Error("no group was made");
    const pid = await sleeperIn(group);
    group.freezer?.freeze();
    expect(await isRunning(pid)).toBe(true);
    expect(group.remove()).toBe(false);
    group.kill();
    await expect.poll(() => isRunning(pid)).toBe(false);
    await expect.poll(() => group.remove()).toBe(true);
    cgroups.close();
    expect(cgroups.roots.filter((root) => existsSync(root))).toEqual([]);
  });

  it("are none before it runs a function", () => {
    const cgroups = open();
    expect(cgroups.roots.filter((root) => existsSync(root))).toEqual([]);
    cgroups.close();
  });

  it("are found by the next node on the directory, which ends what is in them before it does anything", async () => {
    const dead = open();
    const group = dead.create("0123", { memoryMiB: 128 });
    if (group === undefined) throw new Error("no group was made");
    const pid = await sleeperIn(group);
    group.freezer?.freeze();
    const next = open();
    expect(await next.endFormer(systemClock)).toBe(1);
    expect(await isRunning(pid)).toBe(false);
    expect(dead.roots.filter((root) => existsSync(root))).toEqual([]);
    next.close();
  });
});

describe("a node that may not make control groups", () => {
  it("does without", async () => {
    const cgroups = open(false);
    expect(cgroups.roots).toEqual([]);
    expect(cgroups.create("0123", { memoryMiB: 128 })).toBeUndefined();
    expect(await cgroups.endFormer(systemClock)).toBe(0);
    cgroups.close();
  });
});
