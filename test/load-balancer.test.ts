/** What a visitor gets from the load balancer: from functions that fail in every way, over the cap, by rules, and from targets that come and go. */
import { request, type IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { DescribeTargetHealthCommand } from "@aws-sdk/client-elastic-load-balancing-v2";
import { DescribeLogStreamsCommand, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import {
  addressGroup,
  createFunction,
  functionGroup,
  onPath,
  openFrontDoor,
  toGroup,
  type FrontDoor,
  type FunctionSettings,
} from "./front-door.ts";
import { freePort, startUpstream, type Upstream } from "./upstream.ts";

interface Answer {
  status: number;
  reason: string;
  headers: IncomingHttpHeaders;
  body: string;
  ms: number;
}
interface Asking {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

function ask(port: number, path: string, { method = "GET", headers = {}, body }: Asking = {}): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, method, headers, host: "127.0.0.1", agent: false }, (response) => {
      text(response).then((content) => {
        const { statusCode: status = 0, statusMessage: reason = "" } = response;
        resolve({ status, reason, headers: response.headers, body: content, ms: performance.now() - began });
      }, reject);
    });
    asked.on("error", reject).end(body);
  });
}

let mikan: Mikan;
let clients: Clients;
let monolith: Upstream;
let door: FrontDoor;
const seen: IncomingHttpHeaders[] = [];
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
  monolith = await startUpstream((incoming, response) => {
    if (incoming.headers["x-note"] !== undefined) seen.push(incoming.headers);
    incoming.resume();
    if (incoming.url === "/nothing") response.writeHead(204).end();
    else response.setHeader("X-Served-By", "monolith").end(`monolith ${incoming.url}`);
  });
  door = await openFrontDoor(clients, "door", toGroup(await addressGroup(clients, "monolith", [monolith.port])));
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
  await monolith[Symbol.asyncDispose]();
});

/** Peels `/name/*` off into a function. */
async function peel(name: string, source: string, settings?: FunctionSettings): Promise<void> {
  const group = await functionGroup(clients, await createFunction(clients, name, source, settings));
  await door.rule(onPath(`/${name}/*`), toGroup(group));
}

const badGateway = { status: 502, reason: "Bad Gateway", headers: expect.objectContaining({ server: "awselb/2.0" }) };

