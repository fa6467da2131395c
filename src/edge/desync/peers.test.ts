/**
 * What the edge sends on is read by nginx and HAProxy as it was meant: the same method, target and body, and nothing left
 * over that they could take for another request.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import type { RawClient, RawResponse } from "../raw-client.suite.ts";
import { attempts, payloadOf, read, type Sent } from "./fuzz.suite.ts";
import { guardianCases } from "./guardian.suite.ts";
import { hasPeer, startPeer, type PeerName } from "./peers.suite.ts";
import { bodyOf, bytesOf } from "./wire.suite.ts";

interface Seen {
  method: string | undefined;
  target: string | undefined;
  body: string;
}

const peers: readonly PeerName[] = ["nginx", "haproxy"];
const next = "GET /next HTTP/1.1\r\nHost: z\r\nConnection: close\r\n\r\n";

for (const name of peers) {
  describe.skipIf(!hasPeer(name))(
    `${name}${hasPeer(name) ? "" : " IS NOT INSTALLED: what it would read was not tried"}`,
    () => {
      const stage = new Stage();
      const seen: Seen[] = [];
      let direct = 0;
      let port = 0;

      beforeAll(async () => {
        const endpoint = await stage.http((request, response) => {
          const parts: Buffer[] = [];
          request.on("data", (part: Buffer) => parts.push(part));
          request.on("end", () => {
            const { method, url } = request;
            seen.push({ method, target: url, body: Buffer.concat(parts).toString("latin1") });
            response.end("ok");
          });
        });
        direct = await startPeer(stage, name, endpoint);
        port = await freePort();
        const listeners = [listener(port, [all("c")], { desync: "monitor" })];
        await stage.edge().apply({ epoch: 1, listeners, clusters: [cluster("c", [address(direct)])] });
      });
      afterAll(() => stage.strike());
      beforeEach(() => {
        seen.length = 0;
      });

      const passing = Object.values(guardianCases)
        .flat()
        .filter(({ status }) => status === undefined);

      it.each(passing.map((each) => [JSON.stringify(bytesOf(each).toString("latin1").slice(0, 150)), each] as const))(
        "behind the edge: %s",
        async (_, each) => {
          const client = stage.client(port).send(bytesOf(each));
          expect((await client.response(each.method === "HEAD")).status).toBe(200);
          client.destroy();
          expect(seen).toMatchObject([{ method: each.method, body: bodyOf(each).read }]);
        },
      );

      it("reads what is sent on of changed requests as it was meant, and the next one behind it", async () => {
        const accepted = fc
          .sample(attempts, { numRuns: 1_500, seed: 4 })
          .map(({ bytes, mode }) => read(bytes, [], mode))
          .filter((reading): reading is Sent => "sent" in reading);
        expect(accepted.length).toBeGreaterThan(200);
        for (const reading of accepted.filter(({ head }) => known(head))) {
          seen.length = 0;
          const client = stage.client(direct).send(reading.sent).send(next);
          const { status } = await finalOf(client, reading.head.method === "HEAD");
          expect([status, reading.sent]).toEqual([200, reading.sent]);
          expect((await client.response()).status).toBe(200);
          const { method, target } = reading.head;
          expect(seen).toMatchObject([{ method, target, body: payloadOf(reading) }, { target: "/next" }]);
          client.destroy();
        }
      });
    },
  );
}

/** The answer behind any `100 Continue`. */
async function finalOf(client: RawClient, headOnly: boolean): Promise<RawResponse> {
  for (;;) {
    const response = await client.response(headOnly);
    if (response.status >= 200) return response;
  }
}

/** Methods that all of them know. */
function known({ method }: { method: string }): boolean {
  return ["GET", "HEAD", "POST", "PUT", "DELETE"].includes(method);
}
