import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { InvocationResult, ResponseSink } from "../ports.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

interface Gathered extends ResponseSink {
  contentType: string | undefined;
  parts: string[];
  /** While it is set, nothing more is welcome. */
  hold: Promise<void> | undefined;
}

function gather(): Gathered {
  return {
    contentType: undefined,
    parts: [],
    hold: undefined,
    begin(contentType) {
      this.contentType = contentType;
    },
    write(chunk) {
      this.parts.push(Buffer.from(chunk).toString("latin1"));
      return this.hold;
    },
  };
}

const functionOf = (body: string, settings = {}) =>
  harness.functionOf({ "index.mjs": `export const handler = awslambda.streamifyResponse(${body});` }, settings);

async function stream(body: string, event: unknown = {}): Promise<{ result: InvocationResult; sink: Gathered }> {
  const sink = gather();
  const result = await harness.invoke(await functionOf(body), event, { stream: sink });
  return { result, sink };
}

describe("a handler that streams", () => {
  it("gives its answer in parts, with its content type", async () => {
    const { result, sink } = await stream(
      `async (event, stream, context) => {
      stream.setContentType("text/plain");
      stream.write(event.word);
      stream.write(Buffer.from(" and "));
      stream.write(new Uint8Array([66]));
      stream.write({ json: context.functionName });
      stream.end("!");
    }`,
      { word: "A" },
    );
    expect(sink.contentType).toBe("text/plain");
    expect(sink.parts.join("")).toBe('A and B{"json":"tiles"}!');
    expect(result).toMatchObject({ streamed: true });
    expect([result.payload.byteLength, result.error]).toEqual([0, undefined]);
  });

  it("sends the head of a response before the first part, and nothing without one", async () => {
    const { sink } = await stream(`async (event, stream) => {
      const response = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-nul": "\\u0000" } });
      response.write("body");
      response.end();
    }`);
    expect(sink.contentType).toBe("application/vnd.awslambda.http-integration-response");
    expect(sink.parts.join("")).toBe('{"statusCode":201,"headers":{"x-nul":"\\u0000"}}\0\0\0\0\0\0\0\0body');
    const none = await stream(`async (event, stream) => { awslambda.HttpResponseStream.from(stream, {}).end(); }`);
    expect(none.sink.parts).toEqual([]);
  });

  it("is answered whole to a caller who wants no stream", async () => {
    const spec = await functionOf(`async (event, stream) => {
      for (let i = 1; i < 4; i += 1) stream.write(String(i));
      stream.end();
    }`);
    const result = await harness.invoke(spec);
    expect(Buffer.from(result.payload).toString()).toBe("123");
    expect(result.streamed).toBeUndefined();
    expect(answerOf(await harness.invoke(spec))).toEqual(123);
  });

  it("is too large above 6 MB for such a caller, and is not for one with a stream", async () => {
    const body = `async (event, stream) => {
      for (let i = 0; i < 7; i += 1) if (!stream.write(Buffer.alloc(2 ** 20, "x"))) await new Promise((resolve) => stream.once("drain", resolve));
      stream.end();
    }`;
    const spec = await functionOf(body);
    const whole = await harness.invoke(spec);
    expect([whole.error, whole.cause]).toEqual(["unhandled", "too-large"]);
    expect(answerOf(whole)).toMatchObject({ errorType: "Function.ResponseSizeTooLarge" });
    const sink = gather();
    expect((await harness.invoke(spec, {}, { stream: sink })).error).toBeUndefined();
    expect(sink.parts.join("")).toHaveLength(7 * 2 ** 20);
  });

  it("waits while the caller takes nothing", async () => {
    const sink = gather();
    let release: () => void = () => undefined;
    sink.hold = new Promise((resolve) => {
      release = resolve;
    });
    const spec = await functionOf(`async (event, stream) => {
      for (let i = 0; i < 40; i += 1) {
        if (!stream.write(Buffer.alloc(65536, "x"))) await new Promise((resolve) => stream.once("drain", resolve));
        console.log("wrote " + i);
      }
      stream.end();
    }`);
    const running = harness.invoke(spec, {}, { stream: sink });
    // It has a credit of 256 KiB and a buffer of 64 KiB.
    await expect.poll(() => sink.parts.join("").length, { timeout: 10_000 }).toBe(262_144);
    const wrote = () => harness.lines.filter(({ text }) => /\twrote \d+$/.test(text)).length;
    await expect.poll(wrote, { timeout: 10_000 }).toBeGreaterThan(2);
    expect(wrote()).toBeLessThan(7);
    sink.hold = undefined;
    release();
    expect((await running).error).toBeUndefined();
    expect(sink.parts.join("")).toHaveLength(40 * 65_536);
  });

  it("through pipeline, from a stream of its own", async () => {
    const { sink } = await stream(`async (event, stream) => {
      const { pipeline } = await import("node:stream/promises");
      const { Readable } = await import("node:stream");
      await pipeline(Readable.from(["one ", "two"]), stream);
    }`);
    expect(sink.parts.join("")).toBe("one two");
  });

  it("returns a value that is ignored, with a warning", async () => {
    await stream(`async (event, stream) => { stream.end("x"); return 5; }`);
    await expect
      .poll(() => harness.lines.some(({ text }) => text.endsWith("\tWARN\tStreaming handlers ignore return values.")))
      .toBe(true);
  });

  it("may be wrapped", async () => {
    const spec = await harness.functionOf({
      "index.js": `const inner = async (event, stream) => { stream.end("inner"); };
inner[Symbol.for("aws.lambda.runtime.handler.streaming")] = "response";
exports.handler = inner;`,
    });
    expect(Buffer.from((await harness.invoke(spec)).payload).toString()).toBe("inner");
  });
});