describe.concurrent("a function that", () => {
  const failures: [what: string, name: string, source: string, settings?: FunctionSettings][] = [
    ["throws", "throws", `export const handler = async () => { throw new Error("on purpose"); };`],
    ["answers something that is no response", "string", `export const handler = async () => "hello";`],
    ["answers without a status", "statusless", `export const handler = async () => ({ body: "x" });`],
    ["answers what is no JSON", "cyclic", `export const handler = async () => { const a = {}; a.a = a; return a; };`],
    ["answers nothing", "nothing", `export const handler = async () => {};`],
    [
      "answers more than 1 MiB",
      "large",
      `export const handler = async () => ({ statusCode: 200, body: "x".repeat(1 << 20) });`,
    ],
    [
      "takes longer than its timeout",
      "slow",
      `export const handler = () => new Promise(() => setTimeout(() => {}, 60_000));`,
      { timeoutSeconds: 1 },
    ],
    ["ends its process", "exits", `export const handler = async () => process.exit(3);`],
    ["cannot be loaded", "syntax", `export const handler = async () => {`],
    ["breaks while it is loaded", "init", `throw new Error("at init"); export const handler = 1;`],
    [
      "has no such handler",
      "unnamed",
      `export const handler = async () => ({ statusCode: 200 });`,
      { handler: "index.other" },
    ],
  ];
  it.for(failures)(
    "%s: 502, again and again, and the others do not notice",
    async ([, name, source, settings], context) => {
      await peel(name, source, settings);
      for (const answer of [await ask(door.port, `/${name}/1`), await ask(door.port, `/${name}/2`)]) {
        expect(answer).toMatchObject(badGateway);
        expect(answer.body).toContain("<center><h1>502 Bad Gateway</h1></center>");
        // What went wrong is the owner's business, and in the log; the visitor learns nothing.
        expect(JSON.stringify(answer)).not.toContain("on purpose");
        expect(JSON.stringify(answer.headers)).not.toMatch(/lambda/i);
      }
      expect((await ask(door.port, "/elsewhere")).headers["x-served-by"]).toBe("monolith");
      const logGroupName = `/aws/lambda/${name}`;
      // A concurrent test needs its own.
      await context.expect
        .poll(async () => (await clients.logs.send(new FilterLogEventsCommand({ logGroupName }))).events?.length ?? 0, {
          timeout: 10_000,
        })
        .toBeGreaterThan(0);
      const { logStreams } = await clients.logs.send(new DescribeLogStreamsCommand({ logGroupName }));
      expect(logStreams?.length).toBeGreaterThan(0);
    },
  );

  it("is over its cap runs exactly that often at once; every other request has its 502 without waiting", async () => {
    const cap = 5;
    const slowMs = 2_000;
    await peel(
      "capped",
      `import { randomUUID } from "node:crypto";
       const environment = randomUUID();
       export const handler = async () => {
         await new Promise((resolve) => setTimeout(resolve, ${slowMs}));
         return { statusCode: 200, body: environment };
       };`,
      { cap },
    );
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(door.port, `/capped/${i}`)));
    const served = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 502);
    expect(served).toHaveLength(cap);
    expect(new Set(served.map(({ body }) => body)).size).toBe(cap);
    expect(refused).toHaveLength(40 - cap);
    // They did not wait for a place: none is there before the first slow one ends.
    for (const { ms } of refused) expect(ms).toBeLessThan(slowMs);
    // The places are free again.
    const next = await Promise.all(Array.from({ length: cap }, (_, i) => ask(door.port, `/capped/${i}`)));
    expect(next.map(({ status }) => status)).toEqual(Array.from({ length: cap }, () => 200));
  });

  it("may have no place at all: 502 for everybody", async () => {
    await peel("closed", `export const handler = async () => ({ statusCode: 200 });`, { cap: 0 });
    expect(await ask(door.port, "/closed/")).toMatchObject(badGateway);
  });

  it("answers with its own status, phrase, fields and bytes", async () => {
    await peel(
      "rich",
      `export const handler = async ({ httpMethod, queryStringParameters: { how } }) => ({
        bytes: { statusCode: 200, headers: { "Content-Type": "image/png" }, isBase64Encoded: true, body: Buffer.from([0, 255, 128]).toString("base64") },
        gone: { statusCode: 410, statusDescription: "410 Gone Away", body: "gone" },
        empty: { statusCode: 204 },
        cookie: { statusCode: 302, headers: { Location: "/elsewhere", "Set-Cookie": "a=1; Path=/", Connection: "close", "Content-Length": "99" } },
        head: { statusCode: 200, headers: { "Content-Type": "text/plain" }, body: httpMethod },
      })[how];`,
    );
    const response = await fetch(`http://127.0.0.1:${door.port}/rich/?how=bytes`);
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255, 128]);
    expect(response.headers.get("content-type")).toBe("image/png");
    expect(await ask(door.port, "/rich/?how=gone")).toMatchObject({ status: 410, reason: "Gone Away", body: "gone" });
    expect(await ask(door.port, "/rich/?how=empty")).toMatchObject({ status: 204, body: "" });
    const found = await ask(door.port, "/rich/?how=cookie");
    expect(found).toMatchObject({
      status: 302,
      headers: { location: "/elsewhere", "set-cookie": ["a=1; Path=/"], "content-length": "0" },
    });
    const head = await ask(door.port, "/rich/?how=head", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "", headers: { "content-length": "4" } });
  });

  it("gets at most 1 MiB of body: one byte more is 413", async () => {
    await peel(
      "sized",
      `export const handler = async ({ body, isBase64Encoded }) => ({ statusCode: 200, body: String(Buffer.from(body, isBase64Encoded ? "base64" : "utf8").length) });`,
    );
    const post = (bytes: number) => ask(door.port, "/sized/", { method: "POST", body: new Uint8Array(bytes) });
    expect(await post(1 << 20)).toMatchObject({ status: 200, body: String(1 << 20) });
    expect(await post((1 << 20) + 1)).toMatchObject({ status: 413 });
    expect(await post(0)).toMatchObject({ status: 200, body: "0" });
  });
});

