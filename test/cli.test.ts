/** The command as somebody at a terminal meets it: what it prints, what it refuses, and with which exit code. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { mikan as command, type Surroundings } from "./command.ts";
import { startNodeProcess } from "./node-process.ts";
import { startUpstream } from "./upstream.ts";

/** An open node reads the credentials, and believes them. */
const unsignedCredential = `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`;

// Every line is a process, and a busy machine takes its time to start one.
vi.setConfig({ testTimeout: 90_000 });

let mikan: Mikan;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-cli-"));
  mikan = await startMikan();
});
afterAll(async () => {
  await mikan.close(0);
  await rm(directory, { recursive: true, force: true });
});

/** With this file's node as the endpoint. */
const here = (args: readonly string[], { env = {}, ...rest }: Surroundings = {}) =>
  command(args, { cwd: directory, env: { ...keysOf("test", "test"), AWS_ENDPOINT_URL: mikan.url, ...env }, ...rest });
const keysOf = (id: string, secret: string) => ({
  AWS_ACCESS_KEY_ID: id,
  AWS_SECRET_ACCESS_KEY: secret,
  AWS_REGION: "us-east-1",
});

const helloTemplate = (handler = "app.handler", code = "./src") => `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Name: { Type: String }
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: ${code}, Handler: ${handler}, Runtime: nodejs24.x, FunctionName: !Ref Name }
Outputs:
  Arn: { Value: !GetAtt Hello.Arn }
`;

