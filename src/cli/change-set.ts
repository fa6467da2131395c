/** What a deployment would change, before it does: a change set, shown for people, and then executed or taken back. */
import { systemClock } from "../base/clock.ts";
import type { XmlElement } from "../wire/xml-read.ts";
import { child, membersOf, ServiceError, textAt, type Client } from "./client.ts";
import { say } from "./command.ts";
import { cloudformationVersion } from "./stack.ts";

const pollMs = 150;
/** A change set that is not made after this long is not waited for. */
const createMsMax = 60_000;
/** DescribeChangeSet gives a hundred at a time, and a stack has at most 500 resources before and after. */
const pagesMax = 20;

const query = (client: Client, operation: string, input: Record<string, string>) =>
  client.query("cloudformation", cloudformationVersion, operation, input);

export interface Review {
  /** ARN of the change set. */
  id: string;
  stackId: string;
  /** Nothing would change, and the change set is gone. */
  nothing: boolean;
  /** One for each resource; none where outputs or tags alone change. */
  changes: readonly XmlElement[];
}

/** Makes a change set. `input` is CreateChangeSet's. Throws a {@link ServiceError} when it fails. */
export async function review(client: Client, input: Record<string, string>): Promise<Review> {
  const made = await query(client, "CreateChangeSet", input);
  const id = textAt(made, "Id");
  const untilMs = systemClock.now() + createMsMax;
  let described = await query(client, "DescribeChangeSet", { ChangeSetName: id });
  while (/^CREATE_(PENDING|IN_PROGRESS)$/.test(textAt(described, "Status")) && systemClock.now() < untilMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, pollMs);
    });
    described = await query(client, "DescribeChangeSet", { ChangeSetName: id });
  }
  const status = textAt(described, "Status");
  const reason = textAt(described, "StatusReason");
  const stackId = textAt(made, "StackId");
  if (status === "CREATE_COMPLETE") {
    return { id, stackId, nothing: false, changes: await changesOf(client, id, described) };
  }
  await withdraw(client, id, stackId);
  if (/didn't contain changes|No updates are to be performed/.test(reason))
    return { id, stackId, nothing: true, changes: [] };
  throw new ServiceError(status, reason);
}

async function changesOf(client: Client, id: string, first: XmlElement): Promise<XmlElement[]> {
  const changes = membersOf(first, "Changes");
  let token = textAt(first, "NextToken");
  for (let pages = 1; token !== "" && pages < pagesMax; pages += 1) {
    const page = await query(client, "DescribeChangeSet", { ChangeSetName: id, NextToken: token });
    changes.push(...membersOf(page, "Changes"));
    token = textAt(page, "NextToken");
  }
  return changes.flatMap((change) => child(change, "ResourceChange") ?? []);
}

/** Takes a change set back, and with the first of a new stack the stack in review. */
export async function withdraw(client: Client, id: string, stackId: string): Promise<void> {
  await query(client, "DeleteChangeSet", { ChangeSetName: id });
  const found = await query(client, "DescribeStacks", { StackName: stackId });
  const [stack] = membersOf(found, "Stacks");
  if (stack === undefined || textAt(stack, "StackStatus") !== "REVIEW_IN_PROGRESS") return;
  await query(client, "DeleteStack", { StackName: stackId });
}

/** Runs a change set. */
export async function execute(client: Client, id: string): Promise<void> {
  await query(client, "ExecuteChangeSet", { ChangeSetName: id });
}

/** A line for each resource: what happens to it, and for which of its properties. */
export function showChanges(stack: string, { nothing, changes }: Review): void {
  if (nothing) return;
  say(`Changes of stack ${stack}:`);
  if (changes.length === 0) say("  its outputs or tags");
  for (const change of changes) say(`  ${lineOf(change)}`);
}

function lineOf(change: XmlElement): string {
  const action = actionOf(textAt(change, "Action"), textAt(change, "Replacement"), textAt(change, "PolicyAction"));
  const line = `${action.padEnd(16)} ${textAt(change, "LogicalResourceId")} (${textAt(change, "ResourceType")})`;
  const causes = membersOf(change, "Details").map((detail) => {
    const target = child(detail, "Target");
    return target === undefined ? "" : textAt(target, "Name") || textAt(target, "Attribute");
  });
  const named = [...new Set(causes.filter((cause) => cause !== ""))];
  return named.length === 0 ? line : `${line}: ${named.join(", ")}`;
}

function actionOf(action: string, replacement: string, policy: string): string {
  if (action === "Add") return "+ add";
  if (action === "Remove") return policy === "Retain" ? "- leave alone" : "- remove";
  if (replacement === "True") return "! replace";
  return replacement === "Conditional" ? "! may replace" : "~ change";
}
