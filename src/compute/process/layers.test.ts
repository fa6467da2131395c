/** Where functions find their layers: at `/opt`, or by variables. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { type Harness, answerOf, openHarness, specOf } from "../harness.suite.ts";
import { withLayers } from "./launch.ts";
import { createOptMount } from "./opt-mount.ts";
import { variablesOf } from "./variables.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const layerOf = async (files: Record<string, string>) => (await harness.functionOf(files)).codeDir;

describe("a function with layers", () => {
  it("in Node finds modules and files, and its own come first", async () => {
    const optDir = await layerOf({
      "nodejs/node_modules/a/index.js": 'module.exports = "layer";',
      "nodejs/node_modules/b/index.js": 'module.exports = "layer";',
      "nodejs/node24/node_modules/c/index.js": 'module.exports = "versioned";',
      "nodejs/node_modules/c/index.js": 'module.exports = "plain";',
    });
    const code = {
      "index.js": `exports.handler = async () => ({
        words: [require("a"), require("b"), require("c")],
        there: require("node:fs").existsSync(process.env.MIKAN_OPT + "/nodejs") });`,
      "node_modules/a/index.js": 'module.exports = "own";',
    };
    const spec = await harness.functionOf(code, { optDir });
    const answer = await harness.invoke(spec);
    expect(answerOf(answer)).toMatchObject({ words: ["own", "layer", "versioned"], there: true });
  });

  it("starts the bootstrap that a layer brings", async () => {
    const optDir = await layerOf({
      bootstrap: `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  id=$(curl -sS -D - -o /dev/null "$api/next" | tr -d '\\r' | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
  curl -sS -o /dev/null -d '"from the layer"' "$api/$id/response"
done`,
    });
    const spec = await harness.functionOf({ "data.txt": "" }, { runtime: "provided.al2023", optDir });
    expect(answerOf(await harness.invoke(spec))).toBe("from the layer");
  });
});

const launch = { kind: "framed", command: "node", args: ["main.js"] } as const;
const placeOf = (opt: string | undefined) => ({
  tmp: "/t",
  taskRoot: "/code",
  logStream: "s",
  initialization: "on-demand" as const,
  opt,
});

describe("/opt", () => {
  const mounting = { optMount: async (dir: string) => ["unshare", dir] as const };
  const unable = { optMount: async () => undefined };

  it("is mounted before the same command where that is possible, and only for layers", async () => {
    const spec = specOf("/code", { optDir: "/layers" });
    expect(await withLayers(launch, spec, mounting)).toEqual({
      launch: { kind: "framed", command: "unshare", args: ["/layers", "node", "main.js"] },
      opt: "/opt",
    });
    expect(await withLayers(launch, spec, unable)).toEqual({ launch, opt: "/layers" });
    expect(await withLayers(launch, specOf("/code"), mounting)).toEqual({ launch, opt: undefined });
  });

  it.each([
    ["nodejs22.x", { NODE_PATH: "/l/nodejs/node22/node_modules:/l/nodejs/node_modules" }],
    ["python3.13", { PYTHONPATH: "/l/python/lib/python3.13/site-packages:/l/python" }],
    ["provided.al2023", {}],
  ])("is led to by the variables of %s", (runtime, expected) => {
    const variables = variablesOf(specOf("/code", { runtime }), placeOf("/l"));
    expect(variables).toMatchObject({ ...expected, LD_LIBRARY_PATH: "/code:/code/lib:/l/lib", MIKAN_OPT: "/l" });
    expect(variables["PATH"]).toMatch(/:\/l\/bin$/);
  });

  it("leads nowhere without layers, and the function's own variables win", () => {
    const without = variablesOf(specOf("/code"), placeOf(undefined));
    expect(Object.keys(without)).not.toContain("MIKAN_OPT");
    expect(Object.keys(without)).not.toContain("NODE_PATH");
    const own = specOf("/code", { environment: { NODE_PATH: "mine", MIKAN_OPT: "mine" } });
    expect(variablesOf(own, placeOf("/l"))).toMatchObject({ NODE_PATH: "mine", MIKAN_OPT: "/l" });
  });
});

const probed = await mkdtemp(join(tmpdir(), "mikan-opt-"));
const mount = await createOptMount({ directory: probed, log: silentLog })("/");
await rm(probed, { recursive: true });
describe.skipIf(mount === undefined)(
  mount === undefined ? "MOUNT NAMESPACES ARE NOT ALLOWED: not tested" : "mounted",
  () => {
    it("/opt is the layers' for the function, and the machine's for everybody else", async () => {
      const optDir = await layerOf({ "mark.txt": "here" });
      const code = {
        "index.js": 'exports.handler = async () => require("node:fs").readFileSync("/opt/mark.txt", "utf8");',
      };
      expect(answerOf(await harness.invoke(await harness.functionOf(code, { optDir })))).toBe("here");
      expect(existsSync("/opt/mark.txt")).toBe(false);
    });
  },
);