describe.concurrent("says how it is used", () => {
  it("when asked", async () => {
    for (const args of [[], ["help"], ["--help"]]) {
      const { code, out } = await here(args);
      expect(code).toBe(0);
      for (const name of ["up", "deploy", "delete", "status", "logs", "invoke", "env"])
        expect(out).toContain(`mikan ${name}`);
    }
    expect((await here(["deploy", "--help"])).out).toMatch(/^mikan deploy TEMPLATE .*--code DIR/);
    expect((await here(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  const wrong: [args: string[], message: RegExp][] = [
    [
      ["peel"],
      /^mikan: There is no command peel; there are: up, check, deploy, delete, status, logs, watch, invoke, debug, functions, ca, env\n$/,
    ],
    [["up", "--prot", "1"], /^mikan: Unknown option '--prot'/],
    [["up", "4566"], /^mikan: Unexpected argument '4566'/],
    [["up", "--port", "http"], /^mikan: --port must be a whole number from 0 to 65535, and is http\n$/],
    [["up", "--edge-workers", "0"], /--edge-workers must be a whole number from 1 to 64/],
    [["up", "--ephemeral", "--data", "x"], /--data and --ephemeral exclude each other/],
    [["up", "--data", "mysql://x/y"], /--data is a directory or a postgres:\/\/ URL, and is mysql:\/\/x\/y/],
    [["up", "--log-level", "loud"], /--log-level must be debug, info, warn or error/],
    [["deploy"], /^mikan: deploy takes one template/],
    [["deploy", "no-such.yaml"], /^mikan: Cannot read the template no-such.yaml\n$/],
    [["deploy", "a.yaml", "b.yaml"], /^mikan: deploy takes one template/],
    [["deploy", "hello.yaml", "--parameter", "Name"], /A parameter is written Key=Value, and this is Name/],
    [["deploy", "hello.yaml", "--parameters", "no-such.json"], /Cannot read the parameter file no-such.json/],
    [["deploy", "hello.yaml", "--parameters", "hello.yaml"], /hello.yaml is not JSON/],
    [["deploy", "hello.yaml", "--code", "nowhere"], /There is no code at .*nowhere/],
    [["deploy", "elsewhere.yaml"], /There is no code at .*elsewhere/],
    [["deploy", "hello.yaml", "--stack", "new"], /^mikan: ValidationError: Parameters: \[Name\] must have values\n$/],
    [["deploy", "broken.yaml"], /^mikan: ValidationError: Template format error/],
    [["deploy", "hello.yaml", "--stack", "a b", "--parameter", "Name=x"], /ValidationError: 1 validation error/],
    [["delete"], /^mikan: delete takes one stack/],
    [["delete", "nobody"], /^mikan: ValidationError: Stack with id nobody does not exist\n$/],
    [["logs"], /^mikan: logs takes one function/],
    [["logs", "nobody"], /^mikan: ResourceNotFoundException: The specified log group does not exist/],
    [["logs", "nobody", "--since", "soon"], /--since is written 30s, 10m, 2h or 1d, and is soon/],
    [
      ["status", "--endpoint", "http://127.0.0.1:1"],
      /^mikan: No Mikan answers at http:\/\/127.0.0.1:1 .*Start one with: mikan up\n$/,
    ],
  ];
  beforeAll(async () => {
    await mkdir(join(directory, "src"));
    await writeFile(join(directory, "src/app.mjs"), `export const handler = async () => { console.log("a line"); };`);
    await writeFile(join(directory, "hello.yaml"), helloTemplate());
    await writeFile(join(directory, "elsewhere.yaml"), helloTemplate("app.handler", "./elsewhere"));
    await writeFile(join(directory, "broken.yaml"), "Resources: [\n");
  });
  it.each(wrong)("for `mikan %j`", async (args, message) => {
    const { code, err } = await here(args);
    expect(err).toMatch(message);
    expect(code).toBe(1);
  });
});

describe.concurrent("mikan up", () => {
  it("names the holder of a port in use", async () => {
    await using holder = await startUpstream();
    const { code, err } = await here(["up", "--ephemeral", "--port", String(holder.port)]);
    expect(err).toMatch(new RegExp(`^mikan: port ${holder.port} is in use by .*\\(pid ${process.pid}\\)\\n$`));
    expect(code).toBe(1);
  });

  it("leaves a data directory to the node that has it", async () => {
    const data = join(directory, "data");
    const node = await startNodeProcess("--data", data, "--port", "0");
    try {
      const { code, err } = await here(["up", "--data", data, "--port", "0"]);
      expect(err).toBe(`mikan: the data directory ${data} is in use by another node (process ${node.pid})\n`);
      expect(code).toBe(1);
      expect((await fetch(`${node.url}/_mikan/health`)).status).toBe(200);
    } finally {
      expect(await node.end()).toBe(0);
    }
    // It is free again when its node has ended.
    const next = await startNodeProcess("--data", data, "--port", "0");
    expect(await next.end()).toBe(0);
  });

  it("says why it cannot start: no such database, a file for a directory, half a key, an address of another machine", async () => {
    await writeFile(join(directory, "file"), "");
    const starts: [args: string[], env: Record<string, string>, message: RegExp][] = [
      [
        ["--data", "postgres://mikan@127.0.0.1:1/mikan"],
        {},
        /^mikan: the connection to PostgreSQL failed: .*ECONNREFUSED/,
      ],
      [["--data", join(directory, "file")], {}, /^mikan: .*file/],
      [["--ephemeral"], { MIKAN_ROOT_ACCESS_KEY_ID: "AKIA" }, /belong together; only one is set/],
      [["--ephemeral", "--host", "192.0.2.1"], {}, /^mikan: Refusing to listen on 192.0.2.1/],
      [
        ["--ephemeral", "--host", "192.0.2.1"],
        { MIKAN_ROOT_ACCESS_KEY_ID: "AKIA", MIKAN_ROOT_SECRET_ACCESS_KEY: "secret" },
        /^mikan: .*EADDRNOTAVAIL/,
      ],
    ];
    for (const [args, env, message] of starts) {
      const { code, err } = await here(["up", "--port", "0", ...args], { env });
      expect(err).toMatch(message);
      expect(code).toBe(1);
    }
  });
});

describe.concurrent("an app from local code", () => {
  it("is deployed, invoked, looked at and deleted", async () => {
    const deployed = await here(["deploy", "hello.yaml", "--parameter", "Name=hello"]);
    expect(deployed.err).toBe("");
    expect(deployed.code).toBe(0);
    expect(deployed.out).toMatch(/(Packaged .*src: 1 files, 1 KiB|Unchanged .*src), as s3:\/\/mikan-artifacts-/);
    expect(deployed.out).toMatch(/CREATE_COMPLETE +Hello \(AWS::Lambda::Function\)/);
    expect(deployed.out).toContain("Arn = arn:aws:lambda:us-east-1:000000000000:function:hello");

    const again = await here(["deploy", "hello.yaml", "--parameter", "Name=hello"]);
    expect([again.code, again.err]).toEqual([0, ""]);
    expect(again.out).toMatch(/Unchanged .*src, as s3:/);
    expect(again.out).toContain("Stack hello is as the template says; there is nothing to change.");
    const changed = await here(["deploy", "hello.yaml", "--parameter", "Name=hello2"]);
    expect(changed.out).toMatch(/UPDATE_COMPLETE +Hello \(AWS::Lambda::Function\)/);
    expect((await here(["deploy", "hello.yaml", "--parameter", "Name=hello"])).code).toBe(0);

    const invoked = await fetch(`${mikan.url}/2015-03-31/functions/hello/invocations`, {
      method: "POST",
      headers: { Authorization: unsignedCredential, "X-Amz-Date": "20260101T000000Z" },
      body: "{}",
    });
    expect(invoked.status).toBe(200);
    await expect
      .poll(async () => (await here(["logs", "hello"])).out, { timeout: 10_000, interval: 300 })
      .toMatch(/a line\n/);
    const { out } = await here(["status"]);
    expect(out).toMatch(/Stacks:\n(.*\n)*? {2}hello +UPDATE_COMPLETE/);
    expect(out).toMatch(/hello:\$LATEST +0 busy, 1 idle/);
    expect(JSON.parse((await here(["status", "--json"])).out)).toMatchObject({ engine: "sqlite" });

    const deleted = await here(["delete", "hello"]);
    expect([deleted.code, deleted.out.trim().split("\n").at(-1)]).toEqual([0, "Stack hello is deleted."]);
    expect((await here(["delete", "hello"])).code).toBe(1);
  });

  it("is compared before it is deployed, and with --dry-run not deployed at all", async () => {
    const deploy = (Name: string, ...more: string[]) =>
      here(["deploy", "hello.yaml", "--stack", "looked-at", "--parameter", `Name=${Name}`, ...more]);
    const first = await deploy("looked-at", "--dry-run");
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(first.out).toMatch(
      /Changes of stack looked-at:\n {2}\+ add +Hello \(AWS::Lambda::Function\)\n {2}\+ add +HelloRole /,
    );
    expect((await here(["delete", "looked-at"])).err).toContain("does not exist");

    expect((await deploy("looked-at", "--diff")).out).toContain("Stack looked-at is ready.");
    const replaced = await deploy("looked-at-2", "--dry-run");
    expect(replaced.out).toMatch(/! replace +Hello \(AWS::Lambda::Function\): FunctionName\n/);
    expect(replaced.out).not.toContain("UPDATE_");
    for (const option of ["--dry-run", "--diff"]) {
      const { out } = await deploy("looked-at", option);
      expect(out).toMatch(/\nStack looked-at is as the template says; there is nothing to change\.\n$/);
    }
    expect((await here(["delete", "looked-at"])).code).toBe(0);
  });

  it("may be an application of local templates, each longer than a request may be", async () => {
    const long = `${helloTemplate()}# ${"-".repeat(52_000)}\n`;
    await mkdir(join(directory, "shop"));
    await writeFile(join(directory, "shop/hello.yaml"), long.replace("./src", "../src"));
    const child = `{ Type: AWS::Serverless::Application, Properties: { Location: shop/hello.yaml, Parameters: { Name: child } } }`;
    const parent = `Transform: AWS::Serverless-2016-10-31\nResources:\n  Shop: ${child}\n# ${"-".repeat(52_000)}\n`;
    await writeFile(join(directory, "shop.yaml"), parent);
    const { code, out, err } = await here(["deploy", "shop.yaml"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/Packaged .*shop\/hello.yaml as s3:.*\.template\n/);
    expect(out).toMatch(/CREATE_COMPLETE +Shop \(AWS::CloudFormation::Stack\)/);
    expect((await here(["delete", "shop"])).code).toBe(0);
  });

  it("that fails is rolled back, and told with its reason", async () => {
    const { code, out } = await here(["deploy", "hello.yaml", "--stack", "failing", "--parameter", "Name=not a name"]);
    expect(out).toMatch(/CREATE_FAILED +Hello \(AWS::Lambda::Function\): .*not a name/);
    expect(out).toMatch(/Stack failing is ROLLBACK_COMPLETE/);
    expect(code).toBe(1);
    expect((await here(["delete", "failing"])).code).toBe(0);
  });
});

describe("against a node with a root key", () => {
  it("signs with the keys of its environment", async () => {
    const rootKey = { accessKeyId: "AKIAROOT", secretAccessKey: "root secret" };
    await using verified = await startMikan({ rootKey });
    const args = ["status", "--endpoint", verified.url];
    expect((await here(args, { env: keysOf("AKIAROOT", "root secret") })).out).toMatch(/No stacks\.\n/);
    const refused = await here(args, { env: keysOf("AKIAROOT", "guessed") });
    expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/^mikan: SignatureDoesNotMatch: /)]);
    const unknown = await here(args);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringMatching(/^mikan: InvalidClientTokenId: /)]);
  });
});
