import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { type Harness, answerOf, openHarness, processesWith } from "../harness.suite.ts";
import { functionUid, openSandbox } from "./sandbox.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness({ isolation: "sandbox" });
});
afterAll(() => harness.close());

const probed = await openSandbox({ directory: "/tmp", log: silentLog });
const isRoot = process.getuid?.() === 0;

/** What `body` returns in a function; a throw is its code. */
async function tell<T>(body: string, files: Record<string, string> = {}): Promise<T> {
  const spec = await harness.functionOf({
    "index.mjs": `import * as fs from "node:fs"; import { execFileSync, spawn } from "node:child_process";
      const code = (run) => { try { return run(); } catch (error) { return error.code ?? String(error); } };
      export const handler = async (event) => { ${body} };`,
    ...files,
  });
  const result = await harness.invoke(spec);
  await harness.compute.retire(spec.id);
  return answerOf<T>(result);
}

const pythonSource = `import os
def handler(event, context): return {"cwd": os.getcwd(), "tmp": os.listdir("/tmp")}
`;

/** Names in `/tmp` but those on the way to an interpreter that lies in the machine's, as in a checkout or a CI there. */
function withoutWays(names: unknown): unknown {
  const python = spawnSync("python3", ["-c", "import sys; print(sys.prefix)"], { encoding: "utf8" }).stdout ?? "";
  const ways = [process.execPath, python.trim()].map((path) => path.split("/").slice(1, 3));
  const isWay = (name: unknown) => ways.some(([top, next]) => top === "tmp" && next === name);
  return Array.isArray(names) ? names.filter((name) => !isWay(name)) : names;
}

