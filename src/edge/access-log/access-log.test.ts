import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import type { EdgeOptions } from "../edge.ts";
import type { Edge, EdgeConfig, ListenerConfig, RouteConfig } from "../ports.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";
import { echoes } from "../websocket.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const loadBalancerId = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/0123456789abcdef";

/** The fields of a line, quotes taken off. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

const names = [
  ..."type time elb client target request_s target_s response_s elb_status target_status received sent".split(" "),
  ..."request user_agent cipher protocol target_group trace domain certificate priority created actions".split(" "),
  ..."redirect error_reason target_list status_list classification classification_reason conn_trace".split(" "),
  ..."transformed_host transformed_uri transform_status reason".split(" "),
];

interface Logged {
  edge: Edge;
  port: number;
  lines: string[];
  /** The fields of line `index`, once it is there. */
  line(index?: number): Promise<Record<string, string>>;
}

async function logged(
  routes: readonly RouteConfig[],
  upstream: number,
  changes: Partial<ListenerConfig> = {},
  options: Partial<EdgeOptions> = {},
): Promise<Logged> {
  const port = await freePort();
  const edge = stage.edge(options);
  const lines: string[] = [];
  edge.onAccessLog(({ loadBalancerId: id, text, lines: count }) => {
    expect(id).toBe(loadBalancerId);
    const came = text.split("\n").slice(0, -1);
    expect(came).toHaveLength(count);
    lines.push(...came);
  });
  const config: EdgeConfig = {
    epoch: 1,
    listeners: [listener(port, routes, { accessLog: true, loadBalancerId, ...changes })],
    clusters: [cluster("group", upstream === 0 ? [] : [address(upstream)])],
  };
  await edge.apply(config);
  return {
    edge,
    port,
    lines,
    async line(index = 0) {
      await eventually(() => lines.length > index);
      const fields = fieldsOf(lines[index] ?? "");
      expect(fields).toHaveLength(names.length);
      return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ""]));
    },
  };
}

const forward = [{ ...all("group"), priority: 7 }];

