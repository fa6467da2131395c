import { afterEach, describe, expect, it } from "vitest";
import type { HttpResponse } from "../base/http.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import { errorReasonHeader, type ClusterConfig, type Edge, type EndpointConfig, type ListenerConfig } from "./ports.ts";
import { neverAnswered, reasonTable } from "./reasons.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = (...fields: string[]) => `${["GET / HTTP/1.1", "Host: a", ...fields].join("\r\n")}\r\n\r\n`;
const function_: EndpointConfig = { kind: "function", id: "f", requestBytesMax: 5 };

interface Scene {
  endpoints?: readonly EndpointConfig[];
  group?: Partial<ClusterConfig>;
  listener?: Partial<ListenerConfig>;
  request?: string;
  answer?: () => Promise<HttpResponse>;
  /** Happens once the request was sent. */
  meanwhile?: (edge: Edge, port: number, client: { destroy(): void }) => Promise<void> | void;
}

/** An endpoint that does `then` with each connection that has said something. */
async function endpoint(then: (socket: { write(text: string): void; destroy(): void }) => void) {
  return [address(await stage.tcp((socket) => socket.once("data", () => then(socket))))];
}

async function asking(): Promise<Scene> {
  const asked = Promise.withResolvers<void>();
  return {
    endpoints: await endpoint(() => asked.resolve()),
    meanwhile: async (_, __, client) => {
      await asked.promise;
      client.destroy();
    },
  };
}

async function draining(): Promise<Scene> {
  const asked = Promise.withResolvers<void>();
  const endpoints = await endpoint(() => asked.resolve());
  return {
    endpoints,
    group: { drainMs: 50 },
    meanwhile: async (edge, port) => {
      await asked.promise;
      await edge.apply({ epoch: 2, listeners: [listener(port, [all("c")], logging)], clusters: [cluster("c", [])] });
    },
  };
}

const logging = { accessLog: true, loadBalancerId: "lb" };
const short = { listener: { idleTimeoutMs: 200 } };
const twice = {
  kind: "redirect" as const,
  status: 302 as const,
  protocol: "#{protocol}",
  host: "#{host}",
  port: "#{port}",
  path: "/#{path}/#{path}",
  query: "",
};
const throttled = async () => ({ status: 502, headers: [errorReasonHeader, "LambdaThrottling"], body: undefined });

