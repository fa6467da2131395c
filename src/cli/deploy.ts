/** `mikan deploy`: packages local code, creates or updates the stack, shows its events until it rests. */
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { XmlElement } from "../wire/xml-read.ts";
import { capabilities, listed, packageTemplate, parameterMembers, upload } from "./artifacts.ts";
import { createClient, membersOf, requestToken, ServiceError, textAt, type Client } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";
import { pair, readParameters } from "./parameters.ts";
import { cloudformationVersion, describeStack, eventsSoFar, watchStack } from "./stack.ts";

async function templateOf(client: Client, file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the template ${file}`, { cause });
  });
  return packageTemplate(client, text, dirname(file), say);
}

interface Deployment {
  stack: string;
  template: string;
  parameters: Record<string, string>;
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

export const deploy: Command = {
  summary: "create or update a stack from a template, and watch it",
  usage: `mikan deploy TEMPLATE [--stack NAME] [--parameters FILE] [--parameter KEY=VALUE]... [--code DIR]
         [--on-failure ROLLBACK|DELETE|DO_NOTHING] [--endpoint URL] [--region REGION]

  --code    zip this directory, upload it, and pass it as the parameters CodeBucket and CodeKey;
            a local CodeUri of a SAM function is packaged without being asked

  A stack that exists is updated with what is different; nothing to change is success.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        stack: { type: "string" },
        parameters: { type: "string" },
        parameter: { type: "string", multiple: true, default: [] },
        code: { type: "string" },
        "on-failure": { type: "string", default: "ROLLBACK" },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [template, ...more] = positionals;
    if (template === undefined || more.length > 0)
      throw new UserError("deploy takes one template: mikan deploy TEMPLATE");
    const stack = values.stack ?? basename(template).replace(/\..*$/, "");
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });

    const parameters: Record<string, string> = {
      ...(values.parameters === undefined ? {} : await readParameters(values.parameters)),
      ...Object.assign({}, ...values.parameter.map(pair)),
    };
    if (values.code !== undefined) {
      const { bucket, key } = await upload(client, resolve(values.code), say);
      Object.assign(parameters, { CodeBucket: bucket, CodeKey: key });
    }
    const status = await statusOf(client, stack);
    const update = status !== undefined && status !== "REVIEW_IN_PROGRESS";
    const seen = update ? await eventsSoFar(client, stack) : new Set<string>();
    const id = await begin(client, update, {
      stack,
      template: await templateOf(client, template),
      parameters,
      onFailure: values["on-failure"],
    });
    if (id === undefined) {
      say(`Stack ${stack} is as the template says; there is nothing to change.`);
      return 0;
    }
    const end = await watchStack(client, id, seen);
    if (end.status !== (update ? "UPDATE_COMPLETE" : "CREATE_COMPLETE")) {
      say(`Stack ${stack} is ${end.status}${end.reason === "" ? "" : `: ${end.reason}`}`);
      return 1;
    }
    say(`Stack ${stack} is ready.`);
    for (const { key, value } of end.outputs) say(`  ${key} = ${value}`);
    return 0;
  },
};
