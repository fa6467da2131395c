/** The two stacks of the journey, small: a front door, and an app peeled off behind it. */
import { readFile } from "node:fs/promises";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import {
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import type { Clients } from "./clients.ts";
import { zipOf } from "./zip.ts";

const template = (name: string) => readFile(new URL(`../examples/map-tiles/${name}`, import.meta.url), "utf8");
const capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"] as ("CAPABILITY_IAM" | "CAPABILITY_AUTO_EXPAND")[];
const pollMs = 50;
const restMsMax = 60_000;

function parametersOf(parameters: Readonly<Record<string, string | number>>) {
  return Object.entries(parameters).map(([ParameterKey, value]) => ({ ParameterKey, ParameterValue: String(value) }));
}

export async function createFront(clients: Clients, listenerPort: number, monolithPort: number): Promise<string> {
  const Parameters = parametersOf({ ListenerPort: listenerPort, MonolithPort: monolithPort });
  const input = {
    StackName: "front",
    TemplateBody: await template("front.yaml"),
    Parameters,
    Capabilities: capabilities,
  };
  const { StackId = "" } = await clients.cloudformation.send(new CreateStackCommand(input));
  return StackId;
}

/** Answers with who it is and its process id; waits for `?slow=ms`; breaks for `?break`. */
const handlerSource = `
export async function handler(event) {
  const slow = Number(event.queryStringParameters?.slow ?? 0);
  if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow));
  if (event.queryStringParameters?.break !== undefined) throw new Error("broken on purpose");
  return {
    statusCode: 200,
    headers: { "content-type": "application/json", "x-served-by": "function" },
    body: JSON.stringify({ pid: process.pid, path: event.path, echo: event.body }),
  };
}
`;

export interface Peeling {
  app?: string;
  cap?: number;
  priority?: number;
}

/** Uploads the function's code; to be done once per node. */
export async function uploadCode(clients: Clients, source = handlerSource): Promise<void> {
  await clients.s3.send(new CreateBucketCommand({ Bucket: "code" }));
  const Body = await zipOf({ "index.mjs": source });
  await clients.s3.send(new PutObjectCommand({ Bucket: "code", Key: "app.zip", Body }));
}

export async function createApp(
  clients: Clients,
  { app = "map", cap = 40, priority = 10 }: Peeling = {},
): Promise<string> {
  const Parameters = parametersOf({
    AppName: app,
    PathPattern: `/${app}/*`,
    Priority: priority,
    ConcurrencyCap: cap,
    CodeBucket: "code",
    CodeKey: "app.zip",
  });
  const TemplateBody = await template("peeled-app.yaml");
  const input = { StackName: app, TemplateBody, Parameters, Capabilities: capabilities };
  const { StackId = "" } = await clients.cloudformation.send(new CreateStackCommand(input));
  return StackId;
}

export async function deleteStack(clients: Clients, stack: string): Promise<void> {
  await clients.cloudformation.send(new DeleteStackCommand({ StackName: stack }));
}

/** The stack's status when it rests. `stack` is an id, so that a deleted one is found too. */
export async function restingStatus(clients: Clients, stack: string): Promise<string> {
  const untilMs = Date.now() + restMsMax;
  for (;;) {
    const { Stacks } = await clients.cloudformation.send(new DescribeStacksCommand({ StackName: stack }));
    const status = Stacks?.[0]?.StackStatus ?? "missing";
    if (!status.endsWith("_IN_PROGRESS")) return status;
    if (Date.now() > untilMs) throw new Error(`${stack} is still ${status}`);
    await new Promise((resolve) => {
      setTimeout(resolve, pollMs);
    });
  }
}

/** Why the stack is as it is: the events that failed. */
export async function failuresOf(clients: Clients, stack: string): Promise<string[]> {
  const { StackEvents } = await clients.cloudformation.send(new DescribeStackEventsCommand({ StackName: stack }));
  return (StackEvents ?? [])
    .filter(({ ResourceStatus }) => ResourceStatus?.endsWith("_FAILED"))
    .map(({ LogicalResourceId, ResourceStatusReason }) => `${LogicalResourceId}: ${ResourceStatusReason}`);
}
