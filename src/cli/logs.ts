/** `mikan logs`: what a function wrote. */
import { parseArgs } from "node:util";
import { systemClock } from "../base/clock.ts";
import { createClient, type Client } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";

interface FilteredEvents {
  events?: { eventId: string; timestamp: number; message: string }[];
  nextToken?: string;
}

const pollMs = 500;
/** While following, ids of lines already shown; older ones cannot come again. */
const shownMax = 50_000;
const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3600_000, d: 24 * 3600_000 };

function durationMs(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text);
  const unit = units[match?.[2] ?? ""];
  if (match === null || unit === undefined)
    throw new UserError(`--since is written 30s, 10m, 2h or 1d, and is ${text}`);
  return Number(match[1]) * unit;
}

/** Reads what a log group has that was not read before, oldest first. `sinceMs` is an instant. */
export function createLogReader(client: Client, logGroupName: string, sinceMs: number): () => Promise<string[]> {
  let startTime = sinceMs;
  const shown = new Set<string>();
  return async () => {
    const lines: string[] = [];
    let nextToken: string | undefined;
    do {
      const input: object = { logGroupName, startTime, ...(nextToken === undefined ? {} : { nextToken }) };
      const page: FilteredEvents = await client.json("logs", "Logs_20140328.FilterLogEvents", input);
      for (const { eventId, timestamp, message } of page.events ?? []) {
        if (shown.has(eventId)) continue;
        if (shown.size >= shownMax) shown.clear();
        shown.add(eventId);
        startTime = Math.max(startTime, timestamp);
        lines.push(message.replace(/\n$/, ""));
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return lines;
  };
}

/** The group of a function, or a group's own name. */
export const logGroupOf = (name: string) => (name.startsWith("/") ? name : `/aws/lambda/${name}`);

export const logs: Command = {
  summary: "print what a function wrote",
  usage: "mikan logs FUNCTION|LOG-GROUP [--since 10m] [--follow] [--endpoint URL] [--region REGION]",
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        since: { type: "string", default: "10m" },
        follow: { type: "boolean", default: false },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0) throw new UserError("logs takes one function: mikan logs FUNCTION");
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    const read = createLogReader(client, logGroupOf(name), systemClock.now() - durationMs(values.since));
    for (;;) {
      for (const line of await read()) say(line);
      if (!values.follow) return 0;
      // The command's clock does not keep a process alive.
      await new Promise((resolve) => {
        setTimeout(resolve, pollMs);
      });
    }
  },
};
