/** The client, against an engine that answers what the test says. */
import { mkdtemp, rm } from "node:fs/promises";
import { type RequestListener, createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { type EngineApi, createEngineApi, findSocket } from "./engine-api.ts";
import { isReference, pullImage } from "./images.ts";

/** Runs `body` with a client of an engine; `asked` are the requests that came. */
async function withEngine(
  version: string,
  answer: RequestListener,
  body: (api: EngineApi, asked: string[]) => Promise<void>,
) {
  const directory = await mkdtemp(join(tmpdir(), "mikan-engine-"));
  const socket = join(directory, "engine.sock");
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url === "/_ping") response.setHeader("Api-Version", version).end("OK");
    else answer(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
  const api = createEngineApi(socket);
  try {
    await body(api, asked);
  } finally {
    api.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  }
}

it.each([
  ["1.41", "v1.41"],
  ["1.47", "v1.47"],
  ["1.99", "v1.47"],
  ["2.0", "v1.47"],
])("asks an engine of %s as %s, and that but once", (version, asVersion) =>
  withEngine(
    version,
    (_request, response) => response.end('{"Containers":0}'),
    async (api, asked) => {
      expect(await api.call({ method: "GET", path: "/info" })).toEqual({ Containers: 0 });
      await api.call({ method: "GET", path: "/containers/json", query: { all: "true", filters: '{"a":["b"]}' } });
      expect(asked).toEqual([
        "GET /_ping",
        `GET /${asVersion}/info`,
        `GET /${asVersion}/containers/json?all=true&filters=%7B%22a%22%3A%5B%22b%22%5D%7D`,
      ]);
    },
  ),
);

it("tells an engine's refusals by their message, and that there is none", async () => {
  await withEngine(
    "1.41",
    (_request, response) => response.writeHead(409).end('{"message":"it is paused"}'),
    async (api) => {
      const refused = { name: "EngineError", status: 409, message: "it is paused" };
      await expect(api.call({ method: "POST", path: "/containers/x/start" })).rejects.toMatchObject(refused);
      await expect(api.attach({ method: "POST", path: "/containers/x/attach" })).rejects.toMatchObject(refused);
    },
  );
  const silent = createEngineApi("/nowhere/engine.sock");
  await expect(silent.call({ method: "GET", path: "/info" })).rejects.toMatchObject({ name: "EngineError", status: 0 });
  silent.close();
});

it("fails a fetch by what its report says", () =>
  withEngine(
    "1.41",
    (_request, response) => response.end('{"status":"Pulling"}\n{"error":"pull access denied"}\n'),
    async (api, asked) => {
      await expect(pullImage(api, silentLog, "registry.example:5000/a/b")).rejects.toThrow("pull access denied");
      await expect(pullImage(api, silentLog, "a/b:1")).rejects.toThrow("pull access denied");
      expect(asked.slice(1)).toEqual([
        "POST /v1.41/images/create?fromImage=registry.example%3A5000%2Fa%2Fb&tag=latest",
        "POST /v1.41/images/create?fromImage=a%2Fb&tag=1",
      ]);
    },
  ));

it("gives up what it waits for when it is closed", () =>
  withEngine(
    "1.41",
    () => {},
    async (api) => {
      const waiting = api.wait({ method: "POST", path: "/containers/x/wait" }, new AbortController().signal);
      setImmediate(() => api.close());
      await expect(waiting).rejects.toMatchObject({ name: "EngineError" });
    },
  ));

it("takes the socket that DOCKER_HOST names, and no other kind of address", () => {
  expect(findSocket({ DOCKER_HOST: "unix:///run/own.sock" })).toBe("/run/own.sock");
  expect(() => findSocket({ DOCKER_HOST: "tcp://10.0.0.1:2375" })).toThrow("unix:// socket of this machine");
});

it.each([
  ["tiles", true],
  ["local/tiles:1", true],
  ["localhost:5000/team/tiles:v1.2_3", true],
  ["123456789012.dkr.ecr.eu-west-1.amazonaws.com/tiles:1", true],
  [`public.ecr.aws/lambda/nodejs@sha256:${"a".repeat(64)}`, true],
  [`sha256:${"a".repeat(64)}`, true],
  ["", false],
  ["../containers", false],
  ["tiles/../../containers", false],
  ["tiles?all=true", false],
  ["tiles:x/json", false],
])("%j is a reference: %s", (text, is) => {
  expect(isReference(text)).toBe(is);
});
