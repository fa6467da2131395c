/**
 * The journey of the warehouse's orders: a database that cannot take them all at once, a queue before it, orders that
 * nobody can fulfil, and what becomes of them. `-- --exit` ends with code 0 only if every step held.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { freePort, mikan, mikanCommand, start, type Running } from "../stage/processes.ts";
import { perform } from "../stage/performance.ts";
import type { Story } from "../stage/story.ts";
import { buildFunctions } from "./build.ts";

const { values: options } = parseArgs({ options: { exit: { type: "boolean", default: false } } });
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const burstSize = 300;
/** Fewer than the cap of the function that takes orders: nobody of them is the excess. */
const customers = 40;
const poisonSize = 5;
const drainMsMax = 60_000;
const stock = 100_000;

interface Stage {
  story: Story;
  endpoint: string;
  origin: string;
  sqs: SQSClient;
  cloudformation: CloudFormationClient;
}

async function command({ story }: Pick<Stage, "story">, args: readonly string[]): Promise<boolean> {
  story.line(
    `$ mikan ${args.map((arg) => arg.replace(here("."), "examples/warehouse/").replace(here("../map-tiles"), "examples/map-tiles")).join(" ")}`,
  );
  const { code } = await mikan(args, (line) => story.line(`  ${line}`));
  return code === 0;
}

interface Answer {
  status: number;
  ms: number;
}

