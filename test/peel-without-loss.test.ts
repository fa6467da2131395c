/** Not one request fails while a route is peeled off and while it falls back, at 500 requests a second over real sockets. */
import { describe, expect, it } from "vitest";
import { createVisitors } from "../examples/map-tiles/visitors.ts";
import { startMikan } from "../src/mikan.ts";
import { clientsOf } from "./clients.ts";
import { createApp, createFront, deleteStack, failuresOf, restingStatus, uploadCode } from "./stacks.ts";
import { freePort, startUpstream } from "./upstream.ts";

const requestsPerSecond = 500;
const visitors = 24;
const swapDelayMs = 200;

/** Answers as the map would, so that the visitors take it for one. */
const tileAnswer = { "content-type": "application/vnd.mapbox-vector-tile", "x-served-by": "monolith" };
const functionSource = `
export const handler = async () => ({
  statusCode: 200,
  headers: { "content-type": "application/vnd.mapbox-vector-tile", "x-served-by": "function" },
  body: Buffer.from("tile").toString("base64"),
  isBase64Encoded: true,
});
`;

describe.each([1, 4])("with %i edge workers, one of them slow to swap", (edgeWorkers) => {
  it("no request fails", async () => {
    await using monolith = await startUpstream((request, response) => {
      const types: [RegExp, string][] = [
        [/^\/map\//, tileAnswer["content-type"]],
        [/^\/(routes|spots)/, "application/json"],
      ];
      const type = types.find(([path]) => path.test(request.url ?? ""))?.[1] ?? "text/html";
      response.writeHead(200, { "content-type": type, "x-served-by": "monolith" }).end("tile");
    });
    await using mikan = await startMikan({
      edgeWorkers,
      edgeSwapDelayMs: (worker) => (worker === 0 ? swapDelayMs : 0),
    });
    using clients = clientsOf(mikan.url);
    const listenerPort = await freePort();
    const front = await createFront(clients, listenerPort, monolith.port);
    expect(await restingStatus(clients, front), (await failuresOf(clients, front)).join()).toBe("CREATE_COMPLETE");
    await uploadCode(clients, functionSource);

    const crowd = createVisitors({ origin: `http://127.0.0.1:${listenerPort}`, visitors, requestsPerSecond, seed: 7 });
    crowd.start();
    const app = await createApp(clients);
    expect(await restingStatus(clients, app), (await failuresOf(clients, app)).join()).toBe("CREATE_COMPLETE");
    const peeled = crowd.lap();
    // Every worker runs the new routing once the stack is acknowledged.
    await expect
      .poll(() => crowd.report().tileServers["function"]?.answers ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(200);
    crowd.lap();
    await deleteStack(clients, "map");
    expect(await restingStatus(clients, app)).toBe("DELETE_COMPLETE");
    crowd.lap();
    await expect
      .poll(() => crowd.report().tileServers["monolith"]?.answers ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(200);
    const report = await crowd.stop();

    expect(report.failures).toEqual([]);
    expect(report.failed).toBe(0);
    expect(peeled.ok).toBeGreaterThan(0);
    expect(report.tileServers["function"]?.answers).toBeGreaterThan(200);
  });
});
