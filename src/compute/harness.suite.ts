/** Compute on real processes, for tests: functions written in the test, lines gathered, everything cleared away. */
import { readFileSync, readdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { systemClock } from "../base/clock.ts";
import { createLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { type ComputeOptions, createCompute } from "./compute.ts";
import type { ServeHttp } from "./process/runtime-api.ts";
import type { Compute, FunctionLogLine, FunctionSpec, Invocation, InvocationResult } from "./ports.ts";

export interface Harness {
  compute: Compute;
  directory: string;
  lines: FunctionLogLine[];
  /** What the node itself logged. */
  nodeLog: string[];
  /** A function with these files, by path; those named `bootstrap` are executable. */
  functionOf(files: Record<string, string>, settings?: Partial<FunctionSpec>): Promise<FunctionSpec>;
  invoke(spec: FunctionSpec, event?: unknown, more?: Partial<Invocation>): Promise<InvocationResult>;
  close(): Promise<void>;
}

/** A zombie has ended; whoever inherited it has only not noticed yet. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}

/** Processes of the machine whose command line names `marker`. */
export function processesWith(marker: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(marker);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

/** `node:http` in the place of the edge's engine, which this room does not know. */
export const serveHttp: ServeHttp = async (handler, address, port) => {
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const { method = "", url = "", rawHeaders, socket } = request;
    void handler({
      method,
      target: url,
      host: request.headers.host ?? "",
      scheme: "http",
      headers: rawHeaders,
      body: request as Readable,
      trailers: () => request.rawTrailers,
      client: { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 },
      startedAt: Date.now(),
      signal: gone.signal,
    }).then(({ status, headers, body }) => {
      response.writeHead(status, headers as string[]);
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(port, address, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

let functions = 0;
let requests = 0;

export function requestIdOf(count: number): string {
  return `00000000-0000-4000-8000-${String(count).padStart(12, "0")}`;
}

export function specOf(codeDir: string, settings: Partial<FunctionSpec> = {}): FunctionSpec {
  functions += 1;
  return {
    id: `arn:aws:lambda:eu-west-1:123456789012:function:tiles:${functions}`,
    functionName: "tiles",
    version: "$LATEST",
    runtime: "nodejs24.x",
    handler: "index.handler",
    codeDir,
    environment: {},
    region: "eu-west-1",
    account: "123456789012",
    endpointUrl: "http://127.0.0.1:4566",
    credentials: { accessKeyId: "ASIAEXAMPLE", secretAccessKey: "very-secret-key", sessionToken: "very-secret-token" },
    memoryMiB: 256,
    timeoutMs: 10_000,
    logGroup: "/aws/lambda/tiles",
    ...settings,
  };
}

export function invocationOf(event: unknown, more: Partial<Invocation> = {}): Invocation {
  requests += 1;
  return {
    requestId: requestIdOf(requests),
    payload: Buffer.from(JSON.stringify(event)),
    invokedArn: "arn:aws:lambda:eu-west-1:123456789012:function:tiles",
    traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
    ...more,
  };
}

/** The JSON of an answer. */
export function answerOf<T = unknown>({ payload }: InvocationResult): T {
  return JSON.parse(Buffer.from(payload).toString("utf8")) as T;
}

export async function openHarness(options: Partial<ComputeOptions> = {}): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-compute-"));
  const lines: FunctionLogLine[] = [];
  const nodeLog: string[] = [];
  const compute = await createCompute({
    directory: join(directory, "compute"),
    clock: systemClock,
    log: createLog({ clock: systemClock, level: "debug", write: (line) => nodeLog.push(line) }),
    metrics: createMetrics(),
    onLogLine: (line) => lines.push(line),
    serveHttp,
    // Paths and process ids as the test sees them; sandbox.test.ts has the other.
    isolation: "process",
    ...options,
  });
  let folders = 0;
  return {
    compute,
    directory,
    lines,
    nodeLog,
    async functionOf(files, settings) {
      const codeDir = join(directory, `code-${(folders += 1)}`);
      for (const [name, text] of Object.entries(files)) {
        const path = join(codeDir, name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, text);
        if (name === "bootstrap") await chmod(path, 0o755);
      }
      return specOf(codeDir, settings);
    },
    invoke: (spec, event = {}, more = {}) => compute.invoke(spec, invocationOf(event, more)),
    async close() {
      await compute.close(0);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
