/** Killed at any point of the journey and started again: what was acknowledged holds, and what was under way ends well. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clientsOf } from "./clients.ts";
import { functionsOf, startNodeProcess, type NodeProcess } from "./node-process.ts";
import { createApp, createFront, deleteStack, failuresOf, restingStatus, uploadCode } from "./stacks.ts";
import { freePort, startUpstream, type Upstream } from "./upstream.ts";

/** Milliseconds after the acknowledgement at which the node is killed: they spread over the steps of a stack. */
const killPointsMs = [0, 30, 90, 220, 600];
const gonePollMs = 2_000;

let data: string;
let upstream: Upstream;
let listenerPort: number;
let node: NodeProcess;

const start = async () => {
  node = await startNodeProcess("--data", data, "--port", "0");
  return clientsOf(node.url);
};
const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
async function ask(path: string): Promise<{ status: number; servedBy: string | null; body: string }> {
  const response = await fetch(`http://127.0.0.1:${listenerPort}${path}`);
  return { status: response.status, servedBy: response.headers.get("x-served-by"), body: await response.text() };
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-kill-"));
  upstream = await startUpstream();
  listenerPort = await freePort();
});
afterEach(async () => {
  await node.kill();
  await upstream[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

describe("kill -9", () => {
  it.each(killPointsMs)("%i ms into the creation of an app", async (killAtMs) => {
    let clients = await start();
    const front = await createFront(clients, listenerPort, upstream.port);
    expect(await restingStatus(clients, front), (await failuresOf(clients, front)).join()).toBe("CREATE_COMPLETE");
    await uploadCode(clients);
    const app = await createApp(clients);
    await pause(killAtMs);
    await node.kill();

    clients = await start();
    // The routing is as it was acknowledged, before anything is asked of the API.
    expect(await ask("/elsewhere")).toMatchObject({ status: 200, servedBy: "monolith" });
    expect(await restingStatus(clients, app), (await failuresOf(clients, app)).join()).toBe("CREATE_COMPLETE");
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "function" });
    expect(await restingStatus(clients, front)).toBe("CREATE_COMPLETE");
  });

  it.each(killPointsMs)("%i ms into the deletion of an app", async (killAtMs) => {
    let clients = await start();
    await createFront(clients, listenerPort, upstream.port).then((front) => restingStatus(clients, front));
    await uploadCode(clients);
    const app = await createApp(clients);
    expect(await restingStatus(clients, app)).toBe("CREATE_COMPLETE");
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "function" });
    expect(await functionsOf(node.url)).not.toEqual([]);
    await deleteStack(clients, "map");
    await pause(killAtMs);
    await node.kill();
    // The function's process ends with the node, not with the next start.
    await expect.poll(() => functionsOf(node.url), { timeout: gonePollMs }).toEqual([]);

    clients = await start();
    expect(await restingStatus(clients, app)).toBe("DELETE_COMPLETE");
    expect(await ask("/map/1")).toMatchObject({ status: 200, servedBy: "monolith" });
    // Nothing is left behind that would stand in the way of the next peeling.
    expect(await restingStatus(clients, await createApp(clients))).toBe("CREATE_COMPLETE");
  });

  it("under load loses nothing acknowledged, and runs no function of the dead node", async () => {
    let clients = await start();
    await createFront(clients, listenerPort, upstream.port).then((front) => restingStatus(clients, front));
    await uploadCode(clients);
    await createApp(clients).then((app) => restingStatus(clients, app));
    await Promise.all(Array.from({ length: 8 }, () => ask("/map/1?slow=100")));
    expect((await functionsOf(node.url)).length).toBeGreaterThan(1);
    const dying = Array.from({ length: 8 }, () => ask("/map/1?slow=5000").catch(() => undefined));
    await pause(100);
    await node.kill();
    await Promise.all(dying);
    await expect.poll(() => functionsOf(node.url), { timeout: gonePollMs }).toEqual([]);

    clients = await start();
    expect(await ask("/map/2")).toMatchObject({ status: 200, servedBy: "function" });
    expect(await ask("/other")).toMatchObject({ status: 200, servedBy: "monolith" });
  });
});
