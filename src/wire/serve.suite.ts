/** For tests: wire behind node:http on a free port, answering with whatever the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { systemClock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { HttpRequest, HttpResponse } from "../base/http.ts";
import { randomIds } from "../base/ids.ts";
import { createWire, WireRefusal, type DecodedCall, type WireOptions } from "./wire.ts";

export interface WireServer {
  url: string;
  port: number;
  /** The calls that came, in order. */
  calls: DecodedCall[];
  /** What answers them: an output, or a fault thrown. */
  answer: (call: DecodedCall) => object | Promise<object>;
  /** Heads of the requests that came, in order. */
  requests: HttpRequest[];
  /** What `decode` threw that was no refusal. */
  broken: unknown[];
  close(): Promise<void>;
}

export async function serveWire(options: Partial<WireOptions> = {}): Promise<WireServer> {
  const wire = createWire({ clock: systemClock, ids: randomIds, ...options });
  const server: Omit<WireServer, "url" | "port" | "close"> = {
    calls: [],
    requests: [],
    broken: [],
    answer: () => ({}),
  };
  const respond = async (request: HttpRequest): Promise<HttpResponse> => {
    let call: DecodedCall;
    try {
      call = await wire.decode(request);
    } catch (error) {
      if (error instanceof WireRefusal) {
        if (error.fault.cause !== undefined && error.fault.code === "InternalFailure")
          server.broken.push(error.fault.cause);
        return error.response;
      }
      server.broken.push(error);
      throw error;
    }
    server.calls.push(call);
    try {
      return call.encode(await handle.answer(call));
    } catch (error) {
      return call.encodeFault(error);
    }
  };
  const http = createServer((message, response) => {
    const request = requestOf(message);
    handle.requests.push(request);
    respond(request)
      .then((answer) => send(answer, response))
      .catch((error: unknown) => response.destroy(asError(error)));
  });
  await new Promise<void>((resolve) => {
    http.listen(0, "127.0.0.1", resolve);
  });
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const handle: WireServer = Object.assign(server, {
    port,
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  });
  return handle;
}

function requestOf(message: IncomingMessage): HttpRequest {
  const { socket } = message;
  return {
    method: message.method ?? "GET",
    target: message.url ?? "/",
    host: (message.headers.host ?? "").toLowerCase(),
    scheme: "http",
    headers: message.rawHeaders,
    body: message.headers["content-length"] === "0" || message.method === "GET" ? undefined : bytesFrom(message),
    client: { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 },
    startedAt: Date.now(),
    signal: new AbortController().signal,
  };
}

async function* bytesFrom(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  for await (const chunk of message) yield chunk as Uint8Array;
}

async function send({ status, headers, body }: HttpResponse, response: ServerResponse): Promise<void> {
  const fields = [...headers];
  if (body instanceof Uint8Array) fields.push("Content-Length", String(body.byteLength));
  response.writeHead(status, fields);
  if (body instanceof Uint8Array) response.write(body);
  else if (body !== undefined) for await (const chunk of body) response.write(chunk);
  response.end();
}

/** A request as raw as a test wants it, without a server. */
export function rawRequest(init: Partial<HttpRequest> & { target?: string } = {}): HttpRequest {
  return {
    method: "POST",
    target: "/",
    host: "127.0.0.1:4566",
    scheme: "http",
    headers: [],
    body: undefined,
    client: { address: "127.0.0.1", port: 1 },
    startedAt: 0,
    signal: new AbortController().signal,
    ...init,
  };
}

/** An `Authorization` field that is well-formed, for tests where nobody verifies it. */
export function authorizationFor(service: string): string[] {
  const credential = `000000000001/20260101/us-east-1/${service}/aws4_request`;
  return [
    "Authorization",
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`,
    "X-Amz-Date",
    "20260101T000000Z",
    ...(service === "s3" ? ["x-amz-content-sha256", "UNSIGNED-PAYLOAD"] : []),
  ];
}

/** A form for a query service, signed by nobody in particular. */
export function formRequest(service: string, body: string): HttpRequest {
  const type = ["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"];
  return rawRequest({ headers: [...authorizationFor(service), ...type], body: Buffer.from(body) });
}
