import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

/** A runtime as somebody else would write it; `body` is the loop's work on `event`, with `api` and `id` at hand. */
function bootstrapOf(body: string, before = ""): Record<string, string> {
  return {
    bootstrap: `#!${process.execPath}
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime";
const post = (path, body, headers = {}) => fetch(api + path, { method: "POST", body, headers });
(async () => {
  ${before}
  for (;;) {
    const next = await fetch(api + "/invocation/next");
    const id = next.headers.get("lambda-runtime-aws-request-id");
    const event = await next.json();
    ${body}
  }
})();`,
  };
}

const provided: Partial<FunctionSpec> = { runtime: "provided.al2023", handler: "anything" };

describe("the Runtime API", () => {
  it("serves a bootstrap, one invocation after the other", async () => {
    const body =
      "await post(`/invocation/${id}/response`, JSON.stringify({ event, handler: process.env._HANDLER, headers: Object.fromEntries(next.headers) }));";
    const spec = await harness.functionOf(bootstrapOf(body), provided);
    const before = Date.now();
    const first = await harness.invoke(spec, { n: 1 }, { requestId: "11111111-0000-4000-8000-000000000001" });
    const answer = answerOf<{ event: unknown; handler: string; headers: Record<string, string> }>(first);
    expect(answer).toMatchObject({
      event: { n: 1 },
      handler: "anything",
      headers: {
        "content-type": "application/json",
        "lambda-runtime-aws-request-id": "11111111-0000-4000-8000-000000000001",
        "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-west-1:123456789012:function:tiles",
        "lambda-runtime-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
      },
    });
    expect(Number(answer.headers["lambda-runtime-deadline-ms"])).toBeGreaterThanOrEqual(before + spec.timeoutMs - 1);
    const clientContext = Buffer.from('{"env":{"ort":"Köln"}}').toString("base64");
    const second = await harness.invoke(spec, { n: 2 }, { clientContext });
    const { headers } = answerOf<{ headers: Record<string, string> }>(second);
    expect(JSON.parse(headers["lambda-runtime-client-context"] ?? "")).toEqual({ env: { ort: "Köln" } });
    expect([first.initMs !== undefined, second.initMs]).toEqual([true, undefined]);
    expect(second.memoryUsedMiB).toBeGreaterThan(10);
  });

  it("serves a bootstrap in shell", async () => {
    const spec = await harness.functionOf(
      {
        bootstrap: `#!/bin/sh
while true; do
  head=$(mktemp)
  event=$(curl -sS -D "$head" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i aws-request-id "$head" | tr -d '\\r' | cut -d' ' -f2)
  echo "got $event"
  curl -sS -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "$event" >/dev/null
done`,
      },
      provided,
    );
    const result = await harness.invoke(spec, { shell: true });
    expect(answerOf(result)).toEqual({ shell: true });
    await expect.poll(() => harness.lines.map(({ text }) => text)).toContain('got {"shell":true}');
  });

  it("takes errors, of an invocation and of the start", async () => {
    const error = JSON.stringify({ errorType: "Tile.Missing", errorMessage: "no tile", stackTrace: [] });
    const fails = await harness.functionOf(
      bootstrapOf(`await post(\`/invocation/\${id}/error\`, '${error}');`),
      provided,
    );
    const failed = await harness.invoke(fails);
    expect(answerOf(failed)).toEqual(JSON.parse(error));
    expect([failed.error, failed.cause]).toEqual(["handled", undefined]);

    const headers = '{ "Lambda-Runtime-Function-Error-Type": "Extension.ConfigInvalid" }';
    const dies = await harness.functionOf(
      bootstrapOf("", `await post("/init/error", "", ${headers}); process.exit(1);`),
      provided,
    );
    const died = await harness.invoke(dies);
    expect(answerOf(died)).toMatchObject({ errorType: "Extension.ConfigInvalid" });
    expect([died.error, died.cause]).toEqual(["unhandled", "init"]);
  });

  it("refuses an answer of more than 6 MB with 413, and the invocation fails", async () => {
    const body =
      "const { status } = await post(`/invocation/${id}/response`, 'x'.repeat(event.length)); console.log('status ' + status);";
    const spec = await harness.functionOf(bootstrapOf(body), provided);
    const result = await harness.invoke(spec, { length: 6_291_557 });
    expect(answerOf(result)).toMatchObject({ errorType: "Function.ResponseSizeTooLarge" });
    expect([result.error, result.cause]).toEqual(["unhandled", "too-large"]);
    await expect.poll(() => harness.lines.map(({ text }) => text)).toContain("status 413");
    expect((await harness.invoke(spec, { length: 6_291_556 })).payload.byteLength).toBe(6_291_556);
  });

  it("refuses what its protocol forbids", async () => {
    const body = `
      const seen = [];
      const note = async (response) => { const { errorType } = await response.json(); seen.push([response.status, errorType]); };
      await note(await post("/invocation/none/response", "1"));
      await note(await fetch(api + "/invocation/next"));
      await note(await post("/init/error", "{}"));
      await note(await fetch(api + "/elsewhere"));
      await note(await fetch(api + "/invocation/next", { headers: { Origin: "http://evil.example" } }));
      await post(\`/invocation/\${id}/response\`, JSON.stringify(seen));
      await note(await post(\`/invocation/\${id}/response\`, "again"));
      if (seen.at(-1)[0] !== 400) process.exit(1);`;
    const spec = await harness.functionOf(bootstrapOf(body), provided);
    const expected = [
      [400, "InvalidRequestID"],
      [403, "InvalidStateTransition"],
      [403, "InvalidStateTransition"],
      [501, "Runtime.NotImplemented"],
      [403, "Forbidden"],
    ];
    expect(answerOf(await harness.invoke(spec))).toEqual(expected);
    expect(answerOf(await harness.invoke(spec))).toEqual(expected);
  });

  it("takes an answer in parts, with an error in its trailers", async () => {
    const body = `
      const { request } = await import("node:http");
      const { hostname, port } = new URL(api);
      const post = request({ hostname, port, method: "POST", path: "/2018-06-01/runtime/invocation/" + id + "/response", headers: {
        "Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked", "Content-Type": "text/css",
        Trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body" } });
      const answered = new Promise((resolve) => post.on("response", (response) => resolve(response.resume().statusCode)).on("error", resolve));
      post.write("one ");
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (event.tear) post.destroy();
      if (event.fail) post.addTrailers({ "Lambda-Runtime-Function-Error-Type": "Tile.Torn", "Lambda-Runtime-Function-Error-Body": btoa('{"errorType":"Tile.Torn"}') });
      if (!event.tear) post.end("two");
      console.log("answered " + await answered);`;
    const spec = await harness.functionOf(bootstrapOf(body), provided);
    const invoke = async (event: object) => {
      const sink = { type: "", text: "" };
      const begin = (type: string) => void (sink.type = type);
      const write = (chunk: Uint8Array) => void (sink.text += Buffer.from(chunk).toString());
      const result = await harness.invoke(spec, event, { stream: { begin, write } });
      return {
        ...sink,
        streamed: result.streamed,
        error: result.error,
        payload: Buffer.from(result.payload).toString(),
      };
    };
    const whole = { type: "text/css", text: "one two", streamed: true };
    expect(await invoke({})).toEqual({ ...whole, error: undefined, payload: "" });
    expect(await invoke({ fail: true })).toEqual({ ...whole, error: "handled", payload: '{"errorType":"Tile.Torn"}' });
    const torn = await invoke({ tear: true });
    expect([torn.text, torn.error]).toEqual(["one ", "handled"]);
    expect(torn.payload).toContain("Runtime.TruncatedResponse");
    expect(Buffer.from((await harness.invoke(spec)).payload).toString()).toBe("one two");
    await expect
      .poll(() => harness.lines.filter(({ text }) => text === "answered 202").length, { timeout: 10_000 })
      .toBe(3);
  });

  it("ends a bootstrap at its timeout, and starts another", async () => {
    const body = "if (event.hang) continue; await post(`/invocation/${id}/response`, JSON.stringify(process.pid));";
    const spec = await harness.functionOf(bootstrapOf(body), { ...provided, timeoutMs: 400 });
    const first = answerOf(await harness.invoke(spec));
    const { cause } = await harness.invoke(spec, { hang: true });
    expect(cause).toBe("timeout");
    const second = answerOf(await harness.invoke(spec));
    expect(second).not.toBe(first);
  });
});

