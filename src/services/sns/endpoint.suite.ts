/** An HTTP endpoint of a subscriber, on loopback, that remembers what it was sent and answers as it is told. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { bytesOf } from "../../base/http.ts";

export interface Delivery {
  headers: IncomingHttpHeaders;
  body: string;
  atMs: number;
}

export interface TestEndpoint extends AsyncDisposable {
  url: string;
  deliveries: Delivery[];
  /** Statuses of the next answers; 200 when there are none left. */
  answers: number[];
  /** Resolves when so many have come. */
  arrived(count: number): Promise<void>;
}

export async function startEndpoint(now: () => number = Date.now): Promise<TestEndpoint> {
  const deliveries: Delivery[] = [];
  const answers: number[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    void bytesOf(request, 1_000_000).then((bytes) => {
      deliveries.push({ headers: request.headers, body: Buffer.from(bytes).toString(), atMs: now() });
      const status = answers.shift() ?? 200;
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end("answered");
      for (const wake of waiting) wake();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/orders`,
    deliveries,
    answers,
    async arrived(count) {
      while (deliveries.length < count) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
        });
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
