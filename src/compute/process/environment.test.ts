import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, isRunning, openHarness } from "../harness.suite.ts";
import { logBytesPerSecondMax, logLineLengthMax } from "../limits.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const echo = (expression: string) => ({ "index.mjs": `export const handler = async (event) => (${expression});` });

describe("the variables of a function", () => {
  it("are its own and Lambda's, and none of the node's", async () => {
    process.env["NODE_SECRET_OF_THE_OPERATOR"] = "leaked";
    const spec = await harness.functionOf(echo("process.env"), {
      environment: { TABLE: "tiles", AWS_REGION: "mars-1", TZ: "Asia/Tokyo" },
    });
    const { PATH, HOME, TMPDIR, AWS_LAMBDA_LOG_STREAM_NAME, ...variables } = answerOf<Record<string, string>>(
      await harness.invoke(spec),
    );
    expect(variables).toEqual({
      TABLE: "tiles",
      LANG: "en_US.UTF-8",
      TZ: "Asia/Tokyo",
      _HANDLER: "index.handler",
      _X_AMZN_TRACE_ID: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
      AWS_REGION: "eu-west-1",
      AWS_DEFAULT_REGION: "eu-west-1",
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      AWS_ENDPOINT_URL: "http://127.0.0.1:4566",
      AWS_LAMBDA_FUNCTION_NAME: "tiles",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_FORMAT: "Text",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/tiles",
      AWS_ACCESS_KEY_ID: "ASIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "very-secret-key",
      AWS_SESSION_TOKEN: "very-secret-token",
      LAMBDA_TASK_ROOT: spec.codeDir,
      PWD: spec.codeDir,
    });
    expect(PATH?.split(":")[0]).toBe(dirname(process.execPath));
    expect(HOME).toBe(TMPDIR);
    expect(AWS_LAMBDA_LOG_STREAM_NAME).toBe(harness.lines.at(-1)?.logStream);
  });

  it("reach no log of the node", async () => {
    await harness.invoke(
      await harness.functionOf({ "index.mjs": "process.exit(9);" }, { environment: { DB: "hunter2" } }),
    );
    const log = harness.nodeLog.join("");
    for (const secret of ["very-secret-key", "very-secret-token", "hunter2"]) expect(log).not.toContain(secret);
  });
});

describe("the place of an environment", () => {
  it("is its code as working directory, and a temporary directory that goes with it", async () => {
    const spec = await harness.functionOf({
      "index.mjs": `import { tmpdir } from "node:os"; import { writeFileSync } from "node:fs"; import { join } from "node:path";
        export const handler = async () => { writeFileSync(join(tmpdir(), "kept"), "x"); return [process.cwd(), tmpdir()]; };`,
    });
    const [cwd, tmp = ""] = answerOf<string[]>(await harness.invoke(spec));
    expect(cwd).toBe(spec.codeDir);
    expect(tmp).toContain(harness.directory);
    expect(existsSync(join(tmp, "kept"))).toBe(true);
    await harness.compute.retire(spec.id);
    expect(existsSync(tmp)).toBe(false);
  });

  it("is a process that leads its own session", async () => {
    const spec = await harness.functionOf(echo("process.pid"));
    const pid = answerOf<number>(await harness.invoke(spec));
    const [record = ""] = await readdir(join(harness.directory, "compute", "environments"));
    expect(record).toMatch(/^[0-9a-f]{32}$/);
    expect(() => process.kill(-pid, 0)).not.toThrow();
    await harness.compute.retire(spec.id);
    expect(await isRunning(pid)).toBe(false);
  });

  it("keeps the descriptors of its channel from what it starts", async () => {
    const spec = await harness.functionOf({
      "index.mjs": `import { execFileSync } from "node:child_process";
        export const handler = async () => execFileSync("ls", ["/proc/self/fd"]).toString().trim().split("\\n").map(Number);`,
    });
    // `ls` opens the directory at the lowest free number: 3, unless the channel's 3 and 4 are taken.
    expect(answerOf<number[]>(await harness.invoke(spec))).not.toContain(4);
  });
});

