/** `mikan watch`: files change, and what runs changes with them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });
const entry = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const shown = { timeout: 40_000, interval: 50 };

let mikan: Mikan;
let lambda: LambdaClient;
let directory: string;
beforeAll(async () => {
  mikan = await startMikan();
  lambda = new LambdaClient(mikan.clientConfig());
  directory = await mkdtemp(join(tmpdir(), "mikan-watch-"));
});
afterAll(async () => {
  lambda.destroy();
  await mikan.close(0);
  await rm(directory, { recursive: true, force: true });
});

const write = (file: string, text: string) => writeFile(join(directory, file), text);
const handler = (answer: string) =>
  `export const handler = async () => { console.log("${answer}"); return "${answer}"; };`;
const template = (timeout: number, code: string) => `
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: ${code}, Handler: app.handler, Runtime: nodejs24.x, Timeout: ${timeout} }
Outputs:
  Name: { Value: !Ref Hello }
`;

/** The command, and what it has printed. */
function watching(...args: string[]) {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry, "watch", ...args], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      AWS_ENDPOINT_URL: mikan.url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_REGION: "us-east-1",
    },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  }
  const gone = once(child, "exit");
  return {
    printed: () => printed,
    says: (what: RegExp) => expect.poll(() => printed, shown).toMatch(what),
    async end(): Promise<unknown> {
      child.kill("SIGINT");
      const [code] = (await gone) as [number | null];
      return code;
    },
  };
}

async function answerOf(FunctionName: string): Promise<unknown> {
  const { Payload } = await lambda.send(new InvokeCommand({ FunctionName }));
  return JSON.parse(Buffer.from(Payload ?? []).toString());
}

it("runs changed code with the next invocation, and updates the stack when the template changes", async () => {
  await mkdir(join(directory, "src"));
  await write("src/app.mjs", handler("first"));
  await write("app.yaml", template(3, "./src"));
  const watch = watching("app.yaml", "--logs");
  try {
    await watch.says(/Stack app is ready\.[^]*Watching app-Hello-\w+\. Ctrl-C ends\./);
    const name = /Name = (\S+)/.exec(watch.printed())?.[1] ?? "";
    expect(await answerOf(name)).toBe("first");

    await write("src/app.mjs", handler("second"));
    await watch.says(/app-Hello-\w+: src\/app\.mjs changed; the next invocation runs it \(\d+ ms\)\n/);
    expect(await answerOf(name)).toBe("second");
    await watch.says(/app-Hello-\w+ \| .*\tINFO\tsecond\n/);

    // A directory that is new is watched, too; the same bytes again are no change.
    await mkdir(join(directory, "src/lib"));
    await write("src/app.mjs", handler("second"));
    await write("src/lib/answer.mjs", `export const answer = "third";`);
    await watch.says(/: src\/lib(\/answer\.mjs)?( and \d more)? changed/);
    await write("src/lib/answer.mjs", `export const answer = ;`);
    await watch.says(/answer\.mjs:1\n[^]*SyntaxError: /);

    await write("app.yaml", template(7, "./src"));
    await watch.says(/UPDATE_COMPLETE +Hello \(AWS::Lambda::Function\)[^]*Stack app is ready/);
    await write("app.yaml", "Resources: [");
    await watch.says(/ValidationError: Template format error/);
    await write("app.yaml", template(8, "./src"));
    await watch.says(/is ready\.[^]*is ready\.[^]*is ready\./);
  } finally {
    expect(await watch.end()).toBe(0);
  }
});

it("runs a build before code is packaged, and does nothing where it fails", async () => {
  await mkdir(join(directory, "built/lib"), { recursive: true });
  await write("built/lib/app.mjs", handler("built one"));
  await write("built/built.yaml", template(3, "./dist"));
  const watch = watching("built/built.yaml", "--build", "grep -q built lib/app.mjs && mkdir -p dist && cp lib/* dist");
  try {
    await watch.says(/built in \d+ ms\n[^]*Watching built-Hello-\w+\./);
    const name = /Name = (\S+)/.exec(watch.printed())?.[1] ?? "";
    expect(await answerOf(name)).toBe("built one");
    await write("built/lib/app.mjs", handler("built two"));
    await watch.says(/lib\/app\.mjs changed; the next invocation runs it/);
    expect(await answerOf(name)).toBe("built two");
    await write("built/lib/app.mjs", handler("broken"));
    await watch.says(/the build failed \(1\); nothing was changed/);
    expect(await answerOf(name)).toBe("built two");
  } finally {
    expect(await watch.end()).toBe(0);
  }
});
