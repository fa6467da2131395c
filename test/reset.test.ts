/** `POST /_mikan/reset`: an ephemeral node is as new, between two tests of somebody's suite; a durable one refuses. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DescribeLoadBalancersCommand, DescribeTargetGroupsCommand } from "@aws-sdk/client-elastic-load-balancing-v2";
import { ListRolesCommand } from "@aws-sdk/client-iam";
import { ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { ListBucketsCommand } from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { startMikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { isAlive } from "./node-process.ts";
import { createApp, createFront, failuresOf, restingStatus, uploadCode } from "./stacks.ts";
import { freePort, startUpstream } from "./upstream.ts";

const reset = (url: string, headers: Record<string, string> = { "X-Mikan-Intent": "reset" }) =>
  fetch(`${url}/_mikan/reset`, { method: "POST", headers });

async function everything({ cloudformation, elb, iam, lambda, logs, s3 }: Clients): Promise<number> {
  const found = await Promise.all([
    cloudformation.send(new DescribeStacksCommand({})).then(({ Stacks }) => Stacks),
    elb.send(new DescribeLoadBalancersCommand({})).then(({ LoadBalancers }) => LoadBalancers),
    elb.send(new DescribeTargetGroupsCommand({})).then(({ TargetGroups }) => TargetGroups),
    iam.send(new ListRolesCommand({})).then(({ Roles }) => Roles),
    lambda.send(new ListFunctionsCommand({})).then(({ Functions }) => Functions),
    logs.send(new DescribeLogGroupsCommand({})).then(({ logGroups }) => logGroups),
    s3.send(new ListBucketsCommand({})).then(({ Buckets }) => Buckets),
  ]);
  return found.reduce((count, list) => count + (list ?? []).length, 0);
}

interface Served {
  pid: number;
}

/** Both stacks, and a tile from the function: gives its process id. */
async function journey(clients: Clients, listenerPort: number, monolithPort: number): Promise<number> {
  const front = await createFront(clients, listenerPort, monolithPort);
  expect(await restingStatus(clients, front), (await failuresOf(clients, front)).join()).toBe("CREATE_COMPLETE");
  await uploadCode(clients);
  const app = await createApp(clients);
  expect(await restingStatus(clients, app), (await failuresOf(clients, app)).join()).toBe("CREATE_COMPLETE");
  const tile = await fetch(`http://127.0.0.1:${listenerPort}/map/1`);
  expect(tile.headers.get("x-served-by")).toBe("function");
  return ((await tile.json()) as Served).pid;
}

it("takes everything away, listeners and processes too, and the next journey begins where the first did", async () => {
  await using monolith = await startUpstream();
  // Its process id is the machine's then.
  await using mikan = await startMikan({ isolation: "process" });
  using clients = clientsOf(mikan.url);
  const listenerPort = await freePort();
  for (const _round of [1, 2, 3]) {
    const pid = await journey(clients, listenerPort, monolith.port);
    expect(await everything(clients)).toBeGreaterThan(6);
    // Somebody waits for a slow answer, and somebody is in the middle of a stack.
    const waiting = fetch(`http://127.0.0.1:${listenerPort}/map/1?slow=20000`).then(
      ({ status }) => status,
      () => "cut",
    );
    await createApp(clients, { app: "other", priority: 20 });
    expect((await reset(mikan.url)).status).toBe(200);
    expect(await everything(clients)).toBe(0);
    await expect(fetch(`http://127.0.0.1:${listenerPort}/`)).rejects.toThrow();
    await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
    expect(await waiting).not.toBe(200);
  }
});

it("may be asked for by many at once", async () => {
  await using mikan = await startMikan();
  using clients = clientsOf(mikan.url);
  await uploadCode(clients);
  const answers = await Promise.all(Array.from({ length: 4 }, () => reset(mikan.url)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(await everything(clients)).toBe(0);
  await uploadCode(clients);
});

it("needs its header, and an ephemeral node", async () => {
  const data = await mkdtemp(join(tmpdir(), "mikan-reset-"));
  try {
    await using durable = await startMikan({ data });
    using clients = clientsOf(durable.url);
    await uploadCode(clients);
    const refused = await reset(durable.url);
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { message: "Only a node started with --ephemeral can be reset; this one keeps its data." },
    ]);
    expect(await everything(clients)).toBe(1);
    await using ephemeral = await startMikan();
    expect((await reset(ephemeral.url, {})).status).toBe(403);
    expect((await fetch(`${ephemeral.url}/_mikan/reset`)).status).toBe(404);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
