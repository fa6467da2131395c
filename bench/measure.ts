/** What benches share: processes and their cost, `wrk`, medians, and promises that a number keeps or breaks. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Where Debian has what only root needs, as nginx and haproxy. */
const adminFolder = "/usr/sbin";
/** The kernel counts CPU in these; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** A number that the project promises, and what was measured. */
export interface Kept {
  what: string;
  value: number;
  unit: string;
  atLeast?: number;
  atMost?: number;
}

export function isKept({ value, atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Kept) {
  return value >= atLeast && value <= atMost;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The commands of these that no folder of PATH has. */
export async function missingCommands(names: readonly string[]): Promise<string[]> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), adminFolder];
  const isThere = async (name: string) => {
    const tries = await Promise.allSettled(folders.map((folder) => access(join(folder, name))));
    return tries.some(({ status }) => status === "fulfilled");
  };
  const there = await Promise.all(names.map(isThere));
  return names.filter((_, i) => !there[i]);
}

interface ProcessTimes {
  pid: number;
  parent: number;
  ticks: number;
}

async function timesOf(pid: number): Promise<ProcessTimes | undefined> {
  // One that ends between the listing and the reading is not there any more; its parent has its times then.
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the name in brackets, which may hold spaces. Then: state, parent, ..., utime, stime, cutime, cstime.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid, parent: Number(fields[1]), ticks };
}

/** User and system time of a process, its threads, and all processes under it, ended ones included. */
export async function treeCpuSeconds(root: number): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = (await Promise.all(pids.map(timesOf))).filter((times) => times !== undefined);
  const ticksUnder = (pid: number): number =>
    all.filter(({ parent }) => parent === pid).reduce((sum, child) => sum + child.ticks + ticksUnder(child.pid), 0);
  const own = all.find(({ pid }) => pid === root);
  if (own === undefined) throw new Error(`process ${root} has ended`);
  return (own.ticks + ticksUnder(root)) / ticksPerSecond;
}

/** Memory of a process that is in RAM now, in MB of a million bytes. */
export async function residentMB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const [, kiB] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
  return (Number(kiB) * 1024) / 1e6;
}

export interface Load {
  requests: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

export interface WrkOptions {
  connections?: number;
  seconds?: number;
  /** A file of Lua that says what is sent. */
  script?: string;
}

/** Runs `wrk` with one thread. An answer that is none of 2xx or 3xx, or a broken connection, is an error. */
export async function wrk(url: string, { connections = 16, seconds = 2, script }: WrkOptions = {}): Promise<Load> {
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}`,
    "--latency",
    ...(script === undefined ? [] : ["-s", script]),
  ];
  const child = spawn("wrk", [...args, url], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await once(child, "close");
  if (!output.includes("requests in") || /Non-2xx|Socket errors/.test(output)) {
    throw new Error(`wrk on ${url} met errors:\n${output}`);
  }
  const latency = (share: string) => {
    const [, value, unit = ""] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s|m)`).exec(output) ?? [];
    return Number(value) * (unitMs[unit] ?? Number.NaN);
  };
  return {
    requests: Number(/(\d+) requests in/.exec(output)?.[1]),
    perSecond: Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]),
    p50Ms: latency("50"),
    p99Ms: latency("99"),
  };
}

/** Prints rows under their titles: the first column to the left, numbers to the right. */
export function printTable(titles: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  for (const row of [titles, ...rows]) {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
    process.stdout.write(`  ${cells.join("  ")}\n`);
  }
}
