/** `npm run bench [-- name...] [--write]`: the benches one after another, and whether the promises about them are kept. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../src/version.ts";
import { isKept, missingCommands, printTable, type Kept } from "./measure.ts";

type Figure = Readonly<Record<string, string | number>>;

interface Outcome {
  figures: readonly Figure[];
  promises: readonly Kept[];
  /** What was left out, and how to have it. */
  skipped?: readonly string[];
}

interface Bench {
  name: string;
  /** Commands that it runs. */
  needs: readonly string[];
  run(): Promise<Outcome>;
}

/** Debian's names. */
const packages: Readonly<Record<string, string>> = {
  wrk: "wrk",
  nginx: "nginx-light",
  haproxy: "haproxy",
  caddy: "caddy",
  go: "golang-go",
};

const benches: readonly Bench[] = [
  { name: "edge", needs: ["nginx", "haproxy", "caddy", "wrk"], run: edge },
  { name: "deaths", needs: [], run: deaths },
  { name: "egress", needs: [], run: egress },
  { name: "invocations", needs: ["wrk"], run: invocations },
  { name: "lambda", needs: ["wrk", "go"], run: lambda },
  { name: "start", needs: [], run: start },
  { name: "embedded", needs: [], run: embedded },
  { name: "stacks", needs: [], run: stacks },
  { name: "s3", needs: [], run: s3 },
  { name: "sqs", needs: [], run: sqs },
  { name: "events", needs: [], run: events },
  { name: "store", needs: [], run: async () => unpromised(await (await import("./store.ts")).run()) },
  { name: "compute", needs: [], run: async () => unpromised(await (await import("./compute.ts")).run()) },
  { name: "wire", needs: [], run: async () => unpromised(await (await import("./wire.ts")).run()) },
];

/** Figures to compare with later ones: nobody was promised any. */
function unpromised(figures: readonly object[]): Outcome {
  return { figures: figures.map((figure) => ({ ...figure })), promises: [] };
}

async function edge(): Promise<Outcome> {
  const bench = await import("./edge.ts");
  const report = await bench.run();
  const { peak, latency, skipped, ...others } = report;
  return { ...unpromised([...peak, ...latency, others]), promises: bench.promises(report), skipped };
}

async function egress(): Promise<Outcome> {
  const { figures, ...saved } = await (await import("./egress.ts")).run();
  return unpromised([...figures, saved]);
}

async function invocations(): Promise<Outcome> {
  const bench = await import("./invocations.ts");
  const figures = await bench.run();
  const skipped = (await bench.isPeerInstalled()) ? [] : [bench.peerSkipped];
  return { ...unpromised(figures), promises: bench.promises(figures), skipped };
}

async function lambda(): Promise<Outcome> {
  const bench = await import("./lambda.ts");
  const report = await bench.run();
  const promised = bench.promises(report);
  return { ...unpromised(report.warm), promises: promised, skipped: await bench.skippedPeers() };
}

async function deaths(): Promise<Outcome> {
  const bench = await import("./deaths.ts");
  const figures = await bench.run();
  return { ...unpromised(figures), promises: bench.promises(figures) };
}

async function embedded(): Promise<Outcome> {
  const bench = await import("./embedded.ts");
  const figures = await bench.run();
  return { ...unpromised([figures]), promises: bench.promises(figures) };
}

async function events(): Promise<Outcome> {
  const bench = await import("./events.ts");
  const figures = await bench.run();
  return { ...unpromised(figures), promises: bench.promises(figures) };
}

async function stacks(): Promise<Outcome> {
  const bench = await import("./stacks.ts");
  const figures = await bench.run();
  const skipped = (await bench.arePeersInstalled()) ? [] : [bench.peersSkipped];
  return { ...unpromised(figures), promises: bench.promises(figures), skipped };
}

async function s3(): Promise<Outcome> {
  const bench = await import("./s3.ts");
  const figures = await bench.run();
  return { ...unpromised(figures), promises: bench.promises(figures), skipped: await bench.skippedPeers() };
}

