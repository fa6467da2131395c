/** A monolith of one line: answers everything, and says who it is. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

export interface Upstream extends AsyncDisposable {
  port: number;
  origin: string;
  /** Requests seen. */
  readonly requests: number;
}

/** `port` 0 takes a free one. */
export async function startUpstream(listener?: RequestListener, port = 0): Promise<Upstream> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    if (listener !== undefined) {
      listener(request, response);
      return;
    }
    request.resume();
    response.setHeader("X-Served-By", "monolith");
    response.end("monolith");
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    port: taken,
    origin: `http://127.0.0.1:${taken}`,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** A port that nobody has at this moment. */
export async function freePort(): Promise<number> {
  await using server = await startUpstream();
  return server.port;
}