/** By what the table says of when it happens. */
const scenes: Record<string, () => Promise<Scene> | Scene> = {
  "a malformed request": () => ({ request: get("Content-Length: x") }),
  "a field of more than 16 K": () => ({ request: get(`X: ${"x".repeat(17_000)}`) }),
  "fields of more than 64 K in all": () => ({ request: get(...Array(6).fill(`X: ${"x".repeat(12_000)}`)) }),
  "a WebSocket to a function": () => ({
    endpoints: [function_],
    request: get("Connection: Upgrade", "Upgrade: websocket"),
  }),
  "a body whose framing is broken": async () => ({
    endpoints: await endpoint(() => {}),
    request: `${get("Transfer-Encoding: chunked").replace("GET", "POST")}zz\r\n`,
  }),
  TRACE: () => ({ request: get().replace("GET", "TRACE") }),
  "no whole head within the idle timeout": () => ({ ...short, request: "GET / HT" }),
  "no more of the body within the idle timeout": async () => ({
    ...short,
    endpoints: await endpoint(() => {}),
    request: `${get("Content-Length: 5").replace("GET", "POST")}a`,
  }),
  "a function, and a body of more than it takes": () => ({
    endpoints: [function_],
    request: `${get("Content-Length: 6").replace("GET", "POST")}abcdef`,
  }),
  "a request line of more than 16 K": () => ({ request: get().replace("/", `/${"x".repeat(17_000)}`) }),
  "a client that left before it was answered": asking,
  "X-Forwarded-For of more than 30 addresses": async () => ({
    endpoints: await endpoint(() => {}),
    request: get(`X-Forwarded-For: ${Array(31).fill("1.1.1.1").join(", ")}`),
  }),
  "a redirect to a URL of more than 8 K": () => ({
    request: get().replace("/", `/${"x".repeat(5_000)}`),
    listener: { routes: [{ id: "default", conditions: [], action: twice }] },
  }),
  "a rewrite whose result is no proper target": async () => ({
    endpoints: await endpoint(() => {}),
    listener: { routes: [{ ...all("c"), rewrites: { url: { regex: "^/", replace: " " } } }] },
  }),
  "a transfer coding other than chunked": () => ({ request: get("Transfer-Encoding: gzip").replace("GET", "POST") }),
  "a target that refuses the connection": async () => ({ endpoints: [address(await freePort())] }),
  "a target that closes with the request outstanding": async () => ({
    endpoints: await endpoint((socket) => socket.destroy()),
  }),
  "a response that is none, or whose head is over 32 K": async () => ({
    endpoints: await endpoint((socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(33_000)}\r\n\r\n`)),
  }),
  "a target that does not speak TLS": async () => ({
    endpoints: await endpoint((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")),
    group: { tls: { verify: false } },
  }),
  "a deregistration delay that ends before the answer": draining,
  "a function that is throttled": () => ({ endpoints: [function_], answer: throttled }),
  "a target group without targets": () => ({ endpoints: [] }),
  "no answer within the idle timeout": async () => ({ ...short, endpoints: await endpoint(() => {}) }),
  "another version of HTTP": () => ({ request: get().replace("1.1", "2.0") }),
};

/** Rows that take more than a scene: where they are tested. */
const elsewhere: Record<string, string> = {
  "no connection within 10 seconds": "proxy.test.ts, with an endpoint whose queue is full",
  "an HTTP/2 connection whose client leaves 16 MB of answers lying": "clients/floods.test.ts",
  "more calls of functions than the edge holds": "ten thousand calls at once: `call.ts` asks `CallLink.full`",
};

async function play({ endpoints = [], group, listener: changes, request = get(), answer, meanwhile }: Scene) {
  const port = await freePort();
  const edge = stage.edge();
  let log = "";
  edge.onAccessLog(({ text }) => {
    log += text;
  });
  if (answer !== undefined) edge.register("f", answer);
  await edge.apply({
    epoch: 1,
    listeners: [listener(port, [all("c")], { ...logging, ...changes })],
    clusters: [cluster("c", endpoints, group)],
  });
  const client = stage.client(port).send(request);
  await meanwhile?.(edge, port, client);
  await eventually(() => log !== "");
  const fields = [...log.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
  return { status: Number(fields[8]), reason: fields[33], edge };
}

describe("answers that no target made", () => {
  it.each(reasonTable.filter(({ when }) => !(when in elsewhere)))("$status $reason: $when", async (row) => {
    const scene = scenes[row.when];
    expect(scene).toBeDefined();
    const { status, reason, edge } = await play((await scene?.()) ?? {});
    expect({ status, reason }).toEqual({ status: row.status, reason: row.reason });
    const [counts] = edge.loadBalancers();
    // What a function says of itself is counted with its group.
    const counted = row.reason.startsWith("Lambda") ? {} : { [row.status]: 1 };
    expect(counts?.ownAnswers).toEqual(counted);
  });

  it("are all in the table, or said never to be", () => {
    const statuses = new Set(reasonTable.map(({ status }) => status));
    for (const status of Object.keys(neverAnswered)) expect(statuses).not.toContain(Number(status));
    expect(Object.keys(scenes).toSorted()).toEqual(
      reasonTable
        .map(({ when }) => when)
        .filter((when) => !(when in elsewhere))
        .toSorted(),
    );
  });
});

it("requests are counted by load balancer: over, under way, and what they took", async () => {
  const upstream = await stage.http((_, response) => response.end("hello"));
  const port = await freePort();
  const edge = stage.edge();
  await edge.apply({
    epoch: 1,
    listeners: [
      listener(
        port,
        [
          {
            id: "1",
            conditions: [{ kind: "path", patterns: ["/fixed"] }],
            action: { kind: "fixed", status: 200, contentType: "", body: "" },
          },
          all("c"),
        ],
        { loadBalancerId: "lb" },
      ),
    ],
    clusters: [cluster("c", [address(upstream)])],
  });
  const client = stage.client(port).send(get());
  const first = await client.until((text) => text.endsWith("hello"));
  const [counts] = edge.loadBalancers();
  expect(counts).toMatchObject({
    loadBalancerId: "lb",
    requests: 1,
    connections: 1,
    activeConnections: 1,
    rulesEvaluated: 1,
    receivedBytes: get().length,
    sentBytes: first.length,
    ownAnswers: {},
  });
  client.send("GET /fixed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await client.until(() => false);
  await eventually(() => edge.loadBalancers()[0]?.activeConnections === 0);
  expect(edge.loadBalancers()[0]).toMatchObject({ requests: 1, fixedResponses: 1, rulesEvaluated: 1 });
});
