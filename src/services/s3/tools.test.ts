/** The tools that people move files with, unmodified: the AWS CLI, s3cmd and rclone. */
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
const fewPartsBytes = 20 * 2 ** 20;

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
  run(command, [command === "rclone" ? "version" : "--version"]).then(
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
async function makeLarge(path: string, bytes = largeBytes): Promise<void> {
  await writeFile(path, Array.from({ length: 200_000 }, (_, i) => `${i}\n`).join(""));
  await truncate(path, bytes - 4);
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

  it(
    "encrypts under a key of KMS, in one piece and in parts",
    async () => {
      const file = join(work, "sealed");
      await makeLarge(file, fewPartsBytes);
      const small = join(work, "small");
      await writeFile(small, "small");
      await s3("mb", "s3://sealed");
      for (const [name, path] of Object.entries({ small, large: file })) {
        await s3("cp", path, `s3://sealed/${name}`, "--sse", "aws:kms", "--quiet");
        const head = ["s3api", "head-object", "--bucket", "sealed", "--key", name];
        const { stdout } = await run("aws", head, { env: environment() });
        expect(JSON.parse(stdout)).toMatchObject({ ServerSideEncryption: "aws:kms" });
        await s3("cp", `s3://sealed/${name}`, `${path}-back`, "--quiet");
        expect(await digestOf(`${path}-back`)).toBe(await digestOf(path));
      }
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

const hasRclone = await has("rclone");
describe.skipIf(!hasRclone)(hasRclone ? "rclone" : "RCLONE IS NOT INSTALLED: not tested", () => {
  it(
    "syncs, checks, copies on the server, and moves a large file in parts",
    async () => {
      const config = join(work, "rclone.conf");
      await writeFile(
        config,
        [
          "[mikan]\ntype = s3\nprovider = Other\nregion = us-east-1",
          "access_key_id = test\nsecret_access_key = test",
          `endpoint = ${mikan.url}\n`,
        ].join("\n"),
      );
      // Its SDK takes AWS's variables too, and does not work with a certificate bundle.
      const env = { PATH: process.env["PATH"], HOME: work };
      const rclone = async (...words: string[]) =>
        (await run("rclone", ["--config", config, ...words], { env })).stdout;
      const tree = join(work, "rclone-tree");
      await makeTree(tree);
      const file = join(work, "rclone-large");
      await makeLarge(file, fewPartsBytes);
      await rclone("mkdir", "mikan:clone");
      await rclone("sync", tree, "mikan:clone/tree");
      // Compares sizes and MD5s of both sides; fails where one differs.
      await rclone("check", tree, "mikan:clone/tree");
      await rclone("copyto", file, "mikan:clone/large", "--s3-chunk-size", "8M", "--s3-upload-cutoff", "10M");
      await rclone("copyto", "mikan:clone/large", "mikan:clone/copy", "--s3-copy-cutoff", "10M");
      await rclone("copyto", "mikan:clone/copy", `${file}-back`);
      expect(await digestOf(`${file}-back`)).toBe(await digestOf(file));
      expect((await rclone("lsf", "--recursive", "--files-only", "mikan:clone/tree")).trim().split("\n")).toHaveLength(
        smallFiles,
      );
      await rm(join(tree, "dir 0"), { recursive: true });
      await rclone("sync", tree, "mikan:clone/tree");
      expect(await rclone("lsf", "mikan:clone/tree")).not.toContain("dir 0/");
      await rclone("purge", "mikan:clone");
    },
    timeoutMs,
  );
});
