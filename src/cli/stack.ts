/** Watching a stack: its events as they come, until it rests. */
import { systemClock } from "../base/clock.ts";
import { membersOf, ServiceError, textAt, type Client } from "./client.ts";
import { say } from "./command.ts";

export const cloudformationVersion = "2010-05-15";
const pollMs = 150;
/** A stack that has not come to rest after this long is left to itself. */
const watchMsMax = 60 * 60_000;

export interface StackEnd {
  status: string;
  reason: string;
  outputs: { key: string; value: string }[];
}

/** What DescribeStacks says of one stack. */
export async function describeStack(client: Client, stack: string): Promise<StackEnd> {
  const result = await client.query("cloudformation", cloudformationVersion, "DescribeStacks", { StackName: stack });
  const [found] = membersOf(result, "Stacks");
  if (found === undefined) throw new ServiceError("ValidationError", `Stack with id ${stack} does not exist`);
  return {
    status: textAt(found, "StackStatus"),
    reason: textAt(found, "StackStatusReason"),
    outputs: membersOf(found, "Outputs").map((output) => ({
      key: textAt(output, "OutputKey"),
      value: textAt(output, "OutputValue"),
    })),
  };
}

/** Ids of the events of a stack so far: those that a watch need not tell again. */
export async function eventsSoFar(client: Client, stack: string): Promise<Set<string>> {
  const result = await client.query("cloudformation", cloudformationVersion, "DescribeStackEvents", {
    StackName: stack,
  });
  return new Set(membersOf(result, "StackEvents").map((event) => textAt(event, "EventId")));
}

/**
 * Prints each event that is not in `seen` once, and resolves when the stack is no longer in progress. `stack` is an ARN.
 */
export async function watchStack(client: Client, stack: string, seen = new Set<string>()): Promise<StackEnd> {
  const untilMs = systemClock.now() + watchMsMax;
  for (;;) {
    const end = await describeStack(client, stack);
    const result = await client.query("cloudformation", cloudformationVersion, "DescribeStackEvents", {
      StackName: stack,
    });
    for (const event of membersOf(result, "StackEvents").toReversed()) {
      const id = textAt(event, "EventId");
      if (seen.has(id)) continue;
      seen.add(id);
      const reason = textAt(event, "ResourceStatusReason");
      const line = `  ${textAt(event, "ResourceStatus").padEnd(20)} ${textAt(event, "LogicalResourceId")}`;
      say(`${line} (${textAt(event, "ResourceType")})${reason === "" ? "" : `: ${reason}`}`);
    }
    if (!end.status.endsWith("_IN_PROGRESS") || systemClock.now() > untilMs) return end;
    // The watch itself keeps the process alive.
    await new Promise((resolve) => {
      setTimeout(resolve, pollMs);
    });
  }
}