async function sqs(): Promise<Outcome> {
  const bench = await import("./sqs.ts");
  const figures = await bench.run();
  return { ...unpromised(figures), promises: bench.promises(figures), skipped: await bench.skippedPeers() };
}

async function start(): Promise<Outcome> {
  const bench = await import("./start.ts");
  const figures = await bench.run();
  return { ...unpromised([figures]), promises: bench.promises(figures) };
}

/** What a tool says of itself, or that it is not there. */
function versionOf(command: string, ...args: readonly string[]): string {
  try {
    const text = execFileSync(command, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` },
    });
    return text.split("\n", 1)[0]?.trim() ?? "";
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" ? "not installed" : "unknown";
  }
}

function machine(): string[] {
  const [cpu] = cpus();
  const load = loadavg().map((value) => value.toFixed(1));
  return [
    `- ${new Date().toISOString().slice(0, 10)}, Mikan ${version}, commit ${versionOf("git", "rev-parse", "--short", "HEAD")}`,
    `- ${cpus().length} x ${cpu?.model ?? "unknown CPU"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${type()} ${release()}`,
    `- load averages before the start: ${load.join(", ")}`,
    `- Node ${process.version}, ${versionOf("haproxy", "-v")}`,
  ];
}

const bound = ({ atLeast, atMost, unit }: Kept) =>
  [atLeast === undefined ? "" : `at least ${atLeast} ${unit}`, atMost === undefined ? "" : `at most ${atMost} ${unit}`]
    .filter(Boolean)
    .join(", ");

const promiseRows = (promises: readonly Kept[]) =>
  promises.map((kept) => [
    kept.what,
    `${rounded(kept.value)} ${kept.unit}`,
    bound(kept),
    isKept(kept) ? "kept" : "MISSED",
  ]);

/** Three digits that say something. */
function rounded(value: string | number): string {
  if (typeof value === "string") return value;
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function markdown(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}

const promiseTitles = ["promise", "measured", "bound", ""];

function report(about: readonly string[], outcomes: ReadonlyMap<string, Outcome>, skipped: readonly string[]): string {
  const promises = [...outcomes.values()].flatMap((outcome) => outcome.promises);
  const tables = [...outcomes].map(([name, { figures }]) => {
    const titles = Object.keys(figures[0] ?? {});
    const rows = figures.map((figure) => titles.map((title) => rounded(figure[title] ?? "")));
    return `## ${name}\n\n${markdown(titles, rows)}`;
  });
  const parts = [
    "# Results",
    "Written by `npm run bench -- --write`. Trust the ratios: absolute figures are of this machine at that moment.",
    about.join("\n"),
    ...skipped.map((line) => `- ${line}`),
    markdown(promiseTitles, promiseRows(promises)),
    ...tables,
  ];
  return `${parts.join("\n\n")}\n`;
}

const { values, positionals } = parseArgs({
  options: { write: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  throw new Error(`no bench ${unknown.join(", ")}; there are: ${benches.map(({ name }) => name).join(", ")}`);
}

const about = machine();
process.stdout.write(`${about.join("\n")}\n`);
const outcomes = new Map<string, Outcome>();
const skipped: string[] = [];
for (const { name, needs, run } of benches) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  process.stdout.write(`\n== ${name} ==\n`);
  const missing = await missingCommands(needs);
  if (missing.length === 0) {
    const outcome = await run();
    outcomes.set(name, outcome);
    skipped.push(...(outcome.skipped ?? []));
  } else {
    const install = missing.map((command) => packages[command] ?? command).join(" ");
    skipped.push(`SKIPPED: ${name} needs ${missing.join(", ")}; \`apt-get install ${install}\` brings them on Debian.`);
    process.stdout.write(`${skipped.at(-1)}\n`);
  }
}

const promises = [...outcomes.values()].flatMap((outcome) => outcome.promises);
process.stdout.write("\n== promises ==\n");
printTable(promiseTitles, promiseRows(promises));
for (const line of skipped) process.stdout.write(`${line}\n`);
if (values.write) await writeFile(join(import.meta.dirname, "results.md"), report(about, outcomes, skipped));
process.exitCode = promises.every(isKept) ? 0 : 1;
