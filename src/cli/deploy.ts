/** `mikan deploy`: packages local code, creates or updates the stack, shows its events until it rests. */
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packageTemplate, upload } from "./artifacts.ts";
import { execute, showChanges, withdraw } from "./change-set.ts";
import { createClient, type Client } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";
import { pair, readParameters } from "./parameters.ts";
import { watchStack } from "./stack.ts";
import { propose, submit, type Deployment, type Submitted } from "./submit.ts";

async function templateOf(client: Client, file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the template ${file}`, { cause });
  });
  return packageTemplate(client, text, dirname(file), say);
}

/** Says what would change, and leaves everything as it is. */
async function dryRun(client: Client, deployment: Deployment): Promise<void> {
  const { id, review } = await propose(client, deployment);
  if (id === undefined) return say(nothingToChange(deployment.stack));
  showChanges(deployment.stack, review);
  await withdraw(client, review.id, review.stackId);
}

/** Says what will change, and begins it. */
async function reviewed(client: Client, deployment: Deployment): Promise<Submitted> {
  const proposed = await propose(client, deployment);
  showChanges(deployment.stack, proposed.review);
  if (proposed.id !== undefined) await execute(client, proposed.review.id);
  return proposed;
}

export interface DeployOptions extends Omit<Deployment, "template"> {
  /** The template's file. */
  template: string;
  diff: boolean;
}

/** Deploys a template, and shows its events until the stack rests. False: it did not get there. */
export async function deployTemplate(client: Client, { diff, ...options }: DeployOptions): Promise<boolean> {
  const { stack } = options;
  const deployment = { ...options, template: await templateOf(client, options.template) };
  const { id, operation, seen } = await (diff ? reviewed : submit)(client, deployment);
  if (id === undefined) {
    say(nothingToChange(stack));
    return true;
  }
  const end = await watchStack(client, id, seen);
  if (end.status !== `${operation}_COMPLETE`) {
    say(`Stack ${stack} is ${end.status}${end.reason === "" ? "" : `: ${end.reason}`}`);
    return false;
  }
  say(`Stack ${stack} is ready.`);
  for (const { key, value } of end.outputs) say(`  ${key} = ${value}`);
  return true;
}

/** A stack is named after its template unless somebody names it. */
export const stackNameOf = (template: string) => basename(template).replace(/\..*$/, "");

function nothingToChange(stack: string): string {
  return `Stack ${stack} is as the template says; there is nothing to change.`;
}

export const deploy: Command = {
  summary: "create or update a stack from a template, and watch it",
  usage: `mikan deploy TEMPLATE [--stack NAME] [--parameters FILE] [--parameter KEY=VALUE]... [--code DIR]
         [--diff | --dry-run] [--on-failure ROLLBACK|DELETE|DO_NOTHING] [--endpoint URL] [--region REGION]

  --code    zip this directory, upload it, and pass it as the parameters CodeBucket and CodeKey;
            a local CodeUri of a SAM function is packaged without being asked

  --diff    say what will change, and which property is why, before it does
  --dry-run the same, and change nothing; local code is uploaded, so that it can be compared

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
        diff: { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
        "on-failure": { type: "string", default: "ROLLBACK" },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [template, ...more] = positionals;
    if (template === undefined || more.length > 0)
      throw new UserError("deploy takes one template: mikan deploy TEMPLATE");
    const stack = values.stack ?? stackNameOf(template);
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
    const deployment = { stack, template, parameters, onFailure: values["on-failure"] };
    if (values["dry-run"]) {
      await dryRun(client, { ...deployment, template: await templateOf(client, template) });
      return 0;
    }
    return (await deployTemplate(client, { ...deployment, diff: values.diff })) ? 0 : 1;
  },
};
