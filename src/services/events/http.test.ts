/** API destinations against a real endpoint: how requests are made, authorized, and tried again. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { account, region } from "../services.suite.ts";
import { withBuses, type TestBuses } from "./node.suite.ts";
import type { AuthParameters, AuthType, Target } from "./tables.ts";

interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

let server: Server;
let origin: string;
let seen: Seen[];
/** Statuses of the next answers; 200 when there are none left. */
let statuses: number[];
let tokens: number;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      seen.push({ method: request.method ?? "", path, headers: request.headers, body });
      if (path.startsWith("/token")) {
        tokens += 1;
        response.end(JSON.stringify({ access_token: `token-${tokens}`, token_type: "Bearer", expires_in: 600 }));
        return;
      }
      const status = statuses.shift() ?? 200;
      response.writeHead(status, status === 429 ? { "retry-after": "120" } : {}).end(`status ${status}`);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  [seen, statuses, tokens] = [[], [], 0];
});

const basic: AuthParameters = { BasicAuthParameters: { Username: "ann", Password: "secret-word" } };

interface Wanted {
  auth?: AuthParameters;
  type?: AuthType;
  path?: string;
  method?: "GET" | "POST";
  target?: Partial<Target>;
}

/** A rule for source `shop` whose target is the endpoint. */
async function destination({ peers, call, rule, runJob }: TestBuses, wanted: Wanted = {}): Promise<void> {
  const { auth = basic, type = "BASIC", path = "/hook", method = "POST", target = {} } = wanted;
  const connection = { Name: "c", AuthorizationType: type, AuthParameters: auth };
  const { ConnectionArn = "" } = await peers.events.CreateConnection(connection, call);
  await runJob("events:authorize");
  const { ApiDestinationArn = "" } = await peers.events.CreateApiDestination(
    { Name: "d", ConnectionArn, InvocationEndpoint: `${origin}${path}`, HttpMethod: method },
    call,
  );
  const RoleArn = `arn:aws:iam::${account}:role/hooks`;
  await rule("r", { source: ["shop"] }, [{ Id: "d", Arn: ApiDestinationArn, RoleArn, ...target }]);
}

const hooks = () => seen.filter(({ path }) => !path.startsWith("/token"));

