/** Answers that stream, as clients of the API and of function URLs meet them: the whole node, real functions. */
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  GetFunctionUrlConfigCommand,
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  ListFunctionUrlConfigsCommand,
  PutFunctionConcurrencyCommand,
  UpdateFunctionUrlConfigCommand,
} from "@aws-sdk/client-lambda";
import { request, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { role, zipOf } from "./node.suite.ts";

const source = `
const { HttpResponseStream, streamifyResponse } = awslambda;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
exports.streamed = streamifyResponse(async (event, stream, context) => {
  const does = event.rawPath?.slice(1) ?? event.does;
  if (does === "early") throw new TypeError("early");
  if (does === "head" || does === "late") {
    stream = HttpResponseStream.from(stream, { statusCode: 418, headers: { "X-Kind": "teapot", "Content-Type": "text/plain" }, cookies: ["a=1", "b=2"] });
  }
  if (does === "endless-head") { stream.setContentType("application/vnd.awslambda.http-integration-response"); stream.end("{}"); return; }
  if (does === "empty") { stream.end(); return; }
  stream.write("one ");
  if (does === "wait") await sleep(event.rawQueryString ? Number(event.rawQueryString) : 300);
  if (does === "late") { await sleep(20); throw new RangeError("late"); }
  if (does === "long") for (let i = 0; i < 200; i += 1) if (!stream.write("x".repeat(65536))) await new Promise((resolve) => stream.once("drain", resolve));
  stream.end("two");
  console.log("ended " + context.awsRequestId);
});
exports.buffered = async (event) => {
  if (event.fail || event.rawPath === "/fail") throw new Error("failed");
  return { statusCode: 202, body: "whole" };
};`;

let mikan: Mikan;
let lambda: LambdaClient;
beforeAll(async () => {
  mikan = await startMikan();
  const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
  lambda = new LambdaClient({ endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 });
  const ZipFile = await zipOf({ "index.js": source });
  const settings = { Role: role, Runtime: "nodejs24.x", Code: { ZipFile }, Timeout: 20 } as const;
  for (const name of ["streamed", "buffered"]) {
    await lambda.send(new CreateFunctionCommand({ ...settings, FunctionName: name, Handler: `index.${name}` }));
  }
}, 60_000);
afterAll(async () => {
  lambda.destroy();
  await mikan.close(0);
});

async function invoke(FunctionName: string, event: object = {}) {
  const input = { FunctionName, Payload: Buffer.from(JSON.stringify(event)), LogType: "Tail" } as const;
  const { EventStream, ExecutedVersion } = await lambda.send(new InvokeWithResponseStreamCommand(input));
  const parts: string[] = [];
  let complete;
  for await (const { PayloadChunk, InvokeComplete } of must(EventStream, "a stream")) {
    if (PayloadChunk !== undefined) parts.push(Buffer.from(PayloadChunk.Payload ?? []).toString());
    complete = InvokeComplete ?? complete;
  }
  return { parts, complete: must(complete, "the last event"), version: ExecutedVersion };
}

describe("InvokeWithResponseStream", () => {
  it("gives parts as they come, then how it ended", async () => {
    const { parts, complete, version } = await invoke("streamed", { does: "wait" });
    expect([parts, version, complete.ErrorCode]).toEqual([["one ", "two"], "$LATEST", undefined]);
    expect(Buffer.from(complete.LogResult ?? "", "base64").toString()).toContain("REPORT RequestId: ");
  });

  it("gives a buffered answer as one part", async () => {
    const { parts, complete } = await invoke("buffered");
    expect(parts).toEqual(['{"statusCode":202,"body":"whole"}']);
    expect(complete.ErrorCode).toBeUndefined();
  });

  it.each([
    ["streamed", { does: "early" }, [], "TypeError"],
    [
      "streamed",
      { does: "late" },
      [expect.stringContaining('"statusCode":418'), expect.stringMatching(/^\0{8}$/), "one "],
      "RangeError",
    ],
    ["buffered", { fail: true }, [], "Error"],
  ])("says how %s failed with %j", async (name, event, parts, errorType) => {
    const seen = await invoke(name, event);
    expect(seen.parts).toEqual(parts);
    expect(seen.complete.ErrorCode).toBe("Unhandled");
    expect(JSON.parse(seen.complete.ErrorDetails ?? "")).toMatchObject({ errorType });
  });

  it("refuses as Invoke does", async () => {
    const send = (input: object) =>
      lambda.send(new InvokeWithResponseStreamCommand({ FunctionName: "streamed", ...input }));
    await expect(send({ FunctionName: "missing" })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    await expect(send({ Payload: Buffer.from("{") })).rejects.toMatchObject({ name: "InvalidRequestContentException" });
    expect((await send({ InvocationType: "DryRun" })).StatusCode).toBe(204);
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: "buffered", ReservedConcurrentExecutions: 0 }));
    await expect(send({ FunctionName: "buffered" })).rejects.toMatchObject({ name: "TooManyRequestsException" });
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: "buffered", ReservedConcurrentExecutions: 5 }));
  });

  it("is not needed to call a function that streams", async () => {
    const { Payload } = await lambda.send(new InvokeCommand({ FunctionName: "streamed" }));
    expect(Buffer.from(Payload ?? []).toString()).toBe("one two");
  });
});

