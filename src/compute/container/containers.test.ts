/** Functions in containers, by Podman: images that are built here from nothing, with a static program in Go. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { FunctionSpec, ResponseSink } from "../ports.ts";
import { type TestPodman, buildProgram, missingForContainers, startPodman } from "./podman.suite.ts";

const missing = missingForContainers();
if (missing !== undefined) console.warn(`SKIPPED: functions in containers: ${missing}`);

interface Answer {
  count: number;
  uid: number;
  args: string[];
  env: string[];
  place: string;
  write: string;
  rights: string[];
}

const modules = fileURLToPath(new URL("../../../test/clients/go/", import.meta.url));

describe.skipIf(missing !== undefined)(`functions in containers${missing === undefined ? "" : `: ${missing}`}`, () => {
  let podman: TestPodman;
  let program: string;
  let image: string;
  let harness: Harness;

  beforeAll(async () => {
    podman = await startPodman();
    program = await buildProgram(podman.directory, modules);
    const containerfile =
      'FROM scratch\nCOPY function /function\nWORKDIR /var/task\nENTRYPOINT ["/function"]\nCMD ["app.handler"]\n';
    image = await podman.build("image", { function: program }, containerfile);
    harness = await openHarness({ containers: { socket: podman.socket, pull: false } });
  }, 120_000);
  afterAll(async () => {
    // Neither is there when its start failed.
    await harness?.close();
    await podman?.close();
  }, 30_000);

  const specOf = async (name: string, settings: Partial<FunctionSpec> = {}): Promise<FunctionSpec> =>
    harness.functionOf({}, { functionName: name, runtime: "", handler: "", image: { reference: image }, ...settings });

  it("answers, is used again, and has what AWS gives a function", async () => {
    const spec = await specOf("answers", { environment: { STAGE: "dev", QUOTED: 'a "b"\nc' }, memoryMiB: 256 });
    const first = await harness.invoke(spec);
    const { count, uid, args, env, place, write, rights } = answerOf<Answer>(first);
    expect(rights).toEqual(["CapEff:\t0000000000000000", "NoNewPrivs:\t1"]);
    expect([count, uid, args, place]).toEqual([1, 60_600, ["/function", "app.handler"], "/var/task"]);
    expect(write).toContain("read-only file system");
    expect(env).toContain('QUOTED=a "b"\nc');
    expect(env).toEqual(expect.arrayContaining(["STAGE=dev", "AWS_REGION=eu-west-1", "LAMBDA_TASK_ROOT=/var/task"]));
    expect(env.filter((variable) => /^(_HANDLER|AWS_EXECUTION_ENV|TMPDIR)=/.test(variable))).toEqual([]);
    expect(first.initMs).toBeGreaterThan(0);
    expect(first.memoryUsedMiB).toBeGreaterThan(0);
    const second = await harness.invoke(spec);
    expect([answerOf<Answer>(second).count, second.initMs]).toEqual([2, undefined]);
  });

  it("takes entry point, command and directory of the function", async () => {
    const own = { entryPoint: ["/function", "--own"], command: ["other.handler"], workingDirectory: "/" };
    const answer = answerOf<Answer>(await harness.invoke(await specOf("own", { image: { reference: image, ...own } })));
    expect([answer.args, answer.place]).toEqual([["/function", "--own", "other.handler"], "/"]);
  });

  it("logs what it writes, between the lines of the platform", async () => {
    const spec = await specOf("logs", { logGroup: "/logs" });
    const { logTail } = await harness.invoke(spec);
    await harness.invoke(spec);
    const wrote = () =>
      harness.lines
        .filter(({ logGroup, text }) => logGroup === "/logs" && /^(count \d|on standard error)$/.test(text))
        .map(({ text }) => text)
        .toSorted();
    // It comes by way of the engine, and may be later than the answer.
    await vi.waitFor(() => expect(wrote()).toEqual(["count 1", "count 2", "on standard error", "on standard error"]));
    expect(logTail).toMatch(/^START .*\n[^]*END .*\nREPORT .*Init Duration/);
  });

  it("tells errors, exits, timeouts and want of memory apart", async () => {
    const spec = await specOf("fails", { memoryMiB: 128, timeoutMs: 1_500 });
    const failed = await harness.invoke(spec, { Fail: "no such tile" });
    expect([failed.error, answerOf(failed)]).toEqual([
      "handled",
      { errorMessage: "no such tile", errorType: "errorString" },
    ]);

    const exited = await harness.invoke(spec, { Exit: 3 });
    expect([exited.cause, answerOf(exited)]).toEqual([
      "crash",
      expect.objectContaining({
        errorType: "Runtime.ExitError",
        errorMessage: expect.stringContaining("exit status 3"),
      }),
    ]);

    const late = await harness.invoke(spec, { SleepMs: 60_000 });
    expect([late.cause, answerOf(late)]).toEqual([
      "timeout",
      expect.objectContaining({ errorType: "Sandbox.Timedout" }),
    ]);

    const hungry = await harness.invoke(spec, { EatMiB: 400 });
    expect([hungry.cause, answerOf(hungry)]).toEqual([
      "memory",
      expect.objectContaining({ errorType: "Runtime.OutOfMemory" }),
    ]);
    expect(answerOf<Answer>(await harness.invoke(spec)).count).toBe(1);
    await vi.waitFor(async () => expect(await podman.containers("mikan-fails-")).toHaveLength(1), 10_000);
  }, 30_000);

  it("has a /tmp of its size, and no more", async () => {
    const spec = await specOf("tmp", { memoryMiB: 512, ephemeralStorageMiB: 32 });
    expect((await harness.invoke(spec, { WriteMiB: 16 })).error).toBeUndefined();
    expect(answerOf(await harness.invoke(spec, { WriteMiB: 48 }))).toMatchObject({
      errorMessage: expect.stringContaining("no space left on device"),
    });
  });

  it("is paused when nobody uses it, and wakes with the next invocation", async () => {
    const spec = await specOf("frozen");
    expect(answerOf<Answer>(await harness.invoke(spec)).count).toBe(1);
    await vi.waitFor(
      async () => expect(await podman.containers("mikan-frozen-")).toEqual([expect.stringContaining(" Paused")]),
      10_000,
    );
    expect(answerOf<Answer>(await harness.invoke(spec)).count).toBe(2);
    await vi.waitFor(
      async () => expect(await podman.containers("mikan-frozen-")).toEqual([expect.stringContaining(" Paused")]),
      10_000,
    );
    await harness.compute.retire(spec.id);
    expect(await podman.containers("mikan-frozen-")).toEqual([]);
  }, 30_000);

  it("has an environment for each invocation at once", async () => {
    const spec = await specOf("many");
    const answers = await Promise.all([1, 2, 3].map(() => harness.invoke(spec, { SleepMs: 1_000 })));
    expect(answers.map((answer) => answerOf<Answer>(answer).count)).toEqual([1, 1, 1]);
    expect(await podman.containers("mikan-many-")).toHaveLength(3);
  }, 30_000);

  it("streams its answer", async () => {
    const parts: string[] = [];
    const stream: ResponseSink = {
      begin: (contentType) => parts.push(contentType),
      write(chunk) {
        parts.push(Buffer.from(chunk).toString());
        return undefined;
      },
    };
    const { streamed } = await harness.invoke(await specOf("streams"), { Stream: true }, { stream });
    expect([streamed, parts[0], parts.slice(1).join("")]).toEqual([true, "application/octet-stream", "one two"]);
  });

  it("says what is wrong with an image", async () => {
    const gone = await harness.invoke(await specOf("gone", { image: { reference: "local/no-such:1" } }));
    expect(answerOf(gone)).toEqual({
      errorType: "Runtime.NotSupported",
      errorMessage:
        "The image is not available on this node. The image local/no-such:1 is not on this machine, and is not fetched. " +
        "Build it (docker build -t local/no-such:1 .), or load it.",
    });
    const empty = await harness.invoke(
      await specOf("empty", { image: { reference: image, entryPoint: ["/nothing"] } }),
    );
    expect(answerOf(empty)).toMatchObject({
      errorType: "Runtime.InvalidEntrypoint",
      errorMessage: expect.stringContaining("/nothing"),
    });
    await expect(harness.compute.findImage("local/no-such:1")).rejects.toThrow("Build it");
    await expect(harness.compute.findImage("../containers")).rejects.toThrow("no reference of an image");
    expect(await harness.compute.findImage(image)).toEqual({
      id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
  });

  it("runs the code of a zip, where the operator says so", async () => {
    const own = await openHarness({
      containers: { socket: podman.socket, pull: false, images: { "provided.al2023": image, "ruby3.4": image } },
    });
    try {
      const spec = await own.functionOf(
        {},
        { functionName: "zip", runtime: "provided.al2023", handler: "own.handler" },
      );
      await mkdir(spec.codeDir, { recursive: true });
      await copyFile(program, join(spec.codeDir, "bootstrap"));
      const answer = answerOf<Answer>(await own.invoke(spec));
      expect([answer.args, answer.place]).toEqual([["/var/task/bootstrap"], "/var/task"]);
      expect(answer.env).toEqual(
        expect.arrayContaining(["_HANDLER=own.handler", "AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023"]),
      );
      // A stand-in for an image of AWS's, whose entry point is given the handler.
      const ruby = await own.functionOf(
        { "app.rb": "" },
        { functionName: "ruby", runtime: "ruby3.4", handler: "app.handler" },
      );
      expect(answerOf<Answer>(await own.invoke(ruby)).args).toEqual(["/function", "app.handler"]);
    } finally {
      await own.close();
    }
    expect(await podman.containers("mikan-zip-")).toEqual([]);
  }, 30_000);

  it("has the extensions of its layers beside it", async () => {
    // A shell from this machine, with what it loads: the smallest image that starts more than one program.
    const shell = await realpath("/bin/sh");
    const loaded = [...(await podman.loadedBy(shell)), shell];
    const lines = loaded.map((path) => `COPY ${basename(path)} ${path === shell ? "/bin/sh" : path}\n`);
    const files = Object.fromEntries([...loaded.map((path) => [basename(path), path]), ["function", program]]);
    const containerfile = `FROM scratch\n${lines.join("")}COPY function /function\nENTRYPOINT ["/function"]\n`;
    const withShell = await podman.build("shell", files, containerfile);
    const own = await openHarness({
      containers: { socket: podman.socket, pull: false, images: { "ruby3.4": withShell } },
    });
    try {
      const optDir = join(podman.directory, "opt");
      await mkdir(join(optDir, "extensions"), { recursive: true });
      await copyFile(program, join(optDir, "extensions", "my-extension"));
      const settings = { functionName: "extended", runtime: "ruby3.4", handler: "app.handler", optDir };
      const spec = await own.functionOf({ "app.rb": "" }, settings);
      expect(answerOf<Answer>(await own.invoke(spec)).args).toEqual(["/function", "app.handler"]);
      const told = () => own.lines.filter(({ text }) => text === "extension told").length;
      await vi.waitFor(() => expect(told()).toBe(1));
      expect(own.lines.map(({ text }) => text)).toContain(
        "EXTENSION\tName: my-extension\tState: Registered\tEvents: [INVOKE]",
      );
    } finally {
      await own.close();
    }
  }, 30_000);

  it("outlives no node: the next one ends what a dead one left", async () => {
    const directory = join(podman.directory, "killed");
    const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const code = `
      import { createCompute } from ${url("../compute.ts")};
      import { specOf, invocationOf, serveHttp } from ${url("../harness.suite.ts")};
      import { systemClock } from ${url("../../base/clock.ts")};
      import { silentLog } from ${url("../../telemetry/log.ts")};
      import { createMetrics } from ${url("../../telemetry/metrics.ts")};
      const [directory, socket, reference] = process.argv.slice(1);
      const compute = await createCompute({ directory, clock: systemClock, log: silentLog, metrics: createMetrics(), serveHttp,
        onLogLine: ({ text }) => { if (text.startsWith("count")) console.log(text); }, containers: { socket, pull: false } });
      const spec = specOf("", { functionName: "survivor", runtime: "", image: { reference }, timeoutMs: 600_000 });
      await compute.invoke(spec, invocationOf({ SleepMs: 600_000 }));`;
    const node = spawn(process.execPath, ["--input-type=module", "--eval", code, directory, podman.socket, image], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(createInterface({ input: node.stdout }), "line");
    node.kill("SIGKILL");
    await once(node, "exit");
    expect(await podman.containers("mikan-survivor-")).toEqual([expect.stringContaining(" Up ")]);
    const next = await openHarness({ directory, containers: { pull: false } });
    expect(await podman.containers("mikan-survivor-")).toEqual([]);
    expect(next.nodeLog.join()).toContain("had outlived their node");
    await next.close();
  }, 60_000);
});