async function post(origin: string, path: string, body: object): Promise<Answer> {
  const startedMs = performance.now();
  const response = await fetch(origin + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return { status: response.status, ms: performance.now() - startedMs };
}

/** So many orders, each customer's one after another; gives how many were answered with each status, and the slowest answer. */
async function burst({ origin }: Stage, name: string, count: number, sku: string) {
  const orders = Array.from({ length: count }, (_, i) => ({ order: `${name}-${i}`, sku, quantity: 1 }));
  const answers: Answer[] = [];
  const customer = async () => {
    for (let order = orders.shift(); order !== undefined; order = orders.shift()) {
      answers.push(await post(origin, "/outbound/orders", order));
    }
  };
  await Promise.all(Array.from({ length: customers }, customer));
  const statuses = Object.groupBy(answers, ({ status }) => String(status));
  return {
    of: (status: number) => statuses[status]?.length ?? 0,
    text: Object.entries(statuses)
      .map(([status, of = []]) => `${of.length} times ${status}`)
      .join(", "),
    slowestMs: Math.max(...answers.map(({ ms }) => ms)),
  };
}

async function ordersOf({ origin }: Stage): Promise<number> {
  const response = await fetch(`${origin}/outbound/count`);
  return ((await response.json()) as { orders: number }).orders;
}

/** What waits in a queue, seen or not. */
async function waitingIn({ sqs }: Stage, QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  return (
    Number(Attributes["ApproximateNumberOfMessages"]) + Number(Attributes["ApproximateNumberOfMessagesNotVisible"])
  );
}

/** Resolves with what `measure` gives when that is `wanted`, or after a minute. */
async function until(wanted: number, measure: () => Promise<number>): Promise<number> {
  const untilMs = performance.now() + drainMsMax;
  for (;;) {
    const found = await measure();
    if (found === wanted || performance.now() > untilMs) return found;
    await sleep(200);
  }
}

async function alone(stage: Stage): Promise<number> {
  const { story } = stage;
  story.step(`${burstSize} orders of ${customers} customers, and the database takes four at a time`);
  const { of, text, slowestMs } = await burst(stage, "alone", burstSize, "mikan");
  story.line(`${text}; the slowest answer took ${slowestMs.toFixed(0)} ms`);
  story.check(of(503) > 0, `customers were turned away (${of(503)})`);
  return of(201);
}

async function buffered(stage: Stage, before: number, outputs: Outputs): Promise<void> {
  const { story } = stage;
  story.step(`The same ${burstSize} orders, with the queue before the database`);
  const startedMs = performance.now();
  const { of, text, slowestMs } = await burst(stage, "buffered", burstSize, "mikan");
  story.line(`${text}; the slowest answer took ${slowestMs.toFixed(0)} ms`);
  story.check(of(202) === burstSize, "every order was accepted");
  const orders = await until(before + burstSize, () => ordersOf(stage));
  const seconds = (performance.now() - startedMs) / 1_000;
  story.check(
    orders === before + burstSize,
    `every order is in the database, once (${orders - before}, after ${seconds.toFixed(1)} s)`,
  );
  const left = await until(0, () => waitingIn(stage, outputs["QueueUrl"] ?? ""));
  story.check(left === 0, "the queue is empty");
}

async function poisoned(stage: Stage, outputs: Outputs): Promise<void> {
  const { story, origin, sqs } = stage;
  story.step(`${poisonSize} orders for something that the warehouse does not have, among others`);
  const before = await ordersOf(stage);
  const [poison, good] = await Promise.all([
    burst(stage, "poison", poisonSize, "yuzu"),
    burst(stage, "beside", 20, "mikan"),
  ]);
  story.check(poison.of(202) + good.of(202) === poisonSize + 20, "all were accepted: nobody looks at the stock yet");
  const orders = await until(before + 20, () => ordersOf(stage));
  story.check(orders === before + 20, "the good ones went through");
  const dead = await until(poisonSize, () => waitingIn(stage, outputs["DeadOrdersUrl"] ?? ""));
  story.check(
    dead === poisonSize,
    `the bad ones came to rest in the dead-letter queue, after three tries each (${dead})`,
  );

  story.step("The product is added, and the dead orders are driven back");
  await post(origin, "/products", { sku: "yuzu", name: "A crate of yuzu" });
  await post(origin, "/inbound/shipments", { shipment: "late", sku: "yuzu", quantity: 1_000 });
  const SourceArn = outputs["DeadOrdersArn"] ?? "";
  await sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
  const fulfilled = await until(before + 20 + poisonSize, () => ordersOf(stage));
  story.check(fulfilled === before + 20 + poisonSize, "every one of them is fulfilled");
  const { Results = [] } = await sqs.send(new ListMessageMoveTasksCommand({ SourceArn }));
  story.line(`the move task is ${Results[0]?.Status}, ${Results[0]?.ApproximateNumberOfMessagesMoved} messages moved`);
}

async function fallBack(stage: Stage): Promise<void> {
  const { story, endpoint, origin } = stage;
  story.step("Fall back: delete the stack, and the monolith has the route again");
  story.check(await command(stage, ["delete", "orders", "--endpoint", endpoint]), "the stack `orders` is deleted");
  const { status } = await post(origin, "/outbound/orders", { order: "after", sku: "mikan", quantity: 1 });
  story.check(status === 201, "the monolith takes the order by itself");
}

type Outputs = Record<string, string>;

async function outputsOf({ cloudformation }: Stage, StackName: string): Promise<Outputs> {
  const { Stacks = [] } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  return Object.fromEntries(
    (Stacks[0]?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
  );
}

async function journey(story: Story, running: Running[]): Promise<Stage> {
  story.step("The warehouse: inbound and outbound in one process, over one datastore");
  const warehouse = await start(process.execPath, [here("monolith/server.ts"), "--port", "0"], /:\d+/);
  running.push(warehouse);
  const warehouseUrl = /http:\/\/\S+/.exec(warehouse.ready)?.[0] ?? "";
  story.line(warehouse.ready);

  story.step("Mikan in front of it");
  const port = await freePort(options.exit ? 0 : 4566);
  const node = await start(mikanCommand, ["up", "--ephemeral", "--port", String(port)], /ready/);
  running.push(node);
  story.line(node.ready);
  const endpoint = /http:\/\/[^ ]+/.exec(node.ready)?.[0] ?? "";
  const listenerPort = await freePort(options.exit ? 0 : 8080);
  const client = { endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } };
  const stage: Stage = {
    story,
    endpoint,
    origin: `http://127.0.0.1:${listenerPort}`,
    sqs: new SQSClient(client),
    cloudformation: new CloudFormationClient(client),
  };
  // The front door is the same for every monolith.
  const parameters = [`ListenerPort=${listenerPort}`, `MonolithPort=${new URL(warehouseUrl).port}`].flatMap((pair) => [
    "--parameter",
    pair,
  ]);
  const front = await command(stage, [
    "deploy",
    here("../map-tiles/front.yaml"),
    "--stack",
    "front",
    "--endpoint",
    endpoint,
    ...parameters,
  ]);
  story.check(front, "the stack `front` is created");
  if (!front) return stage;
  await post(stage.origin, "/products", { sku: "mikan", name: "A crate of mikan" });
  await post(stage.origin, "/inbound/shipments", { shipment: "first", sku: "mikan", quantity: 1_000 });
  for (let shipment = 1; shipment < stock / 1_000 / 20; shipment += 1) {
    await post(stage.origin, "/inbound/shipments", { shipment: `${shipment}`, sku: "mikan", quantity: 1_000 });
  }

  const taken = await alone(stage);

  story.step("Peel: the stack `orders` takes new orders, and feeds them on from a queue");
  await buildFunctions();
  const url = ["--parameter", `WarehouseUrl=${warehouseUrl}`];
  const peeled = await command(stage, [
    "deploy",
    here("orders.yaml"),
    "--stack",
    "orders",
    ...url,
    "--endpoint",
    endpoint,
  ]);
  story.check(peeled, "the stack `orders` is created");
  if (!peeled) return stage;
  const outputs = await outputsOf(stage, "orders");
  await buffered(stage, taken, outputs);
  await poisoned(stage, outputs);
  await fallBack(stage);
  return stage;
}

await perform(async (story, running) => {
  const { endpoint, origin } = await journey(story, running);
  return [`The warehouse is at ${origin}, the APIs at ${endpoint}.`];
}, options);