const urls = new Map<string, string>();

async function urlOf(FunctionName: string): Promise<URL> {
  const known = urls.get(FunctionName);
  if (known !== undefined) return new URL(known);
  const everybody = { FunctionName, Principal: "*" };
  const url = { StatementId: "url", Action: "lambda:InvokeFunctionUrl", FunctionUrlAuthType: "NONE" } as const;
  await lambda.send(new AddPermissionCommand({ ...everybody, ...url }));
  const may = { StatementId: "invoke", Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true };
  await lambda.send(new AddPermissionCommand({ ...everybody, ...may }));
  const made = await lambda.send(
    new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE", InvokeMode: "RESPONSE_STREAM" }),
  );
  expect(made.InvokeMode).toBe("RESPONSE_STREAM");
  urls.set(FunctionName, made.FunctionUrl ?? "");
  return new URL(made.FunctionUrl ?? "");
}

/** The response's head, as soon as it is there. */
async function visit(name: string, path: string): Promise<IncomingMessage> {
  const { host, port } = await urlOf(name);
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, headers: { host } }, resolve).on("error", reject).end();
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return text;
}

describe("a URL with InvokeMode RESPONSE_STREAM", () => {
  it("passes parts on as they come", async () => {
    const response = await visit("streamed", "/wait?5000");
    expect([response.statusCode, response.headers["content-type"]]).toEqual([200, "application/octet-stream"]);
    const first = await new Promise<string>((resolve) => {
      response.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    });
    // Long before the function's five seconds are over.
    expect(first).toBe("one ");
    response.destroy();
  });

  it("takes the head of the response from the stream", async () => {
    const response = await visit("streamed", "/head");
    expect([response.statusCode, response.headers["x-kind"]]).toEqual([418, "teapot"]);
    expect([response.headers["content-type"], response.headers["set-cookie"]]).toEqual(["text/plain", ["a=1", "b=2"]]);
    expect(await readAll(response)).toBe("one two");
  });

  it("answers a long one, and an empty one", async () => {
    expect(await readAll(await visit("streamed", "/long"))).toHaveLength(7 + 200 * 65_536);
    const empty = await visit("streamed", "/empty");
    expect([empty.statusCode, await readAll(empty)]).toEqual([200, ""]);
  });

  it("breaks off where the function does, and is a 502 before", async () => {
    const late = await visit("streamed", "/late");
    expect(late.statusCode).toBe(418);
    await expect(readAll(late)).rejects.toThrow("aborted");
    for (const path of ["/early", "/endless-head"]) expect((await visit("streamed", path)).statusCode).toBe(502);
  });

  it("passes on what a buffered function returns, untouched", async () => {
    const response = await visit("buffered", "/");
    expect([response.statusCode, await readAll(response)]).toEqual([200, '{"statusCode":202,"body":"whole"}']);
    expect((await visit("buffered", "/fail")).statusCode).toBe(502);
  });

  it("lets the function go on when its client is gone", async () => {
    const response = await visit("streamed", "/long");
    const requestId = String(response.headers["x-amzn-requestid"]);
    response.destroy();
    const { CloudWatchLogsClient, FilterLogEventsCommand } = await import("@aws-sdk/client-cloudwatch-logs");
    const credentials = { accessKeyId: "000000000000", secretAccessKey: "test" };
    const logs = new CloudWatchLogsClient({ endpoint: mikan.url, region: "us-east-1", credentials });
    const ended = async () => {
      const input = { logGroupName: "/aws/lambda/streamed", filterPattern: `"ended ${requestId}"` };
      return (await logs.send(new FilterLogEventsCommand(input))).events?.length;
    };
    await expect.poll(ended, { timeout: 10_000 }).toBe(1);
    logs.destroy();
  });

  it("is shown, and can be changed", async () => {
    await urlOf("streamed");
    const shown = await lambda.send(new GetFunctionUrlConfigCommand({ FunctionName: "streamed" }));
    expect(shown.InvokeMode).toBe("RESPONSE_STREAM");
    const { FunctionUrlConfigs } = await lambda.send(new ListFunctionUrlConfigsCommand({ FunctionName: "streamed" }));
    expect(FunctionUrlConfigs?.[0]?.InvokeMode).toBe("RESPONSE_STREAM");
    const change = new UpdateFunctionUrlConfigCommand({ FunctionName: "streamed", InvokeMode: "BUFFERED" });
    expect((await lambda.send(change)).InvokeMode).toBe("BUFFERED");
    // Whole, then, and no JSON: AWS's front cannot make a response of that either.
    expect((await visit("streamed", "/")).statusCode).toBe(502);
  });
});
