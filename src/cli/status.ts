/** `mikan status`: what runs, at a glance. */
import { parseArgs } from "node:util";
import { createClient, membersOf, textAt } from "./client.ts";
import { say, type Command } from "./command.ts";
import { cloudformationVersion } from "./stack.ts";

interface Status {
  version: string;
  engine: string;
  memoryMiB: number;
  clusters: { clusterId: string; requests: number; active: number; latencyMs: { p50: number; p99: number } }[];
  functions: { specId: string; starting: number; idle: number; busy: number }[];
}

export const status: Command = {
  summary: "show the node, its stacks, target groups and functions",
  usage: "mikan status [--json] [--endpoint URL] [--region REGION]",
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { endpoint: { type: "string" }, region: { type: "string" }, json: { type: "boolean", default: false } },
    });
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    const node = await client.admin<Status>("/_mikan/status");
    const described = await client.query("cloudformation", cloudformationVersion, "DescribeStacks", {});
    const stacks = membersOf(described, "Stacks").map((stack) => ({
      name: textAt(stack, "StackName"),
      status: textAt(stack, "StackStatus"),
    }));
    if (values.json) {
      say(JSON.stringify({ ...node, stacks }, undefined, 2));
      return 0;
    }
    say(`Mikan ${node.version} at ${client.endpoint} on ${node.engine}, ${node.memoryMiB} MiB`);
    say(stacks.length === 0 ? "No stacks." : "Stacks:");
    for (const stack of stacks) say(`  ${stack.name.padEnd(24)} ${stack.status}`);
    if (node.clusters.length > 0) say("Target groups:");
    for (const { clusterId, requests, active, latencyMs } of node.clusters) {
      say(
        `  ${shortName(clusterId).padEnd(24)} ${requests} requests, ${active} now, p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms`,
      );
    }
    if (node.functions.length > 0) say("Functions:");
    for (const { specId, starting, idle, busy } of node.functions) {
      // The last part of the id is the revision, which tells a reader nothing.
      say(
        `  ${shortName(specId.slice(0, specId.lastIndexOf(":"))).padEnd(24)} ${busy} busy, ${idle} idle, ${starting} starting`,
      );
    }
    return 0;
  },
};

/** The telling part of an ARN. */
function shortName(arn: string): string {
  return arn.startsWith("arn:")
    ? arn
        .split(":")
        .slice(5)
        .join(":")
        .replace(/^(targetgroup\/|function:)/, "")
    : arn;
}
