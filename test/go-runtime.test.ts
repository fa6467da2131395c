/** A Go function with aws-lambda-go, by the edge's own engine: answers, errors, streams. */
import { createHash } from "node:crypto";
import { chmod, copyFile, readFile, rename, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../src/compute/harness.suite.ts";
import { systemClock } from "../src/base/clock.ts";
import { createHttpServer } from "../src/edge/server.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { run } from "./command.ts";

const source = fileURLToPath(new URL("clients/go/", import.meta.url));
/** The program of these sources, kept from run to run. */
const built = join(
  tmpdir(),
  `mikan-go-${createHash("sha256")
    .update(await readFile(join(source, "go.sum")))
    .update(await readFile(join(source, "main.go")))
    .digest("hex")
    .slice(0, 16)}`,
);

async function build(): Promise<void> {
  const making = `${built}-${process.pid}`;
  const args = ["build", "-trimpath", "-o", making, "."];
  const { code, out, err } = await run("go", args, { cwd: source, env: { CGO_ENABLED: "0" }, msMax: 300_000 });
  if (code !== 0) throw new Error(`${out}${err}`);
  await rename(making, built);
}

const missing = await stat(built)
  .then(() => undefined, build)
  .catch((error: unknown) => String(error));
if (missing !== undefined)
  console.warn(`SKIPPED: functions with aws-lambda-go: there is no go, or no way to its modules (${missing})`);

describe.skipIf(missing !== undefined)("a function with aws-lambda-go", () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await openHarness({
      serveHttp: (handler, address, port) =>
        createHttpServer({ handler, class: "runtime", address, port, clock: systemClock, log: silentLog }),
    });
  });
  afterAll(() => harness.close());

  const functionOf = async (handler: string) => {
    const spec = await harness.functionOf({ "README.txt": "" }, { runtime: "provided.al2023", handler });
    await copyFile(built, join(spec.codeDir, "bootstrap"));
    await chmod(join(spec.codeDir, "bootstrap"), 0o755);
    return spec;
  };

  it("answers, and fails", async () => {
    const spec = await functionOf("buffered");
    const requestId = "77777777-0000-4000-8000-000000000007";
    const answer = { Tiles: 256, RequestID: requestId, HasTime: true };
    expect(answerOf(await harness.invoke(spec, { Zoom: 4 }, { requestId }))).toEqual(answer);
    const failed = await harness.invoke(spec, { Zoom: 23 });
    expect([failed.error, answerOf(failed)]).toEqual([
      "handled",
      { errorType: "errorString", errorMessage: "no such zoom" },
    ]);
    expect(harness.lines.some(({ text }) => text.endsWith("zoom 4"))).toBe(true);
  });

  it("streams, and fails midstream", async () => {
    const spec = await functionOf("streamed");
    const stream = async (Zoom: number) => {
      const seen = { type: "", text: "" };
      const sink = {
        begin(type: string) {
          seen.type = type;
        },
        write(part: Uint8Array) {
          seen.text += Buffer.from(part).toString();
          return undefined;
        },
      };
      const { error, streamed, payload } = await harness.invoke(spec, { Zoom }, { stream: sink });
      return { ...seen, error, streamed, payload: Buffer.from(payload).toString() };
    };
    const whole = { type: "application/octet-stream", text: "part part part ", streamed: true };
    expect(await stream(2)).toEqual({ ...whole, error: undefined, payload: "" });
    const torn = await stream(5);
    expect(torn).toMatchObject({ ...whole, error: "handled" });
    expect(JSON.parse(torn.payload)).toMatchObject({ errorType: "errorString", errorMessage: "no such zoom" });
    expect((await stream(0)).text).toBe("part ");
  });
});
