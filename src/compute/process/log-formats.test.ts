import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const requestId = "44444444-0000-4000-8000-000000000004";

/** What the function itself logged, line by line as JSON. */
async function logged(files: Record<string, string>, settings: Partial<FunctionSpec>): Promise<unknown[]> {
  harness.lines.length = 0;
  const spec = await harness.functionOf(files, { logFormat: "JSON", ...settings });
  await harness.invoke(spec, {}, { requestId });
  return harness.lines
    .map(({ text }) => JSON.parse(text) as { type?: string })
    .filter(({ type }) => !type?.startsWith("platform."));
}

const moment = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const second = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

describe("a function in Node.js that logs JSON", () => {
  const inNode = (body: string, settings: Partial<FunctionSpec> = {}) =>
    logged({ "index.js": `exports.handler = async () => { ${body} };` }, settings);
  const line = (level: string, message: unknown) => ({ timestamp: moment, level, requestId, message });

  it("has a line for each call of console, objects as they are", async () => {
    const body = `
      console.log("plain"); console.info("a", { b: 1 }); console.warn({ tile: 7 }); console.error(5); console.fatal("end");
      const circle = {}; circle.circle = circle; console.log(circle);`;
    expect(await inNode(body)).toEqual([
      line("INFO", "plain"),
      line("INFO", "a { b: 1 }"),
      line("WARN", { tile: 7 }),
      line("ERROR", 5),
      line("FATAL", "end"),
      line("INFO", expect.stringContaining("[Circular *1]")),
    ]);
  });

  it("has the members of errors", async () => {
    const error = {
      errorType: "RangeError",
      errorMessage: "far",
      stackTrace: expect.arrayContaining(["RangeError: far"]),
    };
    expect(
      await inNode(
        `console.error(new RangeError("far")); console.error("it is", new RangeError("far")); throw new RangeError("far");`,
      ),
    ).toEqual([
      line("ERROR", error),
      { ...line("ERROR", expect.stringContaining("it is RangeError: far")), ...error },
      { ...line("ERROR", expect.stringContaining("Invoke Error RangeError: far")), ...error },
    ]);
  });

  it("leaves out what is below its level", async () => {
    const body = `for (const level of ["trace", "debug", "info", "log", "warn", "error"]) console[level](level);`;
    expect(await inNode(body, { applicationLogLevel: "WARN" })).toEqual([line("WARN", "warn"), line("ERROR", "error")]);
    expect(await inNode(body)).toHaveLength(4);
    expect(await inNode(body, { applicationLogLevel: "TRACE" })).toHaveLength(6);
  });
});

describe("a function in Python that logs JSON", () => {
  const inPython = (body: string, settings: Partial<FunctionSpec> = {}) =>
    logged(
      { "app.py": `import logging\nlog = logging.getLogger("tiles")\ndef handler(event, context):\n${body}` },
      { runtime: "python3.12", handler: "app.handler", ...settings },
    );
  const line = (level: string, message: unknown) => ({ timestamp: second, level, message, logger: "tiles", requestId });

  it("has a line for each record, with what was added to it", async () => {
    const body = `    log.info("%d tiles", 5, extra={"kind": "map"})\n    log.warning("Grüße")\n`;
    expect(await inPython(body)).toEqual([{ ...line("INFO", "5 tiles"), kind: "map" }, line("WARNING", "Grüße")]);
  });

  it("has the members of errors", async () => {
    const body = `    try:\n        1 / 0\n    except Exception:\n        log.exception("broken")\n    raise KeyError("missing")\n`;
    const [first, last] = await inPython(body);
    expect(first).toEqual({
      ...line("ERROR", "broken"),
      errorType: "ZeroDivisionError",
      errorMessage: "division by zero",
      stackTrace: [expect.stringContaining("1 / 0")],
      location: expect.stringMatching(/app\.py:handler:7$/),
    });
    expect(last).toEqual({
      timestamp: second,
      log_level: "ERROR",
      errorType: "KeyError",
      errorMessage: "'missing'",
      requestId,
      stackTrace: [expect.stringContaining("raise KeyError")],
    });
  });

  it("leaves out what is below its level", async () => {
    const body = `    log.info("no")\n    log.error("yes")\n`;
    expect(await inPython(body, { applicationLogLevel: "ERROR" })).toEqual([line("ERROR", "yes")]);
  });
});

describe("NODE_OPTIONS", () => {
  it("--enable-source-maps names the sources in stack traces", async () => {
    const map = { version: 3, sources: ["tiles.ts"], names: [], mappings: "AAUA", file: "index.js" };
    const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString("base64")}`;
    const source = `exports.handler = async () => { throw new Error("mapped"); };\n//# sourceMappingURL=${url}\n`;
    const spec = await harness.functionOf(
      { "index.js": source },
      { environment: { NODE_OPTIONS: "--enable-source-maps" } },
    );
    const { trace } = answerOf<{ trace: string[] }>(await harness.invoke(spec));
    expect(trace.join("\n")).toMatch(/tiles\.ts:11:/);
  });

  it.each([
    [{}, /tiles\.ts:11:/],
    [{ NODE_OPTIONS: "--no-enable-source-maps" }, /app\.js:1:/],
  ])("%j: a map beside the handler's module is used unless they say otherwise", async (environment, expected) => {
    const map = { version: 3, sources: ["tiles.ts"], names: [], mappings: "AAUA", file: "app.js" };
    const source = `exports.handler = async () => { throw new Error("mapped"); };\n//# sourceMappingURL=app.js.map\n`;
    const files = { "src/app.js": source, "src/app.js.map": JSON.stringify(map) };
    const spec = await harness.functionOf(files, { handler: "src/app.handler", environment });
    const { trace } = answerOf<{ trace: string[] }>(await harness.invoke(spec));
    expect(trace.join("\n")).toMatch(expected);
  });
});