describe("a stream that fails", () => {
  const cases = [
    ["before its first part", `async () => { throw new TypeError("early"); }`, [], "TypeError", "early"],
    [
      "midstream",
      `async (event, stream) => { stream.write("part"); await new Promise(setImmediate); throw new RangeError("late"); }`,
      ["part"],
      "RangeError",
      "late",
    ],
    ["without a promise", `() => {}`, [], "Error", "Streaming does not support non-async handlers."],
    [
      "without an end",
      `async (event, stream) => { stream.write("open"); }`,
      ["open"],
      "Error",
      "Response stream is not finished.",
    ],
    [
      "by naming its content type too late",
      `async (event, stream) => { stream.write("x"); stream.setContentType("text/plain"); }`,
      ["x"],
      "Runtime.InvalidStreamingOperation",
      "Cannot set content-type, too late.",
    ],
    [
      "by its stream's own error",
      `async (event, stream) => { stream.destroy(new Error("torn")); await new Promise(() => {}); }`,
      [],
      "Error",
      "torn",
    ],
  ] as const;
  it.each(cases)("%s", async (_, body, parts, errorType, errorMessage) => {
    const { result, sink } = await stream(body);
    expect(answerOf(result)).toMatchObject({ errorType, errorMessage });
    expect([result.error, sink.parts]).toEqual(["handled", parts]);
    expect(result.streamed === true).toBe(parts.length > 0);
  });

  it("leaves its environment for the next invocation, and nothing of its own in that", async () => {
    const spec = await functionOf(`async (event, stream) => {
      if (event.fail) {
        stream.write("first");
        setTimeout(() => stream.write("stray"), 5);
        throw new Error("failed");
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
      stream.end(String(process.pid));
    }`);
    const failed = await harness.invoke(spec, { fail: true }, { stream: gather() });
    expect(failed.error).toBe("handled");
    const sink = gather();
    await harness.invoke(spec, {}, { stream: sink });
    expect(sink.parts.join("")).toMatch(/^\d+$/);
  });

  it("at its timeout and by a crash, after what it had sent", async () => {
    const hangs = `async (event, stream) => { stream.write("part"); if (event.die) process.exit(3); await new Promise((resolve) => setTimeout(resolve, 60_000)); }`;
    for (const [event, cause] of [
      [{}, "timeout"],
      [{ die: true }, "crash"],
    ] as const) {
      const sink = gather();
      const result = await harness.invoke(await functionOf(hangs, { timeoutMs: 700 }), event, { stream: sink });
      expect([result.error, result.cause, result.streamed, sink.parts.length < 2]).toEqual([
        "unhandled",
        cause,
        true,
        true,
      ]);
    }
  });
});