describe.skipIf(probed === undefined)("BUBBLEWRAP IS NOT INSTALLED, or may not run: a function in its own view", () => {
  it("has its code where AWS has it, a /tmp of its own, and the user's rights of nobody", async () => {
    const seen = await tell<Record<string, unknown>>(
      `fs.writeFileSync("/tmp/kept", "x");
       return { cwd: process.cwd(), root: process.env.LAMBDA_TASK_ROOT, tmp: fs.readdirSync("/tmp"), var: fs.readdirSync("/var"),
         tmpdir: process.env.TMPDIR, uid: process.getuid(), groups: process.getgroups() };`,
    );
    expect({ ...seen, tmp: withoutWays(seen["tmp"]) }).toEqual({
      cwd: "/var/task",
      root: "/var/task",
      tmp: ["kept"],
      var: ["runtime", "task"],
      tmpdir: "/tmp",
      uid: isRoot ? functionUid : process.getuid?.(),
      groups: isRoot ? [functionUid] : expect.anything(),
    });
  });

  it("keeps its /tmp from one invocation to the next, and nobody else's is there", async () => {
    const code = {
      "index.mjs": `import * as fs from "node:fs"; export const handler = async () => { fs.appendFileSync("/tmp/count", "x"); return fs.readFileSync("/tmp/count", "utf8").length; };`,
    };
    const [one, two] = [await harness.functionOf(code), await harness.functionOf(code)];
    const counts = [];
    for (const spec of [one, one, two]) counts.push(answerOf(await harness.invoke(spec)));
    expect(counts).toEqual([1, 2, 1]);
  });

  it("cannot read what is the node's or the operator's", async () => {
    const secret = join(harness.directory, "compute", "key");
    await mkdir(dirname(secret), { recursive: true });
    await writeFile(secret, "secret", { mode: 0o644 });
    const paths = [
      secret,
      harness.directory,
      process.env["HOME"] ?? "/root",
      "/home",
      process.cwd(),
      `/proc/${process.pid}`,
    ];
    const seen = await tell<unknown[]>(
      `return ${JSON.stringify(paths)}.map((path) => code(() => fs.statSync(path).isFile() ? fs.readFileSync(path, "utf8") : fs.readdirSync(path)));`,
    );
    expect(seen[0]).toBe("ENOENT");
    // Some may be there as the way to an interpreter; what they hold besides is not.
    expect(JSON.stringify(seen)).not.toContain("secret");
    for (const entries of seen.slice(1)) if (Array.isArray(entries)) expect(entries.length).toBeLessThanOrEqual(1);
    expect(await tell('return code(() => fs.readFileSync("/etc/shadow", "utf8"));')).toBe("EACCES");
  });

  it("cannot change its code, nor the machine", async () => {
    const seen = await tell<string[]>(
      `return ["/var/task/index.mjs", "/var/task/new", "/etc/new", "/usr/new"].map((path) => code(() => fs.writeFileSync(path, "x")));`,
    );
    expect(seen.every((code) => code === "EROFS" || code === "EACCES")).toBe(true);
  });

  it("can neither see nor signal another process", async () => {
    const seen = await tell<{ pids: number[]; signal: string; parent: string }>(
      `return { pids: fs.readdirSync("/proc").map(Number).filter((pid) => pid > 0),
         signal: code(() => process.kill(${process.pid}, 0)), parent: code(() => process.kill(process.ppid, "SIGKILL")) };`,
    );
    expect(seen.pids.length).toBeLessThanOrEqual(3);
    expect(seen.signal).toBe("ESRCH");
  });

  it("inherits no file but its channel", async () => {
    const seen = await tell<string[]>(
      `return fs.readdirSync("/proc/self/fd").map((fd) => code(() => fs.readlinkSync("/proc/self/fd/" + fd)));`,
    );
    const others = seen.filter((target) => !/^(pipe|socket|anon_inode):|^\/dev\/null$|^\/proc\/|^ENOENT$/.test(target));
    expect(others).toEqual([]);
  });

  it("is bounded in files, processes and core dumps", async () => {
    const limits = await tell<string>('return fs.readFileSync("/proc/self/limits", "utf8");');
    expect(limits).toMatch(/Max open files\s+1024\s+1024/);
    expect(limits).toMatch(/Max core file size\s+0\s+0/);
  });

  it("has its layers at /opt", async () => {
    const optDir = join(harness.directory, "opt");
    await mkdir(join(optDir, "bin"), { recursive: true });
    await writeFile(join(optDir, "bin", "tool"), "#!/bin/sh\necho from the layer\n", { mode: 0o755 });
    const spec = await harness.functionOf(
      {
        "index.mjs": `import { execFileSync } from "node:child_process"; export const handler = async () => execFileSync("tool").toString();`,
      },
      { optDir },
    );
    expect(answerOf(await harness.invoke(spec))).toBe("from the layer\n");
  });

  it("is ended with all that it started, in whatever session", async () => {
    const marker = `escapee-${crypto.randomUUID()}`;
    const spec = await harness.functionOf({
      "index.mjs": `import { spawn } from "node:child_process";
        export const handler = async () => { spawn("/bin/sh", ["-c", "sleep 1000; :", "${marker}"], { detached: true, stdio: "ignore" }).unref(); };`,
    });
    await harness.invoke(spec);
    expect(processesWith(marker)).not.toEqual([]);
    await harness.compute.retire(spec.id);
    await expect.poll(() => processesWith(marker)).toEqual([]);
  });

  it.each([
    ["process.exit(7);", "Runtime exited with error: exit status 7"],
    [
      "process.kill(process.pid, 'SIGKILL'); await new Promise(() => setInterval(() => {}, 1000));",
      "Runtime exited with error: signal: killed",
    ],
    ["process.abort();", "Runtime exited with error: signal: aborted"],
  ])("ends as Lambda tells it: %s", async (body, message) => {
    const spec = await harness.functionOf({ "index.mjs": `export const handler = async () => { ${body} };` });
    const { errorMessage } = answerOf<{ errorMessage: string }>(await harness.invoke(spec));
    expect(errorMessage).toContain(message);
  });

  it("is killed above its memory, and told apart", async () => {
    const spec = await harness.functionOf(
      {
        "index.mjs":
          "export const handler = async () => { const all = []; for (;;) all.push(Buffer.alloc(8 * 1024 * 1024, 1)); };",
      },
      { memoryMiB: 128 },
    );
    const result = await harness.invoke(spec);
    expect([answerOf<{ errorType: string }>(result).errorType, result.cause]).toEqual([
      "Runtime.OutOfMemory",
      "memory",
    ]);
  });

  it("is killed above its storage", async () => {
    const spec = await harness.functionOf(
      {
        "index.mjs": `import { writeFileSync } from "node:fs"; export const handler = async () => {
          writeFileSync("/tmp/large", Buffer.alloc(3 * 1024 * 1024, 1)); return new Promise((done) => setTimeout(done, 8_000)); };`,
      },
      { ephemeralStorageMiB: 2 },
    );
    expect(answerOf(await harness.invoke(spec))).toMatchObject({
      errorType: "Runtime.StorageFull",
      errorMessage: expect.stringContaining("/tmp holds more than 2 MB"),
    });
  });

  it("runs no code of the function with the node's rights", async () => {
    const seen = await harness.functionOf(
      { "index.mjs": "export const handler = async () => [process.env.LD_PRELOAD, process.env.TABLE];" },
      { environment: { LD_PRELOAD: "/var/task/evil.so", TABLE: "tiles" } },
    );
    // The loader complains where the library is missing: of the program alone, and not of what went before it.
    expect(answerOf(await harness.invoke(seen))).toEqual(["/var/task/evil.so", "tiles"]);
    const complaints = harness.lines.filter(({ text }) => text.includes("evil.so"));
    expect(complaints).toHaveLength(1);
  });

  it("runs Python", async () => {
    const spec = await harness.functionOf(
      { "app.py": pythonSource },
      { runtime: "python3.12", handler: "app.handler" },
    );
    const { cwd, tmp } = answerOf(await harness.invoke(spec)) as { cwd: string; tmp: unknown };
    expect([cwd, withoutWays(tmp)]).toEqual(["/var/task", []]);
  });
});
