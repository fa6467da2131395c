/** Timeouts, retries, fallback and mirror over real sockets. */
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import type { ClusterConfig, EdgeConfig, EndpointConfig, RetryPolicy, RoutePolicy } from "../ports.ts";

/** The machine may be busy. */
const patience = { timeout: 20_000 };

const stage = new Stage();
afterEach(() => stage.strike());

const retry = (changes: Partial<RetryPolicy> = {}): RetryPolicy => ({
  on: ["connect-failure", "reset", "gateway-error"],
  statuses: [],
  retriesMax: 2,
  backoff: { kind: "exponential", baseMs: 1, maxMs: 5 },
  bodyBytesMax: 1024,
  ...changes,
});

/** One request at a time, so that a test sees when one has ended. */
const cap: RoutePolicy["cap"] = { id: "one", max: 1, answer: "native", retryAfterSeconds: 1 };

function config(
  port: number,
  policy: RoutePolicy,
  endpoints: readonly EndpointConfig[],
  others: readonly ClusterConfig[] = [],
  changes: Partial<ClusterConfig> = {},
): EdgeConfig {
  return {
    epoch: 1,
    listeners: [listener(port, [{ ...all("c"), policy }])],
    clusters: [cluster("c", endpoints, changes), ...others],
  };
}

/** An edge with one route; gives how to ask it. */
async function front(
  policy: RoutePolicy,
  endpoints: readonly EndpointConfig[],
  others: readonly ClusterConfig[] = [],
  changes: Partial<ClusterConfig> = {},
) {
  const port = await freePort();
  const edge = stage.edge();
  await edge.apply(config(port, policy, endpoints, others, changes));
  const ask = async (init: RequestInit = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}/path?q`, init);
    return { status: response.status, text: await response.text() };
  };
  const errors = (id = "c") => edge.stats().find(({ clusterId }) => clusterId === id)?.edgeErrors;
  return { ask, edge, errors, port };
}

/** An upstream that answers in turn as it is told: a status, or the end of the connection. */
async function answering(...turns: readonly (number | "reset" | "hang")[]) {
  const seen: { method: string | undefined; body: string }[] = [];
  const port = await stage.http((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const turn = turns[seen.length] ?? 200;
      seen.push({ method: request.method, body });
      if (turn === "reset") request.socket.destroy();
      else if (turn !== "hang") response.writeHead(turn).end(`${turn} of try ${seen.length}`);
    });
  });
  return { port, seen, endpoint: address(port) };
}

describe("retries", () => {
  it("give an idempotent request another try after a reset or a gateway error", async () => {
    const upstream = await answering("reset", 503, 200);
    const { ask, errors } = await front({ retry: retry() }, [upstream.endpoint]);
    expect(await ask()).toEqual({ status: 200, text: "200 of try 3" });
    expect(errors()).toEqual({ reset: 1 });
  });

  it("end with the last answer when there are no more", async () => {
    const upstream = await answering(503, 503, 503, 503);
    const { ask } = await front({ retry: retry() }, [upstream.endpoint]);
    expect(await ask()).toEqual({ status: 503, text: "503 of try 3" });
    expect(upstream.seen).toHaveLength(3);
  });

  it("send a body again, and a POST only when nobody can have seen it", async () => {
    const upstream = await answering(503, 200, "reset");
    const { ask } = await front({ retry: retry() }, [upstream.endpoint]);
    expect(await ask({ method: "PUT", body: "the body" })).toEqual({ status: 200, text: "200 of try 2" });
    expect(upstream.seen.map(({ body }) => body)).toEqual(["the body", "the body"]);
    expect((await ask({ method: "POST", body: "once" })).status).toBe(502);
    expect(upstream.seen).toHaveLength(3);
  });

  it("send a body that is longer than what is kept once", async () => {
    const upstream = await answering(503);
    const { ask } = await front({ retry: retry({ bodyBytesMax: 10 }) }, [upstream.endpoint]);
    expect((await ask({ method: "PUT", body: "longer than ten bytes" })).status).toBe(503);
    expect(upstream.seen).toHaveLength(1);
  });

  it("go to another endpoint, a POST too where the first refuses connections", async () => {
    const upstream = await answering();
    const closed = await freePort();
    const budget = { retryBudget: { percent: 100, min: 6 } };
    const { ask } = await front({ retry: retry({ retriesMax: 1 }) }, [address(closed), upstream.endpoint], [], budget);
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask({ method: "POST", body: "x" })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  it("live on a share of what is under way", async () => {
    const upstream = await answering(...Array.from({ length: 100 }, () => 503));
    const { ask, errors } = await front({ retry: retry({ retriesMax: 1 }) }, [upstream.endpoint], [], {
      retryBudget: { percent: 0, min: 0 },
    });
    expect((await ask()).status).toBe(503);
    expect(upstream.seen).toHaveLength(1);
    expect(errors()).toEqual({ "retry-budget": 1 });
  });

  it("wait as an answer asks, where it does not ask too much", async () => {
    let tries = 0;
    const port = await stage.http((_, response) => {
      tries += 1;
      response.writeHead(503, { "Retry-After": "60" }).end("busy");
    });
    const { ask } = await front({ retry: retry({ retryAfterMsMax: 1_000 }) }, [address(port)]);
    expect((await ask()).status).toBe(503);
    expect(tries).toBe(1);
  });

  it("do not begin once an answer has", async () => {
    const port = await stage.tcp((socket: Socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        setTimeout(() => socket.destroy(), 20);
      });
    });
    const { ask, errors } = await front({ retry: retry() }, [address(port)]);
    await expect(ask()).rejects.toThrow();
    expect(errors()).toEqual({ truncated: 1 });
  });
});

describe("timeouts", () => {
  it("of a try end it, and the next may be better", async () => {
    const upstream = await answering("hang", 200);
    const { ask, errors } = await front({ perTryTimeoutMs: 50, retry: retry() }, [upstream.endpoint]);
    expect(await ask()).toEqual({ status: 200, text: "200 of try 2" });
    expect(errors()).toEqual({ "per-try-timeout": 1 });
  });

  it("of a try are 504 without a retry", async () => {
    const upstream = await answering("hang");
    const { ask } = await front({ perTryTimeoutMs: 50 }, [upstream.endpoint]);
    expect((await ask()).status).toBe(504);
  });

  it("of a request count its retries too", async () => {
    const upstream = await answering("hang", "hang", "hang", "hang");
    const policy = { requestTimeoutMs: 200, perTryTimeoutMs: 120, retry: retry({ retriesMax: 10 }) };
    const { ask, errors } = await front(policy, [upstream.endpoint]);
    expect((await ask()).status).toBe(504);
    expect(errors()?.["request-timeout"]).toBe(1);
  });

  it("of a request cut off an answer that does not end", async () => {
    const port = await stage.http((_, response) => void response.writeHead(200).write("begins"));
    const { ask } = await front({ requestTimeoutMs: 100 }, [address(port)]);
    await expect(ask()).rejects.toThrow();
  });

  it("of silence are the route's own", async () => {
    const upstream = await answering("hang");
    const { ask, errors } = await front({ idleTimeoutMs: 100 }, [upstream.endpoint]);
    expect((await ask()).status).toBe(504);
    expect(errors()).toEqual({ "idle-timeout": 1 });
  });
});

describe("a fallback", () => {
  const fallback = { clusterId: "monolith", onError: true, statuses: [404], bodyBytesMax: 1024 };

  it("answers what the endpoint does not know, with the same body", async () => {
    const service = await answering(404, 200);
    const monolith = await answering();
    const { ask, errors } = await front({ fallback }, [service.endpoint], [cluster("monolith", [monolith.endpoint])]);
    expect(await ask({ method: "POST", body: "order" })).toEqual({ status: 200, text: "200 of try 1" });
    expect(monolith.seen).toEqual([{ method: "POST", body: "order" }]);
    expect((await ask()).text).toBe("200 of try 2");
    expect(errors()).toEqual({ "fell-back": 1 });
  });

  it("takes over when there is no endpoint, none answers, or all tries failed", async () => {
    const monolith = await answering();
    const others = [cluster("monolith", [monolith.endpoint])];
    const none = await front({ fallback }, [], others);
    expect((await none.ask({ method: "POST", body: "x" })).status).toBe(200);
    const closed = await front({ fallback, retry: retry() }, [address(await freePort())], others);
    expect((await closed.ask()).status).toBe(200);
    const hanging = await answering("hang");
    const slow = await front({ fallback, perTryTimeoutMs: 50 }, [hanging.endpoint], others);
    expect((await slow.ask()).status).toBe(200);
  });

  it("is not given a POST that somebody may have acted on", async () => {
    const service = await answering("reset");
    const monolith = await answering();
    const { ask } = await front({ fallback }, [service.endpoint], [cluster("monolith", [monolith.endpoint])]);
    expect((await ask({ method: "POST", body: "x" })).status).toBe(502);
    expect(monolith.seen).toEqual([]);
  });

  it("that fails too is the answer", async () => {
    const { ask } = await front({ fallback }, [], [cluster("monolith", [])]);
    expect((await ask()).status).toBe(503);
  });

  it("catches a function that throws", async () => {
    const monolith = await answering();
    const { ask, edge } = await front(
      { fallback },
      [{ kind: "function", id: "f", requestBytesMax: 1024 }],
      [cluster("monolith", [monolith.endpoint])],
    );
    edge.register("f", () => Promise.reject(new Error("broken")));
    expect((await ask()).status).toBe(200);
  });
});

describe("a mirror", () => {
  const mirror = { clusterId: "shadow", percent: 100, methods: ["GET", "POST"], bodyBytesMax: 8 };
  const counts = async (edge: Awaited<ReturnType<typeof front>>["edge"], ended: number) => {
    const read = () => edge.stats().find(({ clusterId }) => clusterId === "shadow")?.mirror;
    await expect.poll(() => (read()?.answered ?? 0) + (read()?.failed ?? 0), patience).toBe(ended);
    return read();
  };

  it("sends the same request to another cluster, whose answer nobody hears", async () => {
    const primary = await answering();
    const shadow = await answering(500, "reset");
    const { ask, edge } = await front({ mirror }, [primary.endpoint], [cluster("shadow", [shadow.endpoint])]);
    expect(await ask()).toEqual({ status: 200, text: "200 of try 1" });
    await expect.poll(() => shadow.seen, patience).toEqual([{ method: "GET", body: "" }]);
    expect((await ask({ method: "POST", body: "short" })).text).toBe("200 of try 2");
    await expect.poll(() => shadow.seen, patience).toHaveLength(2);
    expect(shadow.seen[1]).toEqual({ method: "POST", body: "short" });
    expect(await counts(edge, 2)).toEqual({ mirrored: 2, answered: 1, failed: 1, notMirrored: {} });
  });

  it("mirrors what the primary cannot answer, too", async () => {
    const shadow = await answering();
    const { ask, edge } = await front({ mirror }, [], [cluster("shadow", [shadow.endpoint])]);
    expect((await ask()).status).toBe(503);
    expect(await counts(edge, 1)).toMatchObject({ mirrored: 1, answered: 1, notMirrored: {} });
  });

  it("counts what it does not send, by reason", async () => {
    const primary = await answering();
    const shadow = await answering();
    const { ask, edge } = await front({ mirror }, [primary.endpoint], [cluster("shadow", [shadow.endpoint])]);
    await ask({ method: "DELETE" });
    await ask({ method: "POST", body: "longer than eight" });
    await ask();
    expect(await counts(edge, 1)).toMatchObject({ mirrored: 1, notMirrored: { method: 1, "body-too-large": 1 } });
  });

  it("neither delays nor fails a request when its cluster hangs, or is not there", async () => {
    const primary = await answering();
    const hanging = createServer();
    await new Promise<void>((resolve) => {
      hanging.listen(0, "127.0.0.1", resolve);
    });
    stage.later(() => void hanging.close());
    const { port } = hanging.address() as { port: number };
    const { ask } = await front({ mirror }, [primary.endpoint], [cluster("shadow", [address(port)])]);
    const none = await front({ mirror }, [primary.endpoint], [cluster("shadow", [])]);
    expect((await ask()).status).toBe(200);
    expect((await none.ask()).status).toBe(200);
    expect(await counts(none.edge, 1)).toMatchObject({ mirrored: 1, failed: 1 });
  });
});

describe("a client", () => {
  it("that goes while its request waits to be tried again is not waited for", async () => {
    const upstream = await answering(503, 200);
    const slow = { kind: "exponential", baseMs: 600_000, maxMs: 600_000 } as const;
    const { edge, port } = await front({ retry: retry({ backoff: slow }), cap }, [upstream.endpoint]);
    const client = stage.client(port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await expect.poll(() => upstream.seen.length, patience).toBe(1);
    client.destroy();
    const again = stage.client(port);
    await expect
      .poll(async () => (await again.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status, patience)
      .toBe(200);
    expect(edge.stats()[0]?.active).toBe(0);
  });
});

describe("a circuit breaker", () => {
  it("answers 503 at once past the requests that its cluster may have under way", async () => {
    const held: (() => void)[] = [];
    const port = await stage.http((_, response) => void held.push(() => response.end("done")));
    const breaker = { connectionsMax: 100, pendingMax: 100, requestsMax: 2, retriesMax: 1 };
    const { ask, errors } = await front({}, [address(port)], [], { breaker });
    const under = [ask(), ask()];
    await expect.poll(() => held.length, patience).toBe(2);
    expect((await ask()).status).toBe(503);
    expect(errors()).toEqual({ "breaker-requests": 1 });
    held.splice(0).forEach((release) => release());
    expect((await Promise.all(under)).map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe("a circuit breaker of connections", () => {
  const breaker = { connectionsMax: 2, pendingMax: 100, requestsMax: 100, retriesMax: 100 };

  it("counts those over all workers that are open, at rest too, and takes a rest where there is one", async () => {
    const held: (() => void)[] = [];
    const sockets = new Set<Socket>();
    const upstream = await stage.http(({ socket }, response) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      held.push(() => response.end("done"));
    });
    const port = await freePort();
    const edge = stage.edge({ workers: 2 });
    await edge.apply(config(port, {}, [address(upstream)], [], { breaker }));
    const ask = async () => (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } })).status;
    const under = [ask(), ask()];
    await expect.poll(() => held.length, patience).toBe(2);
    expect([await ask(), await ask()]).toEqual([503, 503]);
    held.splice(0).forEach((release) => release());
    expect(await Promise.all(under)).toEqual([200, 200]);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ "breaker-connections": 2 });
    expect(sockets.size).toBe(2);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => sockets.size, patience).toBe(0);
    const again = [ask(), ask()];
    await expect.poll(() => held.length, patience).toBe(2);
    held.splice(0).forEach((release) => release());
    expect(await Promise.all(again)).toEqual([200, 200]);
  });

  it("counts the requests that wait for one to stand", async () => {
    const upstream = await answering();
    const { ask, errors } = await front({}, [upstream.endpoint], [], {
      breaker: { ...breaker, connectionsMax: 100, pendingMax: 0 },
    });
    expect((await ask()).status).toBe(503);
    expect(errors()).toEqual({ "breaker-pending": 1 });
  });
});

describe("a rate limit", () => {
  it("refuses what comes too fast, by the value of a field, over all workers", async () => {
    const upstream = await answering();
    const port = await freePort();
    const edge = stage.edge({ workers: 2 });
    const limit = { id: "r", requestsPerSecond: 0.01, burst: 2, answer: "native" } as const;
    const policy = { rateLimits: [{ ...limit, by: { kind: "header", name: "X-Tenant" } as const }] };
    await edge.apply(config(port, policy, [upstream.endpoint]));
    const ask = async (tenant: string) => {
      const headers = { "x-tenant": tenant, connection: "close" };
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
      return `${response.status} ${response.headers.get("retry-after") ?? ""}`.trim();
    };
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask("a")));
    expect(answers.filter((answer) => answer === "200")).toHaveLength(3);
    expect(answers.filter((answer) => /^429 (99|100)$/.test(answer))).toHaveLength(3);
    expect(await ask("b")).toBe("200");
  });
});
