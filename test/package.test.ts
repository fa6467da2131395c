/** What is published: packed, installed without the tools of this checkout in an empty folder, and used from there. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { CreateStackCommand } from "@aws-sdk/client-cloudformation";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, it } from "vitest";
import { version } from "../src/version.ts";
import { buildPackage } from "../tools/build.ts";
import { clientsOf } from "./clients.ts";
import { startCommand } from "./node-process.ts";
import { createApp, createFront, deleteStack, failuresOf, restingStatus, uploadCode } from "./stacks.ts";
import { freePort, startUpstream } from "./upstream.ts";

const root = join(import.meta.dirname, "..");
const installMsMax = 120_000;

let directory: string;
/** Where a user has it. */
let installed: string;

const run = (command: string, args: readonly string[], cwd: string) =>
  promisify(execFile)(command, args, {
    cwd,
    timeout: installMsMax,
    // The Node that runs this is the one that a `#!/usr/bin/env node` finds.
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` },
  });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-package-"));
  const packed = join(directory, "packed");
  installed = join(directory, "installed");
  await Promise.all([packed, installed].map((path) => mkdir(path)));
  for (const file of ["package.json", "README.md", "LICENSE"]) await copyFile(join(root, file), join(packed, file));
  await buildPackage(join(packed, "dist"));
  await writeFile(join(installed, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", directory], packed);
  const tarball = join(directory, stdout.trim());
  await run("npm", ["install", "--omit=dev", "--prefer-offline", "--no-audit", "--no-fund", tarball], installed);
}, installMsMax + 60_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

it("brings its dependencies, and no client of AWS", async () => {
  const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const modules = await readdir(join(installed, "node_modules"));
  expect(modules).toEqual(expect.arrayContaining(["mikan-cloud", ...Object.keys(dependencies)]));
  expect(modules.filter((name) => name.startsWith("@"))).toEqual([]);
  const files = await readdir(join(installed, "node_modules/mikan-cloud"));
  expect(files.sort()).toEqual(["LICENSE", "README.md", "dist", "package.json"]);
});

it("runs the journey through its API: stacks, the edge, a function, the fallback", async () => {
  await using monolith = await startUpstream();
  const node = await startCommand(process.execPath, [
    join(installed, "node_modules/.bin/mikan"),
    "up",
    "--port=0",
    `--data=${join(directory, "data")}`,
  ]);
  try {
    using clients = clientsOf(node.url);
    const port = await freePort();
    const ask = async () => (await fetch(`http://127.0.0.1:${port}/map/1`)).headers.get("x-served-by");
    const ends = async (stack: string, status: string) =>
      expect(await restingStatus(clients, stack), (await failuresOf(clients, stack)).join()).toBe(status);

    await uploadCode(clients);
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: "code", Key: "app.zip" }));
    // A zip begins so.
    expect((await Body?.transformToByteArray())?.subarray(0, 2)).toEqual(new Uint8Array(Buffer.from("PK")));

    // Too long to be read beside everything else: a thread of its own does it.
    const TemplateBody = `Resources:\n  Made:\n    Type: AWS::S3::Bucket\n${"# so long\n".repeat(1_000)}`;
    const { StackId = "" } = await clients.cloudformation.send(
      new CreateStackCommand({ StackName: "long", TemplateBody }),
    );
    await ends(StackId, "CREATE_COMPLETE");

    await ends(await createFront(clients, port, monolith.port), "CREATE_COMPLETE");
    expect(await ask()).toBe("monolith");
    const app = await createApp(clients);
    await ends(app, "CREATE_COMPLETE");
    expect(await ask()).toBe("function");
    await deleteStack(clients, "map");
    await ends(app, "DELETE_COMPLETE");
    expect(await ask()).toBe("monolith");
    expect(await node.end()).toBe(0);
  } finally {
    await node.kill();
  }
});

it("embeds in a program of the user's", async () => {
  const program = `
    import { startMikan } from "mikan-cloud";
    await using mikan = await startMikan();
    console.log(await (await fetch(mikan.url + "/_mikan/status")).text());
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], installed);
  expect(JSON.parse(stdout)).toMatchObject({ version });
});

it("has types that a strict program of the user's compiles with", async () => {
  const program = `import { startMikan, type Mikan } from "mikan-cloud";
    const mikan: Mikan = await startMikan({ port: 0 });
    export const url: string = mikan.url;`;
  await writeFile(join(installed, "user.ts"), program);
  const options = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--lib",
    "es2024,esnext.disposable,dom",
    "--types",
    "",
  ];
  const { stdout } = await run(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), ...options, "user.ts"],
    installed,
  );
  expect(stdout).toBe("");
});