describe("API destinations", () => {
  it("post the event with Basic credentials, which nobody is shown again", async () => {
    await withBuses(async (node) => {
      const { peers, call, put, deliver } = node;
      await destination(node);
      const id = await put("shop", { n: 1 });
      await deliver();
      const [request] = hooks();
      expect(request).toMatchObject({ method: "POST", path: "/hook" });
      expect(request?.headers).toMatchObject({
        authorization: `Basic ${Buffer.from("ann:secret-word").toString("base64")}`,
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Amazon/EventBridge/ApiDestinations",
      });
      expect(JSON.parse(request?.body ?? "")).toMatchObject({ id, detail: { n: 1 } });
      const described = await peers.events.DescribeConnection({ Name: "c" }, call);
      expect(described).toMatchObject({
        ConnectionState: "AUTHORIZED",
        AuthParameters: { BasicAuthParameters: { Username: "ann" } },
      });
      expect(JSON.stringify(described)).not.toContain("secret-word");
      const [row] = await node.store.read((tx) =>
        tx.all<{ auth: Uint8Array }>({ strings: ["select auth from events_connections"], values: [] }),
      );
      expect(Buffer.from(row?.auth ?? []).toString("latin1")).not.toContain("secret-word");
    });
  });

  it("fill the path, and add fields, queries and members of the body; the connection's own win", async () => {
    await withBuses(async (node) => {
      await destination(node, {
        type: "API_KEY",
        auth: {
          ApiKeyAuthParameters: { ApiKeyName: "x-api-key", ApiKeyValue: "key" },
          InvocationHttpParameters: {
            HeaderParameters: [{ Key: "X-Team", Value: "of-connection" }],
            QueryStringParameters: [{ Key: "v", Value: "2", IsValueSecret: true }],
            BodyParameters: [{ Key: "added", Value: "yes" }],
          },
        },
        path: "/orders/*/lines/*?a=b",
        target: {
          InputPath: "$.detail",
          HttpParameters: {
            PathParameterValues: ["$.detail.id", "fixed"],
            HeaderParameters: { "x-team": "of-target", "X-Source": "$.source" },
            QueryStringParameters: { v: "1", w: "$.detail.n" },
          },
        },
      });
      await node.put("shop", { id: "a/b", n: 1 });
      await node.deliver();
      const [request] = hooks();
      expect(request?.path).toBe("/orders/a%2Fb/lines/fixed?a=b&v=2&w=1");
      expect(request?.headers).toMatchObject({ "x-api-key": "key", "x-team": "of-connection", "x-source": "shop" });
      expect(JSON.parse(request?.body ?? "")).toEqual({ id: "a/b", n: 1, added: "yes" });
      const shown = await node.peers.events.DescribeConnection({ Name: "c" }, node.call);
      const { QueryStringParameters } = shown.AuthParameters?.InvocationHttpParameters ?? {};
      expect(QueryStringParameters).toEqual([{ Key: "v", IsValueSecret: true }]);
    });
  });

  it("ask for a token, use it until its end, and ask again where it is not taken", async () => {
    await withBuses(async (node) => {
      const { put, deliver, clock, peers, call } = node;
      await destination(node, {
        type: "OAUTH_CLIENT_CREDENTIALS",
        auth: {
          OAuthParameters: {
            ClientParameters: { ClientID: "client", ClientSecret: "word" },
            AuthorizationEndpoint: `${origin}/token`,
            HttpMethod: "POST",
            OAuthHttpParameters: { BodyParameters: [{ Key: "audience", Value: "shop" }] },
          },
        },
      });
      expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
        grant_type: "client_credentials",
        client_id: "client",
        client_secret: "word",
        audience: "shop",
      });
      expect(await peers.events.DescribeApiDestination({ Name: "d" }, call)).toMatchObject({
        ApiDestinationState: "ACTIVE",
      });
      await put("shop", { n: 1 });
      await deliver();
      statuses = [401];
      await put("shop", { n: 2 });
      await deliver();
      await clock.advance(5_000);
      await deliver();
      await clock.advance(600_000);
      await put("shop", { n: 3 });
      await deliver();
      expect(hooks().map(({ headers }) => headers.authorization)).toEqual([
        "Bearer token-1",
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-3",
      ]);
    });
  });

  it("are deauthorized where there is no token to be had", async () => {
    await withBuses(async (node) => {
      const { peers, call } = node;
      await destination(node, {
        type: "OAUTH_CLIENT_CREDENTIALS",
        auth: {
          OAuthParameters: {
            ClientParameters: { ClientID: "client", ClientSecret: "word" },
            AuthorizationEndpoint: `${origin}/elsewhere`,
            HttpMethod: "POST",
          },
        },
      });
      const state = await peers.events.DescribeConnection({ Name: "c" }, call);
      expect(state).toMatchObject({ ConnectionState: "DEAUTHORIZED" });
      expect(state.StateReason).toContain("200 without an access token");
      const destinationState = await peers.events.DescribeApiDestination({ Name: "d" }, call);
      expect(destinationState.ApiDestinationState).toBe("INACTIVE");
    });
  });

  it.each([409, 429, 500, 503])("are asked again after %i, and not before they want to be", async (status) => {
    await withBuses(async (node) => {
      await destination(node);
      statuses = [status];
      await node.put("shop", { n: 1 });
      await node.deliver();
      await node.clock.advance(5_000);
      await node.deliver();
      // Retry-After says two minutes with 429.
      expect(hooks()).toHaveLength(status === 429 ? 1 : 2);
      await node.clock.advance(120_000);
      await node.deliver();
      expect(hooks()).toHaveLength(2);
    });
  });

  it("give an event up after any other status, and tell the dead-letter queue of it", async () => {
    await withBuses(async (node) => {
      const dead = await node.queue("dead");
      await destination(node, { target: { DeadLetterConfig: { Arn: dead } } });
      statuses = [400];
      await node.put("shop", { n: 1 });
      expect(await node.received(dead)).toHaveLength(1);
      expect(hooks()).toHaveLength(1);
    });
  });

  it("are asked no faster than their rate, by all of their rules together", async () => {
    await withBuses(async (node) => {
      const { peers, call, put, deliver, clock } = node;
      await destination(node);
      const { ApiDestinationArn = "" } = await peers.events.UpdateApiDestination(
        { Name: "d", InvocationRateLimitPerSecond: 2 },
        call,
      );
      const RoleArn = `arn:aws:iam::${account}:role/hooks`;
      await node.rule("again", { source: ["shop"] }, [{ Id: "d", Arn: ApiDestinationArn, RoleArn }]);
      for (let n = 0; n < 3; n += 1) await put("shop", { n });
      await deliver();
      await deliver();
      expect(hooks()).toHaveLength(2);
      await clock.advance(1_000);
      await deliver();
      expect(hooks()).toHaveLength(4);
      expect(ApiDestinationArn).toMatch(`arn:aws:events:${region}:${account}:api-destination/d/`);
    });
  });
});
