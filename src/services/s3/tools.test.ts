/** The tools that people move files with, unmodified: the AWS CLI and s3cmd. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";

const run = promisify(execFile);
const timeoutMs = 120_000;
const smallFiles = 300;
const largeBytes = 100 * 2 ** 20;

let mikan: Mikan;
let work: string;
beforeAll(async () => {
  mikan = await startMikan();
  work = await mkdtemp(join(tmpdir(), "mikan-tools-"));
});
afterAll(async () => {
  await mikan.close();
  await rm(work, { recursive: true, force: true });
});

/** A tool that is missing is said so, not passed over. */
const has = (command: string) =>
  run(command, ["--version"]).then(
    () => true,
    () => false,
  );

const environment = () => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_ENDPOINT_URL: mikan.url,
  AWS_PAGER: "",
});

async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

async function makeTree(root: string): Promise<void> {
  for (let i = 0; i < smallFiles; i += 1) {
    const directory = join(root, `dir ${i % 7}`);
    if (i < 7) await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `file-${i}.txt`), `content of ${i}`);
  }
}

/** Bytes that differ from part to part; the rest is a hole. */
async function makeLarge(path: string): Promise<void> {
  await writeFile(path, Array.from({ length: 200_000 }, (_, i) => `${i}\n`).join(""));
  await truncate(path, largeBytes - 4);
  await writeFile(path, "end\n", { flag: "a" });
}

const hasCli = await has("aws");
describe.skipIf(!hasCli)(hasCli ? "aws s3" : "AWS CLI IS NOT INSTALLED: not tested", () => {
  const s3 = async (...words: string[]) => (await run("aws", ["s3", ...words], { env: environment() })).stdout;

  it(
    "syncs a tree there and back, and removes what is gone",
    async () => {
      const [there, back] = [join(work, "there"), join(work, "back")];
      await makeTree(there);
      await s3("mb", "s3://tree");
      await s3("sync", there, "s3://tree/a", "--quiet");
      expect(await s3("sync", there, "s3://tree/a")).toBe("");
      const listed = await s3("ls", "s3://tree/a/", "--recursive", "--summarize");
      expect(listed).toContain(`Total Objects: ${smallFiles}`);
      expect(await s3("ls", "s3://tree/a/")).toContain("PRE dir 6/");
      await s3("sync", "s3://tree/a", back, "--quiet");
      expect(await readFile(join(back, "dir 3", "file-3.txt"), "utf8")).toBe("content of 3");
      await rm(join(there, "dir 0"), { recursive: true });
      await s3("sync", there, "s3://tree/a", "--delete", "--quiet");
      await s3("sync", "s3://tree/a", back, "--delete", "--quiet");
      expect(await readdir(join(back, "dir 0"))).toEqual([]);
      await s3("rm", "s3://tree", "--recursive", "--quiet");
      await s3("rb", "s3://tree");
    },
    timeoutMs,
  );

  it(
    "moves a large file in parts: there, across, and back",
    async () => {
      const file = join(work, "large");
      await makeLarge(file);
      await s3("mb", "s3://large");
      await s3("cp", file, "s3://large/one", "--quiet");
      await s3("cp", "s3://large/one", "s3://large/two", "--quiet");
      await s3("mv", "s3://large/two", "s3://large/three", "--quiet");
      await s3("cp", "s3://large/three", `${file}-back`, "--quiet");
      expect(await digestOf(`${file}-back`)).toBe(await digestOf(file));
      const head = ["s3api", "head-object", "--bucket", "large", "--key", "one"];
      const { stdout } = await run("aws", head, { env: environment() });
      expect((JSON.parse(stdout) as { ETag: string }).ETag).toMatch(/-13"$/);
      const { stdout: link } = await run("aws", ["s3", "presign", "s3://large/one"], { env: environment() });
      const range = await fetch(link.trim(), { headers: { Range: "bytes=0-3" } });
      expect([range.status, await range.text()]).toEqual([206, "0\n1\n"]);
      expect((await s3("ls", "s3://large/")).split("\n").filter((line) => line !== "")).toHaveLength(2);
      await s3("rb", "s3://large", "--force");
    },
    timeoutMs,
  );
});

const hasS3cmd = await has("s3cmd");
describe.skipIf(!hasS3cmd)(hasS3cmd ? "s3cmd" : "S3CMD IS NOT INSTALLED: not tested", () => {
  it(
    "puts, lists, copies, gets and deletes, in parts too",
    async () => {
      const host = new URL(mikan.url).host;
      const options = ["--access_key=test", "--secret_key=test", "--no-ssl", `--host=${host}`, `--host-bucket=${host}`];
      const config = join(work, "s3cmd.cfg");
      await writeFile(config, "[default]\n");
      const s3cmd = async (...words: string[]) =>
        (await run("s3cmd", [`--config=${config}`, ...options, "--region=us-east-1", ...words])).stdout;
      const file = join(work, "s3cmd-large");
      await makeLarge(file);
      const tree = join(work, "s3cmd-tree");
      await makeTree(tree);
      await s3cmd("mb", "s3://cmd");
      await s3cmd("put", file, "s3://cmd/large", "--multipart-chunk-size-mb=15", "--quiet");
      await s3cmd("cp", "s3://cmd/large", "s3://cmd/copy");
      await s3cmd("get", "s3://cmd/copy", `${file}-back`, "--quiet");
      expect(await digestOf(`${file}-back`)).toBe(await digestOf(file));
      await s3cmd("sync", `${tree}/`, "s3://cmd/tree/", "--quiet");
      expect((await s3cmd("ls", "--recursive", "s3://cmd/tree/")).trim().split("\n")).toHaveLength(smallFiles);
      expect(await s3cmd("info", "s3://cmd/large")).toContain(String(largeBytes));
      await s3cmd("del", "--recursive", "--force", "s3://cmd/", "--quiet");
      await s3cmd("rb", "s3://cmd");
    },
    timeoutMs,
  );
});
