/** A node on PostgreSQL: the journey, a restart, kill -9 in the middle of a stack, a lost connection, and two nodes on one database. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { clientsOf, type Clients } from "./clients.ts";
import { functionsOf, startNodeProcess, type NodeProcess } from "./node-process.ts";
import { startPostgresOrSkip, type TestPostgres } from "./postgres.ts";
import { createApp, createFront, deleteStack, failuresOf, restingStatus, uploadCode } from "./stacks.ts";
import { freePort, startUpstream, type Upstream } from "./upstream.ts";

const postgres: TestPostgres | undefined = await startPostgresOrSkip("a node on PostgreSQL");
afterAll(() => postgres?.stop());

/** Milliseconds after the acknowledgement at which the node is killed. */
const killPointsMs = [0, 60, 200];

describe.skipIf(postgres === undefined)("a node on PostgreSQL", () => {
  let data: string;
  let monolith: Upstream;
  let port: number;
  const nodes: NodeProcess[] = [];
  let temporary: string;
  const before = process.env["TMPDIR"];
  beforeAll(async () => {
    monolith = await startUpstream();
    // A node that is killed leaves its directory of temporary things behind.
    temporary = await mkdtemp(join(tmpdir(), "mikan-killed-"));
    process.env["TMPDIR"] = temporary;
  });
  afterAll(async () => {
    await monolith?.[Symbol.asyncDispose]();
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  });
  beforeEach(async () => {
    data = (await postgres?.createDatabase()) ?? "";
    port = await freePort();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    await postgres?.dropDatabase(data);
  });

  const start = async (): Promise<{ node: NodeProcess; clients: Clients }> => {
    const node = await startNodeProcess("--data", data, "--port", "0");
    nodes.push(node);
    return { node, clients: clientsOf(node.url) };
  };
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, servedBy: response.headers.get("x-served-by"), body: await response.text() };
  };
  const complete = async (clients: Clients, stack: string) =>
    expect(await restingStatus(clients, stack), (await failuresOf(clients, stack)).join()).toBe("CREATE_COMPLETE");
  const pause = (ms: number) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms);
    });

  it("makes the journey, and after a restart goes on where it was", async () => {
    let { node, clients } = await start();
    await complete(clients, await createFront(clients, port, monolith.port));
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "monolith" });
    await uploadCode(clients);
    const app = await createApp(clients, { cap: 3 });
    await complete(clients, app);
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "function" });

    const burst = await Promise.all(Array.from({ length: 9 }, () => ask("/map/1?slow=700")));
    const served = burst.filter(({ status }) => status === 200);
    const refused = burst.filter(({ status }) => status === 502);
    expect([served.length, refused.length]).toEqual([3, 6]);

    expect(await node.end()).toBe(0);
    await expect.poll(() => functionsOf(node.url)).toEqual([]);
    ({ node, clients } = await start());
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "function" });
    expect(await ask("/other")).toMatchObject({ status: 200, servedBy: "monolith" });
    await complete(clients, app);
    const code = await clients.s3.send(new GetObjectCommand({ Bucket: "code", Key: "app.zip" }));
    expect((await code.Body?.transformToByteArray())?.byteLength).toBeGreaterThan(100);

    await deleteStack(clients, "map");
    expect(await restingStatus(clients, app)).toBe("DELETE_COMPLETE");
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "monolith" });
    expect(node.errors()).toBe("");
  });

  it.each(killPointsMs)("killed %i ms into the creation of an app, makes it after all", async (killAtMs) => {
    let { node, clients } = await start();
    await complete(clients, await createFront(clients, port, monolith.port));
    await uploadCode(clients);
    const app = await createApp(clients);
    await pause(killAtMs);
    await node.kill();
    ({ node, clients } = await start());
    expect(await ask("/elsewhere")).toMatchObject({ status: 200, servedBy: "monolith" });
    await complete(clients, app);
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "function" });
  });

  it.each(killPointsMs)("killed %i ms into the deletion of an app, deletes it after all", async (killAtMs) => {
    let { node, clients } = await start();
    await complete(clients, await createFront(clients, port, monolith.port));
    await uploadCode(clients);
    const app = await createApp(clients);
    await complete(clients, app);
    await deleteStack(clients, "map");
    await pause(killAtMs);
    await node.kill();
    ({ node, clients } = await start());
    expect(await restingStatus(clients, app)).toBe("DELETE_COMPLETE");
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "monolith" });
    await complete(clients, await createApp(clients));
  });

  it(
    "beside another one on the same database, corrupts nothing: what both made is there for either, once",
    { timeout: 90_000 },
    async () => {
      const first = await start();
      await complete(first.clients, await createFront(first.clients, port, monolith.port));
      await uploadCode(first.clients);
      const second = await start();
      // The listener's port is the first node's; the second says so, and waits for it.
      await expect
        .poll(() => second.node.errors())
        .toMatch(/a listener's port is in use; it is tried again until it is free/);

      const both = [first.clients, second.clients];
      const made = await Promise.all(
        both.flatMap((clients, node) =>
          [1, 2, 3].map((i) => createApp(clients, { app: `app-${node}-${i}`, priority: 10 * (node + 1) + i })),
        ),
      );
      const same = await Promise.allSettled(both.map((clients) => createApp(clients, { app: "same", priority: 5 })));
      expect(same.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      for (const stack of made) {
        await complete(first.clients, stack);
        await complete(second.clients, stack);
      }
      await expect.poll(() => restingStatus(second.clients, "same")).toBe("CREATE_COMPLETE");
      const { Functions } = await second.clients.lambda.send(new ListFunctionsCommand({}));
      expect(Functions).toHaveLength(made.length + 1);

      // One of them dies in the middle of a stack: the other takes it over.
      const orphan = await createApp(first.clients, { app: "orphan", priority: 40 });
      await first.node.kill();
      await complete(second.clients, orphan);
      // Its listener, too: with the routing of all that was acknowledged, by whomever.
      for (const app of ["app-0-1", "app-1-3", "same", "orphan"]) {
        await expect
          .poll(() => ask(`/${app}/x`).catch(() => undefined), { timeout: 15_000 })
          .toMatchObject({ status: 200, servedBy: "function" });
      }
      expect(second.node.errors().trim().split("\n")).toHaveLength(1);
    },
  );
});
