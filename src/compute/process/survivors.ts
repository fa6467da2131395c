/**
 * The environments that a node leaves on disk, so that its successor can end what is left of them. A process is known
 * by id, start time and boot: an id alone may belong to somebody else by then.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { survivorsMsMax } from "../limits.ts";

interface ProcessRecord {
  pid: number;
  /** Clock ticks since boot. */
  startTicks: number;
  bootId: string;
}

interface ProcessStat {
  state: string;
  session: number;
  startTicks: number;
}

const recordFile = "process.json";

export function environmentsDirectory(directory: string): string {
  return join(directory, "environments");
}

/** Fields of `/proc/<pid>/stat` after the name, which may hold anything (proc(5)). */
function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", session: Number(fields[3]), startTicks: Number(fields[19]) };
}

function isGone(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR";
}

function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Remembers the leader of an environment's session in its directory. Does nothing on platforms without `/proc`. */
export function recordProcess(environmentDirectory: string, pid: number): void {
  const boot = bootId();
  if (boot === undefined) return;
  let stat: ProcessStat;
  try {
    stat = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (error) {
    // It ended before it could be recorded.
    if (isGone(error)) return;
    throw error;
  }
  const record: ProcessRecord = { pid, startTicks: stat.startTicks, bootId: boot };
  mkdirSync(environmentDirectory, { recursive: true });
  writeFileSync(join(environmentDirectory, recordFile), JSON.stringify(record));
}

async function readRecord(environmentDirectory: string): Promise<ProcessRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(environmentDirectory, recordFile), "utf8");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
  try {
    const record = JSON.parse(text) as ProcessRecord;
    return Number.isInteger(record.pid) && record.pid > 1 ? record : undefined;
  } catch {
    // Torn by the death of its writer: the process it meant had a channel to that writer and ended by it.
    return undefined;
  }
}

async function listOrNone(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

async function runningProcesses(): Promise<Map<number, ProcessStat>> {
  const running = new Map<number, ProcessStat>();
  for (const name of await listOrNone("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = parseStat(readFileSync(`/proc/${name}/stat`, "latin1"));
      if (stat.state !== "Z" && stat.state !== "X") running.set(Number(name), stat);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return running;
}

/** What runs of the recorded environments: their leaders, and all that stayed in the sessions these led. */
function survivorsAmong(running: Map<number, ProcessStat>, records: readonly ProcessRecord[]): number[] {
  const ours = records.filter(({ pid, startTicks }) => {
    const leader = running.get(pid);
    // Without its leader the session's id cannot have been given away while somebody is still in it.
    return leader === undefined || leader.startTicks === startTicks;
  });
  const startOf = new Map(ours.map(({ pid, startTicks }) => [pid, startTicks]));
  return [...running]
    .filter(([, { session, startTicks }]) => startTicks >= (startOf.get(session) ?? Infinity))
    .map(([pid]) => pid);
}

/** What left its session still has the variables it was started with, among them a `TMPDIR` below `root`. */
function escapeesAmong(running: Map<number, ProcessStat>, root: string): number[] {
  return [...running.keys()].filter((pid) => {
    if (pid === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`TMPDIR=${root}/`);
    } catch (error) {
      // Somebody else's process.
      if (isGone(error) || errorCode(error) === "EACCES" || errorCode(error) === "EPERM") return false;
      throw error;
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/**
 * Kills every process of environments that a former node left in `directory`, waits until they are gone, and removes
 * their directories. Returns how many were killed; throws when one does not go.
 */
export async function endSurvivors(directory: string, clock: Clock): Promise<number> {
  const root = environmentsDirectory(directory);
  if (!existsSync(root)) return 0;
  const names = await listOrNone(root);
  const boot = bootId();
  const records: ProcessRecord[] = [];
  for (const name of names) {
    const record = await readRecord(join(root, name));
    if (record !== undefined && record.bootId === boot) records.push(record);
  }
  const killed = await killAll(records, root, clock);
  await Promise.all(names.map((name) => rm(join(root, name), { recursive: true, force: true })));
  return killed;
}

async function killAll(records: readonly ProcessRecord[], root: string, clock: Clock): Promise<number> {
  const killed = new Set<number>();
  for (const deadlineMs = clock.monotonicMs() + survivorsMsMax; ;) {
    // Each round reads /proc afresh, which takes long enough for the kernel to act; a sleep would not hold the process.
    const running = await runningProcesses();
    const survivors = new Set([...survivorsAmong(running, records), ...escapeesAmong(running, root)]);
    if (survivors.size === 0) return killed.size;
    if (clock.monotonicMs() > deadlineMs) {
      throw new Error(`processes of a former node do not end: ${[...survivors].join(", ")}`);
    }
    for (const pid of survivors) {
      kill(pid);
      killed.add(pid);
    }
  }
}