describe("the log of an environment", () => {
  it("has AWS's lines around what the function wrote, in order, and the tail is the same", async () => {
    const spec = await harness.functionOf(
      {
        "index.mjs": `console.log("at %s", "load");
          export const handler = async () => {
            console.info("one", { two: 2 }); process.stdout.write("raw "); console.warn("several\\nlines");
            process.stdout.write("line\\nrest"); process.stderr.write("err\\n"); console.error(new Error("x").message); console.debug("d"); };`,
      },
      { version: "3" },
    );
    const requestId = "9f86d081-0000-4000-8000-0000000000aa";
    harness.lines.length = 0;
    const { logTail, initMs, durationMs, memoryUsedMiB } = await harness.invoke(spec, {}, { requestId });
    const texts = harness.lines.map(({ text }) => text.replace(/^\d{4}-\S+Z/, "TIME"));
    expect(texts).toEqual([
      expect.stringMatching(
        /^INIT_START Runtime Version: nodejs:24.mikan\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}$/,
      ),
      "TIME\tundefined\tINFO\tat load",
      `START RequestId: ${requestId} Version: 3`,
      `TIME\t${requestId}\tINFO\tone { two: 2 }`,
      `TIME\t${requestId}\tWARN\tseveral\nlines`,
      "raw line",
      "err",
      `TIME\t${requestId}\tERROR\tx`,
      `TIME\t${requestId}\tDEBUG\td`,
      "rest",
      `END RequestId: ${requestId}`,
      `REPORT RequestId: ${requestId}\tDuration: ${durationMs.toFixed(2)} ms\tBilled Duration: ${Math.ceil(durationMs + (initMs ?? 0))} ms\tMemory Size: 256 MB\tMax Memory Used: ${memoryUsedMiB} MB\tInit Duration: ${initMs?.toFixed(2)} ms\t`,
    ]);
    expect(logTail).toBe(
      harness.lines
        .slice(2)
        .map(({ text }) => `${text}\n`)
        .join(""),
    );
    const [line] = harness.lines;
    expect(line).toMatchObject({ logGroup: "/aws/lambda/tiles", account: "123456789012", region: "eu-west-1" });
    expect(line?.logStream).toMatch(/^\d{4}\/\d\d\/\d\d\/\[3\][0-9a-f]{32}$/);
    expect(new Set(harness.lines.map(({ logStream }) => logStream)).size).toBe(1);
  });

  it("reports the start once", async () => {
    const spec = await harness.functionOf(echo("1"));
    const first = await harness.invoke(spec);
    const second = await harness.invoke(spec);
    expect(first.initMs).toBeGreaterThan(0);
    expect(second.initMs).toBeUndefined();
    expect(second.logTail).not.toContain("Init Duration");
    expect(second.memoryUsedMiB).toBeGreaterThan(10);
  });

  it("gathers what children and native code write to the standard streams", async () => {
    const spec = await harness.functionOf({
      "index.mjs": `import { execFileSync } from "node:child_process";
        export const handler = async () => execFileSync("sh", ["-c", "echo from the child >&2"], { stdio: "inherit" });`,
    });
    await harness.invoke(spec);
    await expect.poll(() => harness.lines.map(({ text }) => text)).toContain("from the child");
  });

  it("is bounded: a line, the tail, and what comes in a second", async () => {
    const spec = await harness.functionOf({
      "index.mjs": `export const handler = async ({ lines, length }) => { for (let i = 0; i < lines; i += 1) console.log("é".repeat(length)); };`,
    });
    harness.lines.length = 0;
    const long = await harness.invoke(spec, { lines: 1, length: 2_000_000 });
    expect(Math.max(...harness.lines.map(({ text }) => text.length))).toBe(logLineLengthMax);
    expect(Buffer.byteLength(long.logTail)).toBeLessThanOrEqual(4096);
    expect(long.logTail).not.toContain("\ufffd");
    harness.lines.length = 0;
    const chatty = await harness.invoke(spec, { lines: 600, length: 100_000 });
    const written = harness.lines.reduce((sum, { text }) => sum + text.length, 0);
    // Ten times the bound were written; the machine may take some seconds for it, and each second has its own.
    expect(written).toBeLessThan(logBytesPerSecondMax * (2 + chatty.durationMs / 1000));
    expect(chatty.logTail).toMatch(
      /\d+ bytes of output were dropped: an environment may log \d+ bytes a second\.\nEND /,
    );
  });
});
