/** `mikan invoke` as somebody at a terminal meets it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CreateFunctionCommand } from "@aws-sdk/client-lambda";
import { invoke as invokeCommand } from "../src/cli/invoke.ts";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf } from "./clients.ts";
import { mikan as command, type Ended } from "./command.ts";
import { createFunction } from "./front-door.ts";
import { zipOf } from "./zip.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const source = `
export const handler = async (event) => {
  console.log("seen", event.path ?? "nothing");
  if (event.fail) throw new RangeError("too far");
  return event;
};
export const streaming = awslambda.streamifyResponse(async (event, stream) => {
  stream.write("one,");
  if (event.fail) throw new Error("broken off");
  stream.end("two");
});`;
const python = `
def handler(event, context):
    raise ValueError("no such tile")
`;

let mikan: Mikan;
let directory: string;
beforeAll(async () => {
  mikan = await startMikan();
  directory = await mkdtemp(join(tmpdir(), "mikan-invoke-"));
  const clients = clientsOf(mikan.url);
  await createFunction(clients, "echo", source);
  await createFunction(clients, "streams", source, { handler: "index.streaming" });
  const Code = { ZipFile: await zipOf({ "app.py": python }) };
  const Role = "arn:aws:iam::000000000000:role/functions";
  await clients.lambda.send(
    new CreateFunctionCommand({ FunctionName: "snake", Runtime: "python3.12", Handler: "app.handler", Role, Code }),
  );
  clients.destroy();
  await writeFile(join(directory, "event.json"), '{"path":"/from/a/file"}');
  await writeFile(join(directory, "fail.json"), '{"fail":true}');
});
afterAll(async () => {
  await mikan.close(0);
  await rm(directory, { recursive: true, force: true });
});

const env = () => ({
  AWS_ENDPOINT_URL: mikan.url,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_REGION: "us-east-1",
});
const invoke = (...args: string[]): Promise<Ended> => command(["invoke", ...args], { cwd: directory, env: env() });

describe("mikan invoke", () => {
  it("prints the answer alone, and explains it beside", async () => {
    const first = await invoke("echo", "--event", "event.json");
    expect([first.code, first.out]).toEqual([0, '{"path":"/from/a/file"}\n']);
    expect(first.err).toMatch(
      /^\nCold start: [\d.]+ ms to be ready\. [\d.]+ ms, billed \d+ ms; \d+ of 128 MB used\.\n$/,
    );
    const second = await invoke("echo", "--template", "alb=path=/a,b,method=PUT", "--set", "body=c,d=e", "--tail");
    expect(JSON.parse(second.out)).toMatchObject({ path: "/a,b", httpMethod: "PUT", body: "c,d=e" });
    expect(second.err).toMatch(/\nSTART RequestId: .*\n.*\tseen \/a,b\nEND [^]*\n\nWarm start\. /);
  });

  it("shows an error with its stack and its log, and fails", async () => {
    const { code, out, err } = await invoke("echo", "--event", "fail.json");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^RangeError: too far\n {4}at .*handler .*index\.mjs:4:25\)?\n[^]*\tseen nothing\n[^]* start/);
    const snake = await invoke("snake");
    expect([snake.code, snake.out]).toEqual([1, ""]);
    expect(snake.err).toMatch(/^ValueError: no such tile\n {2}File ".*app\.py", line 3, in handler\n/);
  });

  it("prints a stream as it comes, and how it ended", async () => {
    const { code, out, err } = await invoke("streams", "--stream");
    expect([code, out]).toEqual([0, "one,two\n"]);
    expect(err).toMatch(/ start/);
    const broken = await invoke("streams", "--stream", "--event", "fail.json");
    expect([broken.code, broken.out]).toEqual([1, "one,\n"]);
    expect(broken.err).toMatch(/^Error: broken off\n/);
  });

  it("does not wait with --async", async () => {
    const { code, out, err } = await invoke("echo", "--async", "--template", "s3-put=key=later");
    expect([code, out]).toEqual([0, ""]);
    expect(err).toMatch(/^Accepted; .* \(request [0-9a-f-]{36}\)\.\nSee: mikan logs echo\n$/);
  });

  it("lists the templates, and prints one", async () => {
    expect((await invoke("--templates")).out).toMatch(
      /\nsqs-receive-message +messages of a queue.*\n +queue, body, count, group\n/,
    );
    const { out } = await invoke("--template", "s3-put=bucket=b,key=k");
    expect(JSON.parse(out)).toMatchObject({ Records: [{ awsRegion: "us-east-1", s3: { bucket: { name: "b" } } }] });
  });

  it.each<[args: string[], message: RegExp]>([
    [[], /^invoke takes one function/],
    [["echo", "other"], /^invoke takes one function/],
    [["nobody"], /^ResourceNotFoundException: Function not found: arn:aws:lambda:.*:nobody$/],
    [["echo", "--event", "no-such.json"], /^Cannot read the event no-such.json$/],
    [
      ["echo", "--event", join(tmpdir(), "no-such.json"), "--template", "sqs"],
      /--event and --template exclude each other/,
    ],
    [["echo", "--async", "--stream"], /--async and --stream exclude each other/],
    [["echo", "--set", "a=b"], /--set is for an event of --template/],
    [["echo", "--template", "s3"], /s3 may be s3-put, s3-delete/],
    [
      ["echo", "--template", "sqs=quue=x"],
      /sqs-receive-message has no parameter quue; it has: queue, body, count, group/,
    ],
    [["echo", "--endpoint", "http://127.0.0.1:1"], /^No Mikan answers at http:\/\/127.0.0.1:1 \(ECONNREFUSED\)/],
  ])("refuses %j", async (args, message) => {
    // In this process: starting one for each would take most of the time.
    await expect(invokeCommand.run(["--endpoint", mikan.url, ...args])).rejects.toThrow(message);
  });
});
