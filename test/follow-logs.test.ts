/** A function's log, followed while it is written, by tools that people follow logs with. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { run } from "./command.ts";

/** AWS CLI 2 has `tail`, and 1 has not; awslogs (PyPI) does the same with either's calls. */
const tools = [
  { tool: "aws", probe: ["logs", "tail", "help"], args: (group: string) => ["logs", "tail", group, "--follow"] },
  { tool: "awslogs", probe: ["--version"], args: (group: string) => ["get", group, "ALL", "--watch", "--no-color"] },
];
const has = async (tool: string, probe: string[]) =>
  run(tool, probe, { env: { AWS_PAGER: "" } }).then(
    ({ code }) => code === 0,
    () => false,
  );
const found = await Promise.all(
  tools.map(async (one) => {
    const installed = await has(one.tool, one.probe);
    if (!installed)
      console.warn(`SKIPPED: following a log by ${one.tool} ${one.args("GROUP").join(" ")}: not installed`);
    return { ...one, installed };
  }),
);

let mikan: Mikan;
beforeAll(async () => {
  mikan = await startMikan();
  const directory = await mkdtemp(join(tmpdir(), "mikan-follow-"));
  const template = join(directory, "template.json");
  const Properties = {
    FunctionName: "talks",
    Runtime: "nodejs24.x",
    Handler: "index.handler",
    Role: "arn:aws:iam::000000000000:role/any",
    Code: { ZipFile: "exports.handler = async (said) => { console.log(said); };" },
  };
  await writeFile(template, JSON.stringify({ Resources: { Talks: { Type: "AWS::Lambda::Function", Properties } } }));
  await mikan.deploy({ template, stack: "talks" });
  await rm(directory, { recursive: true });
});
afterAll(() => mikan.close(0));

const say = (what: string) =>
  new LambdaClient(mikan.clientConfig()).send(
    new InvokeCommand({ FunctionName: "talks", Payload: Buffer.from(JSON.stringify(what)) }),
  );

for (const { tool, args, installed } of found) {
  it.skipIf(!installed)(`${tool} ${args("GROUP").join(" ")}`, { timeout: 120_000 }, async () => {
    await say(`before ${tool}`);
    const child = spawn(tool, args("/aws/lambda/talks"), {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        AWS_ENDPOINT_URL: mikan.url,
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
        AWS_DEFAULT_REGION: "us-east-1",
        AWS_PAGER: "",
        PYTHONUNBUFFERED: "1",
      },
    });
    const ended = once(child, "close");
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (printed += text));
    try {
      const shown = { timeout: 50_000, interval: 200 };
      await expect.poll(() => printed, shown).toContain(`before ${tool}`);
      // It is there now, and hears what comes.
      await say(`meanwhile ${tool}`);
      await expect.poll(() => printed, shown).toContain(`meanwhile ${tool}`);
      expect(printed.split(`before ${tool}`)).toHaveLength(2);
      expect(child.exitCode).toBeNull();
    } finally {
      child.kill();
      await ended;
    }
  });
}
