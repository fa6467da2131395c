/** What a test has of a node in its own process, besides the node: settings for SDK clients, stacks, time. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setImmediate } from "node:timers/promises";
import { systemClock } from "./base/clock.ts";
import type { MovableClock } from "./base/movable-clock.ts";
import { packageTemplate, upload } from "./cli/artifacts.ts";
import { createClient, membersOf, textAt, type Client } from "./cli/client.ts";
import { cloudformationVersion, describeStack, type StackEnd } from "./cli/stack.ts";
import { submit } from "./cli/submit.ts";

/** Fits the constructor of every client of the AWS SDK for JavaScript, v3. */
export interface ClientConfig {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
}

export interface DeployOptions {
  /** A template's file; a local `CodeUri` of a SAM function is relative to it, and uploaded. */
  template: string | URL;
  /** Created, or updated where it exists. */
  stack: string;
  parameters?: Readonly<Record<string, string | number | boolean>>;
  /** Zipped, uploaded, and passed as the parameters CodeBucket and CodeKey. */
  codeDir?: string | URL;
  /** Default 600,000. */
  waitMsMax?: number;
}

export interface Deployed {
  stackId: string;
  /** `CREATE_COMPLETE` or `UPDATE_COMPLETE`; what it was where nothing changed. */
  status: string;
  outputs: Record<string, string>;
}

export interface NodeClock {
  /** The node's time, in milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Moves the node's time ahead by whole milliseconds, and runs the timers, schedules and retries that fall due on the
   * way. Only on a node started with `clock: "fake"`. Sockets and functions keep the machine's time.
   */
  advance(byMs: number): Promise<void>;
}

const pollMs = 15;
const waitMsDefault = 600_000;
/** What jobs may take of the machine's time while the node's is moved: one that waits for a function is not waited for. */
const settleMsMax = 100;
const settleMsSumMax = 2_000;

/** The lines of the stack's events, other than those `seen` before, that say why. */
async function reasonsOf(client: Client, stackId: string, seen: ReadonlySet<string>): Promise<string> {
  const input = { StackName: stackId };
  const result = await client.query("cloudformation", cloudformationVersion, "DescribeStackEvents", input);
  const failed = membersOf(result, "StackEvents").filter(
    (event) => textAt(event, "ResourceStatus").endsWith("_FAILED") && !seen.has(textAt(event, "EventId")),
  );
  const lineOf = (event: (typeof failed)[number]) =>
    `  ${textAt(event, "LogicalResourceId")}: ${textAt(event, "ResourceStatusReason")}`;
  return failed.toReversed().map(lineOf).join("\n");
}

async function rest(client: Client, stackId: string, waitMsMax: number): Promise<StackEnd> {
  const untilMs = systemClock.monotonicMs() + waitMsMax;
  for (;;) {
    const end = await describeStack(client, stackId);
    if (!end.status.endsWith("_IN_PROGRESS")) return end;
    if (systemClock.monotonicMs() > untilMs)
      throw new Error(`stack ${stackId} is still ${end.status} after ${waitMsMax} ms`);
    await systemClock.sleep(pollMs);
  }
}

const pathOf = (place: string | URL) => resolve(place instanceof URL ? fileURLToPath(place) : place);

/** Through the public API, as any client deploys. Rejects with the reasons when the stack does not get there. */
export async function deploy(config: ClientConfig, options: DeployOptions): Promise<Deployed> {
  const client = createClient(config);
  const file = pathOf(options.template);
  const tell = () => {};
  const parameters = Object.fromEntries(
    Object.entries(options.parameters ?? {}).map(([key, value]) => [key, String(value)]),
  );
  if (options.codeDir !== undefined) {
    const { bucket, key } = await upload(client, pathOf(options.codeDir), tell);
    Object.assign(parameters, { CodeBucket: bucket, CodeKey: key });
  }
  const { id, operation, seen } = await submit(client, {
    stack: options.stack,
    template: await packageTemplate(client, await readFile(file, "utf8"), dirname(file), tell),
    parameters,
    onFailure: "ROLLBACK",
  });
  const stackId = id ?? (await stackIdOf(client, options.stack));
  const { status, reason, outputs } = await rest(client, stackId, options.waitMsMax ?? waitMsDefault);
  if (id !== undefined && status !== `${operation}_COMPLETE`) {
    const reasons = await reasonsOf(client, stackId, seen);
    throw new Error(`stack ${options.stack} is ${status}${reason === "" ? "" : `: ${reason}`}\n${reasons}`);
  }
  return {
    stackId,
    status,
    outputs: Object.fromEntries(outputs.map(({ key, value }) => [key, value])),
  };
}

async function stackIdOf(client: Client, stack: string): Promise<string> {
  const input = { StackName: stack };
  const result = await client.query("cloudformation", cloudformationVersion, "DescribeStacks", input);
  const [found] = membersOf(result, "Stacks");
  return found === undefined ? "" : textAt(found, "StackId");
}

/** `settled` resolves when no job of the node is running. */
export async function advance(clock: MovableClock, byMs: number, settled: () => Promise<void>): Promise<void> {
  const untilMs = systemClock.monotonicMs() + settleMsSumMax;
  await clock.advance(byMs, async () => {
    // What ran starts its work in the turns that follow.
    await setImmediate();
    const waitMs = Math.min(settleMsMax, untilMs - systemClock.monotonicMs());
    if (waitMs > 0) await Promise.race([settled(), systemClock.sleep(waitMs)]);
    await setImmediate();
  });
}
