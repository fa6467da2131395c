/** `mikan functions`: what each function has of environments, and why it had to start them. */
import { parseArgs } from "node:util";
import { createClient } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";

interface Start {
  at: number;
  reason: string;
  initMs?: number;
  failed?: boolean;
}

interface Report {
  account: string;
  region: string;
  functionName: string;
  version: string;
  starting: number;
  idle: number;
  frozen: number;
  busy: number;
  provisioned: number;
  coldStarts: number;
  counts: Record<string, number>;
  recent: Start[];
}

/** What each reason means, and what helps against it. */
const reasons: Readonly<Record<string, { text: string; tip?: string }>> = {
  first: { text: "first use since the node's start" },
  changed: { text: "its code or settings had changed" },
  "scale-out": {
    text: "all others were busy",
    tip: "Bursts wait for new environments: provisioned concurrency keeps some ready, a reserved one bounds them.",
  },
  spillover: {
    text: "all that are kept ready were busy",
    tip: "More comes at once than is provisioned: raise the provisioned concurrency.",
  },
  idle: {
    text: "the one before had ended for want of use",
    tip: "It is seldom used: a provisioned concurrency of 1 keeps one ready.",
  },
  evicted: {
    text: "another function had needed its place",
    tip: "The node has no room for more environments: give it more memory, or fewer functions.",
  },
  timeout: {
    text: "the one before took too long, and was ended",
    tip: "Invocations time out, and take their environments with them: see mikan logs, and the function's timeout.",
  },
  crash: { text: "the one before had died", tip: "The function's process dies: see mikan logs." },
  memory: {
    text: "the one before had needed too much memory",
    tip: "It runs out of memory: raise MemorySize, or find what it keeps.",
  },
  "start-failed": {
    text: "the one before had failed to start",
    tip: "It fails to start: mikan invoke shows the error.",
  },
  retry: { text: "the second try of one that failed" },
  provisioned: { text: "kept ready, before anybody asked" },
  debug: { text: "for a debugger" },
};

/** A start that takes longer is worth a look at what it loads. */
const slowInitMs = 500;

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];

function environments({ idle, frozen, busy, starting, provisioned }: Report): string {
  const parts = [
    busy > 0 ? `${busy} busy` : "",
    idle > 0 ? `${idle} idle${frozen > 0 ? ` (${frozen} frozen)` : ""}` : "",
    starting > 0 ? `${starting} starting` : "",
  ].filter((part) => part !== "");
  if (parts.length === 0) return "no environment";
  return `${parts.join(", ")}${provisioned > 0 ? `; ${provisioned} of them kept ready` : ""}`;
}

function medianText({ recent }: Report): string {
  const ms = median(recent.flatMap(({ initMs }) => initMs ?? []));
  return ms === undefined ? "" : `, ${ms.toFixed(0)} ms in the middle`;
}

/** The most frequent reason that something helps against. */
function tipFor({ counts, recent }: Report): string | undefined {
  const [most] = Object.entries(counts)
    .filter(([reason, count]) => count > 1 && reasons[reason]?.tip !== undefined)
    .toSorted(([, a], [, b]) => b - a);
  if (most !== undefined) return reasons[most[0]]?.tip;
  const ms = median(recent.flatMap(({ initMs }) => initMs ?? []));
  if (ms === undefined || ms < slowInitMs) return undefined;
  return "Its starts are slow: bundle its code (esbuild), and load only what the first request needs.";
}

const nameOf = ({ functionName, version }: Report) =>
  version === "$LATEST" ? functionName : `${functionName}:${version}`;

function tell(report: Report, inDetail: boolean): void {
  const starts = `${report.coldStarts} cold start${report.coldStarts === 1 ? "" : "s"}${medianText(report)}`;
  say(`${nameOf(report).padEnd(24)} ${environments(report)}; ${starts}`);
  for (const [reason, count] of Object.entries(report.counts)) {
    say(`  ${String(count).padStart(4)}  ${reasons[reason]?.text ?? reason}`);
  }
  if (inDetail) {
    for (const { at, reason, initMs, failed } of report.recent) {
      const took = failed === true ? "failed" : initMs === undefined ? "starting" : `${initMs.toFixed(0)} ms`;
      say(`  ${new Date(at).toISOString().slice(0, 19)}Z  ${took.padStart(8)}  ${reasons[reason]?.text ?? reason}`);
    }
  }
  const tip = tipFor(report);
  if (tip !== undefined) say(`  Tip: ${tip}`);
}

export const functions: Command = {
  summary: "show the environments of functions, and explain their cold starts",
  usage: `mikan functions [FUNCTION] [--json] [--endpoint URL] [--region REGION]

  Of every function that ran since the node's start: its environments, how often one had to be started while somebody
  waited, and why. With FUNCTION also its last starts, one by one.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [name, ...more] = positionals;
    if (more.length > 0) throw new UserError("functions takes one function at most: mikan functions FUNCTION");
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    const { functions: all } = await client.admin<{ functions: Report[] }>("/_mikan/functions");
    const wanted =
      name === undefined ? all : all.filter((report) => report.functionName === name || nameOf(report) === name);
    if (values.json) {
      say(JSON.stringify(wanted, undefined, 2));
      return 0;
    }
    if (wanted.length === 0)
      say(`${name ?? "No function"} has ${name === undefined ? "" : "not "}run since the node's start.`);
    for (const report of wanted) tell(report, name !== undefined);
    return 0;
  },
};
