/** A stack made or changed, whichever it needs: CreateStack or UpdateStack, over the public API. */
import type { XmlElement } from "../wire/xml-read.ts";
import { capabilities, listed, parameterMembers } from "./artifacts.ts";
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
  const declared = new Set(keysIn(await query("GetTemplateSummary", { TemplateBody: template })));
  const kept = known.filter((key) => declared.has(key) && !Object.hasOwn(parameters, key));
  const given = Object.keys(parameters).length;
  return Object.fromEntries(
    kept.flatMap((key, index) => [
      [`Parameters.member.${given + index + 1}.ParameterKey`, key],
      [`Parameters.member.${given + index + 1}.UsePreviousValue`, "true"],
    ]),
  ) as Record<string, string>;
}

/** Begins the creation or the update. Undefined when there is nothing to change. */
async function begin(client: Client, update: boolean, deployment: Deployment): Promise<string | undefined> {
  const { stack, template, parameters, onFailure } = deployment;
  const previous = update ? await previousMembers(client, deployment) : {};
  try {
    const result = await client.query("cloudformation", cloudformationVersion, update ? "UpdateStack" : "CreateStack", {
      StackName: stack,
      TemplateBody: template,
      ClientRequestToken: requestToken(),
      ...(update ? {} : { OnFailure: onFailure }),
      ...listed("Capabilities", capabilities),
      ...parameterMembers(parameters),
      ...previous,
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

/** Begins the creation, or the update of a stack that exists. */
export async function submit(client: Client, deployment: Deployment): Promise<Submitted> {
  const status = await statusOf(client, deployment.stack);
  const update = status !== undefined && status !== "REVIEW_IN_PROGRESS";
  const seen = update ? await eventsSoFar(client, deployment.stack) : new Set<string>();
  const id = await begin(client, update, deployment);
  return { id, operation: update ? "UPDATE" : "CREATE", seen };
}