describe("a bootstrap", () => {
  const start = async (files: Record<string, string>) => {
    const spec = await harness.functionOf({ "other.txt": "", ...files }, provided);
    const result = await harness.invoke(spec, {}, { requestId: "22222222-0000-4000-8000-000000000002" });
    expect([result.error, result.cause]).toEqual(["unhandled", "init"]);
    return { json: answerOf<{ errorType: string; errorMessage: string }>(result), path: `${spec.codeDir}/bootstrap` };
  };
  const requestId = "RequestId: 22222222-0000-4000-8000-000000000002 Error: ";

  it("that is missing is said to be", async () => {
    const { json, path } = await start({});
    expect(json).toEqual({
      errorType: "Runtime.InvalidEntrypoint",
      errorMessage: `${requestId}Couldn't find valid bootstrap(s): [${path} /opt/bootstrap]`,
    });
  });

  it("whose interpreter is missing is said to be", async () => {
    const { json, path } = await start({ bootstrap: "#!/nowhere/python\n" });
    expect(json.errorMessage).toBe(`${requestId}fork/exec ${path}: no such file or directory`);
  });

  it("that is no program is said to be", async () => {
    for (const bootstrap of ["echo no shebang", "\u007fELF of another machine, or of none at all"]) {
      const { json, path } = await start({ bootstrap });
      expect(json.errorMessage).toBe(`${requestId}fork/exec ${path}: exec format error`);
    }
  });

  it("that ends at once is said to", async () => {
    const { json } = await start({ bootstrap: "#!/bin/sh\nexit 7\n" });
    expect(json).toEqual({
      errorType: "Runtime.ExitError",
      errorMessage: `${requestId}Runtime exited with error: exit status 7`,
    });
  });
});