describe.concurrent("the monolith behind it", () => {
  it("is told who asks, and its answers are left alone", async () => {
    const trace = "Root=1-67891233-abcdef012345678912345678";
    await ask(door.port, "/", { headers: { "X-Note": "1", "X-Forwarded-For": "203.0.113.9", Host: "map.example" } });
    await ask(door.port, "/", { headers: { "X-Note": "2", "X-Amzn-Trace-Id": trace, "X-Forwarded-Proto": "https" } });
    expect(seen).toMatchObject([
      {
        // The guide, "Preserve host header": without it, a port that is not the default is added.
        host: `map.example:${door.port}`,
        "x-forwarded-for": "203.0.113.9, 127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-port": String(door.port),
        "x-amzn-trace-id": expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/),
      },
      {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-amzn-trace-id": expect.stringMatching(new RegExp(`^Self=1-[0-9a-f]{8}-[0-9a-f]{24};${trace}$`)),
      },
    ]);
    expect(await ask(door.port, "/nothing")).toMatchObject({ status: 204, body: "" });
    const head = await ask(door.port, "/somewhere", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "", headers: { "x-served-by": "monolith" } });
  });
});

describe.concurrent("rules", () => {
  it("answer by themselves, redirect, and share traffic by weight", async () => {
    await door.rule(onPath("/fixed"), {
      Type: "fixed-response",
      FixedResponseConfig: { StatusCode: "418", ContentType: "application/json", MessageBody: `{"tea":true}` },
    });
    await door.rule(onPath("/old/*"), {
      Type: "redirect",
      RedirectConfig: {
        StatusCode: "HTTP_301",
        Protocol: "HTTPS",
        Port: "443",
        Host: "new.#{host}",
        Path: "/moved/#{path}",
        Query: "from=old&#{query}",
      },
    });
    const fixed = await ask(door.port, "/fixed", { method: "POST", body: "x" });
    expect(fixed).toMatchObject({
      status: 418,
      body: `{"tea":true}`,
      headers: { "content-type": "application/json; charset=utf-8", server: "awselb/2.0" },
    });
    const moved = await ask(door.port, "/old/a?b=c", { headers: { Host: "example.com" } });
    expect([moved.status, moved.headers.location]).toEqual([
      301,
      "https://new.example.com:443/moved/old/a?from=old&b=c",
    ]);

    await using blue = await startUpstream((_, response) => response.end("blue"));
    await using green = await startUpstream((_, response) => response.end("green"));
    const TargetGroups = [
      { TargetGroupArn: await addressGroup(clients, "blue", [blue.port]), Weight: 9 },
      { TargetGroupArn: await addressGroup(clients, "green", [green.port]), Weight: 1 },
      { TargetGroupArn: await addressGroup(clients, "dark", [await freePort()]), Weight: 0 },
    ];
    await door.rule(onPath("/shared"), { Type: "forward", ForwardConfig: { TargetGroups } });
    const answers = await Promise.all(Array.from({ length: 400 }, () => ask(door.port, "/shared")));
    const greens = answers.filter(({ body }) => body === "green").length;
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    // 40 are due; a fair draw misses 10 to 90 once in 10^9 runs.
    expect(greens).toBeGreaterThan(10);
    expect(greens).toBeLessThan(90);
  });
});

describe.concurrent("a target that dies and comes back", () => {
  it("is found out, spared, and used again", { timeout: 45_000 }, async ({ expect: expectHere }) => {
    const port = await freePort();
    await using steady = await startUpstream((_, response) => response.end("steady"));
    const group = await addressGroup(clients, "pair", [steady.port, port]);
    await door.rule(onPath("/pair"), toGroup(group));
    const healthOf = async (targetPort: number) => {
      const describeHealth = new DescribeTargetHealthCommand({ TargetGroupArn: group });
      const { TargetHealthDescriptions } = await clients.elb.send(describeHealth);
      return TargetHealthDescriptions?.find(({ Target }) => Target?.Port === targetPort)?.TargetHealth;
    };
    const served = async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(door.port, "/pair")));
      return new Set(answers.map(({ status, body }) => (status === 200 ? body : status)));
    };
    const within = { timeout: 20_000, interval: 100 };
    const failed = { State: "unhealthy", Reason: "Target.FailedHealthChecks" };

    {
      await using _first = await startUpstream((_, response) => response.end("first"), port);
      await expectHere.poll(() => healthOf(port), within).toEqual({ State: "healthy" });
      await expectHere.poll(() => healthOf(steady.port), within).toEqual({ State: "healthy" });
      expect(await served()).toEqual(new Set(["steady", "first"]));
    }
    await expectHere.poll(() => healthOf(port), within).toMatchObject(failed);
    expect(await served()).toEqual(new Set(["steady"]));
    await using _second = await startUpstream((_, response) => response.end("second"), port);
    await expectHere.poll(() => healthOf(port), within).toEqual({ State: "healthy" });
    expect(await served()).toEqual(new Set(["steady", "second"]));
  });
});