describe("the access log of a listener", () => {
  it("has a line for a forwarded request, with its bytes, its times and the trace that its target saw", async () => {
    let seen: string | undefined;
    const upstream = await stage.http((request, response) => {
      seen = request.headers["x-trace-id"] as string;
      response.end("hello");
    });
    const { port, line } = await logged(forward, upstream);
    const client = stage.client(port);
    const request = "GET /a?b=c HTTP/1.1\r\nHost: Shop.example\r\nUser-Agent: probe/1\r\n\r\n";
    client.send(request);
    const came = await client.until((text) => text.endsWith("hello"));
    const { port: clientPort } = client.socket.address() as { port: number };
    const first = await line();
    expect(first).toMatchObject({
      type: "http",
      elb: "app/web/0123456789abcdef",
      client: `127.0.0.1:${clientPort}`,
      target: `127.0.0.1:${upstream}`,
      elb_status: "200",
      target_status: "200",
      received: String(request.length),
      sent: String(came.length),
      request: `GET http://Shop.example:${port}/a?b=c HTTP/1.1`,
      user_agent: "probe/1",
      cipher: "-",
      target_group: "group",
      trace: seen,
      priority: "7",
      actions: "forward",
      error_reason: "-",
      target_list: `127.0.0.1:${upstream}`,
      status_list: "200",
    });
    expect(first["target_s"]).toMatch(/^\d+\.\d{3}$/);
    expect(first["conn_trace"]).toMatch(/^TID_[0-9a-f]{24}$/);
    client.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    const second = await line(1);
    expect(second).toMatchObject({ received: "51", conn_trace: first["conn_trace"], user_agent: "-" });
  });

  it("has a line for what was no request, and for one that came too late", async () => {
    const { port, line } = await logged(forward, 0, { idleTimeoutMs: 1_000 });
    const client = stage.client(port);
    client.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    const came = await client.until(() => false);
    expect(await line()).toMatchObject({
      target: "-",
      request_s: "-1",
      elb_status: "400",
      target_status: "-",
      received: "28",
      sent: String(came.length),
      request: `- http://127.0.0.1:${port}- -`,
      priority: "-",
      actions: "-",
    });
    stage.client(port).send("GET / HTT");
    expect(await line(1)).toMatchObject({ elb_status: "408", actions: "-" });
  });

  it("tells fixed responses, redirects and missing targets apart", async () => {
    const routes: RouteConfig[] = [
      {
        id: "fixed",
        priority: 1,
        conditions: [{ kind: "path", patterns: ["/fixed"] }],
        action: { kind: "fixed", status: 418, contentType: "text/plain", body: "short and stout" },
      },
      {
        id: "redirect",
        priority: 2,
        conditions: [{ kind: "path", patterns: ["/old"] }],
        action: {
          kind: "redirect",
          status: 301,
          protocol: "HTTPS",
          host: "#{host}",
          port: "443",
          path: "/new",
          query: "#{query}",
        },
      },
      { ...all("group"), priority: 0 },
    ];
    const { port, line } = await logged(routes, 0);
    const client = stage.client(port);
    client.send("GET /fixed HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expect(await line()).toMatchObject({
      elb_status: "418",
      actions: "fixed-response",
      priority: "1",
      request_s: "-1",
    });
    client.send("GET /old?x=1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expect(await line(1)).toMatchObject({
      elb_status: "301",
      actions: "redirect",
      redirect: "https://a.example:443/new?x=1",
      target_group: "-",
    });
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expect(await line(2)).toMatchObject({
      elb_status: "503",
      actions: "forward",
      priority: "0",
      target_group: "group",
      target: "-",
      error_reason: "-",
      reason: "no-endpoints",
    });
    expect((await line(2))["trace"]).toMatch(/^Root=1-/);
  });

  it("says 460 of a client that left, and of a target that said nothing what it was", async () => {
    const asked = Promise.withResolvers<void>();
    const upstream = await stage.tcp((socket) => {
      socket.once("data", () => asked.resolve());
    });
    const { port, line } = await logged(forward, upstream);
    const client = stage.client(port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await asked.promise;
    client.destroy();
    expect(await line()).toMatchObject({ elb_status: "460", target_status: "-", target_s: "-1", response_s: "-1" });
    const dead = await freePort();
    const refused = await logged(forward, dead);
    stage.client(refused.port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await refused.line()).toMatchObject({
      elb_status: "502",
      request_s: "-1",
      error_reason: "-",
      reason: "connect-refused",
    });
  });

  it("has a line for a WebSocket when it closes", async () => {
    const { port, line, lines } = await logged(forward, await echoes(stage));
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    await once(socket, "open");
    socket.send("x".repeat(100));
    await once(socket, "message");
    expect(lines).toHaveLength(0);
    socket.close();
    const closed = await line();
    expect(closed).toMatchObject({ type: "ws", elb_status: "101", target_status: "101" });
    expect(Number(closed["received"])).toBeGreaterThan(200);
    expect(Number(closed["sent"])).toBeGreaterThan(200);
  });

  it("names the cipher, the certificate and the name asked for", async () => {
    const authority = testAuthority();
    const upstream = await stage.http((_, response) => response.end("secret"));
    const certificate = authority.issue(["shop.example"], { id: "arn:aws:acm:us-east-1:000000000000:certificate/1" });
    const { port, line } = await logged(forward, upstream, { tls: tlsOf([certificate]) });
    const { request } = await import("node:https");
    const call = request({ port, host: "127.0.0.1", servername: "shop.example", ca: authority.ca });
    call.end();
    await once(call, "response");
    expect(await line()).toMatchObject({
      type: "https",
      protocol: "TLSv1.3",
      cipher: "TLS_AES_128_GCM_SHA256",
      domain: "shop.example",
      certificate: "arn:aws:acm:us-east-1:000000000000:certificate/1",
    });
  });

  it("is of all listeners when the edge is told so, and else of none that does not ask", async () => {
    const upstream = await stage.http((_, response) => response.end("hello"));
    const all = await logged(forward, upstream, { accessLog: false }, { accessLog: true });
    stage.client(all.port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await all.line()).toMatchObject({ elb_status: "200" });
    const none = await logged(forward, upstream, { accessLog: false });
    const client = stage.client(none.port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await client.until(() => false);
    await none.edge.close();
    expect(none.lines).toHaveLength(0);
  });
});
