/** A stack made or changed, whichever it needs: CreateStack or UpdateStack, over the public API. */
import type { XmlElement } from "../wire/xml-read.ts";
import { capabilities, listed, parameterMembers, templateMembers } from "./artifacts.ts";
import { review, type Review } from "./change-set.ts";
import { membersOf, requestToken, ServiceError, textAt, type Client } from "./client.ts";
import { cloudformationVersion, describeStack, eventsSoFar } from "./stack.ts";

export interface Deployment {
  stack: string;
  template: string;
  parameters: Record<string, string>;
  /** Of a creation: `ROLLBACK`, `DELETE` or `DO_NOTHING`. */
  onFailure: string;
}

/** Whether the stack is to be made or changed; undefined when the name is free. */
async function statusOf(client: Client, stack: string): Promise<string | undefined> {
  try {
    return (await describeStack(client, stack)).status;
  } catch (error) {
    if (error instanceof ServiceError && error.message.endsWith("does not exist")) return undefined;
    throw error;
  }
}

/** Parameters that the template has and nobody gives: they keep the values that the stack has. */
async function previousMembers(client: Client, { stack, template, parameters }: Deployment) {
  const query = (operation: string, input: Record<string, string>) =>
    client.query("cloudformation", cloudformationVersion, operation, input);
  const [found] = membersOf(await query("DescribeStacks", { StackName: stack }), "Stacks");
  const keysIn = (element: XmlElement) =>
    membersOf(element, "Parameters").map((parameter) => textAt(parameter, "ParameterKey"));
  const known = found === undefined ? [] : keysIn(found);
  const declared = new Set(keysIn(await query("GetTemplateSummary", await templateMembers(client, template))));
  const kept = known.filter((key) => declared.has(key) && !Object.hasOwn(parameters, key));
  const given = Object.keys(parameters).length;
  return Object.fromEntries(
    kept.flatMap((key, index) => [
      [`Parameters.member.${given + index + 1}.ParameterKey`, key],
      [`Parameters.member.${given + index + 1}.UsePreviousValue`, "true"],
    ]),
  ) as Record<string, string>;
}

/** What CreateStack, UpdateStack and CreateChangeSet have in common. */
async function inputOf(client: Client, update: boolean, deployment: Deployment): Promise<Record<string, string>> {
  return {
    StackName: deployment.stack,
    ...(await templateMembers(client, deployment.template)),
    ...listed("Capabilities", capabilities),
    ...parameterMembers(deployment.parameters),
    ...(update ? await previousMembers(client, deployment) : {}),
  };
}

/** Begins the creation or the update. Undefined when there is nothing to change. */
async function begin(client: Client, update: boolean, deployment: Deployment): Promise<string | undefined> {
  try {
    const result = await client.query("cloudformation", cloudformationVersion, update ? "UpdateStack" : "CreateStack", {
      ...(await inputOf(client, update, deployment)),
      ClientRequestToken: requestToken(),
      ...(update ? {} : { OnFailure: deployment.onFailure }),
    });
    return textAt(result, "StackId");
  } catch (error) {
    if (error instanceof ServiceError && error.message.includes("No updates are to be performed.")) return undefined;
    throw error;
  }
}

export interface Submitted {
  /** Undefined when there is nothing to change. */
  id: string | undefined;
  /** How its status begins when it went well. */
  operation: "CREATE" | "UPDATE";
  /** Ids of the events that were there before. */
  seen: Set<string>;
}

async function standing(client: Client, stack: string): Promise<Pick<Submitted, "operation" | "seen">> {
  const status = await statusOf(client, stack);
  const update = status !== undefined && status !== "REVIEW_IN_PROGRESS";
  const seen = update ? await eventsSoFar(client, stack) : new Set<string>();
  return { operation: update ? "UPDATE" : "CREATE", seen };
}

/** Begins the creation, or the update of a stack that exists. */
export async function submit(client: Client, deployment: Deployment): Promise<Submitted> {
  const { operation, seen } = await standing(client, deployment.stack);
  const id = await begin(client, operation === "UPDATE", deployment);
  return { id, operation, seen };
}

export interface Reviewed extends Submitted {
  review: Review;
}

/** The same as a change set, which shows what would change and is not executed yet. */
export async function propose(client: Client, deployment: Deployment): Promise<Reviewed> {
  const { operation, seen } = await standing(client, deployment.stack);
  const made = await review(client, {
    ...(await inputOf(client, operation === "UPDATE", deployment)),
    ChangeSetName: `mikan-${requestToken()}`,
    ChangeSetType: operation,
    ...(operation === "UPDATE" ? {} : { OnStackFailure: deployment.onFailure }),
  });
  return { id: made.nothing ? undefined : made.stackId, operation, seen, review: made };
}
