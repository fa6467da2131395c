/** Reads the text of templates: short ones at once, long YAML in a thread of its own that ends when nobody needs it. */
import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "../../base/clock.ts";
import { asError, Fault } from "../../base/errors.ts";
import { createAdmission } from "../../kit/admission.ts";
import { fault, invalid } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import type { Place, Position } from "./positions.ts";
import type { ReadAnswer, ReadRequest } from "./source-worker.ts";

export interface SourceReader {
  /** The template as JSON; throws AWS's `Template format error` where it is none. */
  read(text: string): Promise<JsonObject>;
  /** Where these stand in the text of a template. */
  locate(text: string, places: readonly Place[]): Promise<readonly (Position | undefined)[]>;
  stop(): Promise<void>;
}

/** YAML up to this long is read in a few milliseconds, sooner than a thread answers. JSON is read at once always. */
const yamlLengthInline = 4_096;
/** Templates that wait for the thread; more are throttled. */
const waitingMax = 64;
/** No template takes longer than this unless it was made to. */
const readMsMax = 30_000;
/** The thread ends when nobody has asked for this long: it holds some ten megabytes. */
const idleMsMax = 10_000;

// The file that Node runs as it is, or what tsc made of it.
const workerUrl = new URL(
  import.meta.url.endsWith(".ts") ? "./source-worker.ts" : "./source-worker.js",
  import.meta.url,
);

export function createSourceReader(clock: Clock): SourceReader {
  const admission = createAdmission({ runningMax: 1, waitingMax }, () => fault("Throttling", "Rate exceeded"));
  let worker: Worker | undefined;
  let idle: Timer | undefined;
  let count = 0;

  const end = async () => {
    const ending = worker;
    worker = undefined;
    idle?.cancel();
    await ending?.terminate();
  };

  const inThread = async (request: Omit<ReadRequest, "id">): Promise<unknown> => {
    idle?.cancel();
    worker ??= startThread();
    count += 1;
    const answer = await ask(worker, { id: count, ...request }, clock).catch(async (error: unknown) => {
      await end();
      throw error;
    });
    idle = clock.after(idleMsMax, () => void end());
    if ("code" in answer) throw new Fault(answer.code, answer.message);
    return JSON.parse(answer.json);
  };

  return {
    async read(text) {
      const short = text.length <= yamlLengthInline || text.trimStart().startsWith("{");
      if (!short) return (await admission.run(() => inThread({ text }))) as JsonObject;
      // Loaded with the first template: the reader of YAML is a quarter of what a node would load to start.
      const { parseSource } = await import("./source.ts");
      return parseSource(text);
    },
    async locate(text, places) {
      if (text.length > yamlLengthInline) {
        // Findings are places, and more than a thread can be told.
        const bare = places.map(({ path, at }) => ({ path, at }));
        const found = await admission.run(() => inThread({ text, places: bare }));
        // JSON has no undefined.
        return (found as (Position | null)[]).map((position) => position ?? undefined);
      }
      const { positionsOf } = await import("./positions.ts");
      return positionsOf(text, places);
    },
    stop: end,
  };
}

function startThread(): Worker {
  const worker = new Worker(workerUrl);
  // Reading a template is no reason for the process to stay.
  worker.unref();
  return worker;
}

/** One question to the thread. Rejects when it dies, or takes too long. */
function ask(worker: Worker, request: ReadRequest, clock: Clock): Promise<ReadAnswer> {
  return new Promise((resolve, reject) => {
    const done = () => {
      timer.cancel();
      worker.off("message", answered).off("error", died).off("exit", exited);
    };
    const answered = (answer: ReadAnswer) => {
      if (answer.id !== request.id) return;
      done();
      resolve(answer);
    };
    const died = (error: unknown) => {
      done();
      reject(asError(error));
    };
    const exited = () => died(new Error("the thread that reads templates has ended"));
    const timer = clock.after(readMsMax, () => died(invalid("Template format error: unsupported structure.")));
    worker.on("message", answered).on("error", died).on("exit", exited);
    worker.postMessage(request, []);
  });
}
