/** The functions behind endpoints, on the main thread: workers' calls in, answers out. */
import { asError } from "../base/errors.ts";
import { bytesOf, headerOf, type HttpHandler, type HttpRequest, type HttpResponse } from "../base/http.ts";
import type { Log } from "../telemetry/log.ts";
import type { CallMessage, CallReply } from "./messages.ts";
import { errorReasonHeader } from "./ports.ts";
import type { CallFunction } from "./probes/probe.ts";

/** The longest answer of a function that is passed on. */
const answerBytesMax = 16 * 1024 * 1024;

interface Registered {
  handler: HttpHandler;
  /** Set when it was unregistered: it still answers requests that began before this epoch. */
  retiredAt?: number;
}

export interface Functions {
  register(endpointId: string, handler: HttpHandler): void;
  /** Requests of epochs before `epoch` may still call it. */
  unregister(endpointId: string, epoch: number): void;
  /** No request of an epoch before `epoch` is left anywhere. */
  settled(epoch: number): void;
  /** Runs a call of worker `worker`; `reply` carries its answer. */
  call(worker: number, message: CallMessage, reply: (message: CallReply) => void): void;
  callOff(worker: number, call: number, reason: string): void;
  /** Asks the function whether it is well; undefined where none is registered. */
  check: CallFunction;
  /** A worker is gone: nobody waits for its calls. */
  workerGone(worker: number): void;
  /** Reasons that functions gave for their errors, by endpoint. */
  reasons(endpointId: string): ReadonlyMap<string, number>;
}

/** Different reasons counted of one endpoint; they are code words, not messages. */
const reasonsMax = 32;
const noReasons: ReadonlyMap<string, number> = new Map();

export function createFunctions(log: Log): Functions {
  const registered = new Map<string, Registered[]>();
  const running = new Map<string, AbortController>();
  const reasonCounts = new Map<string, Map<string, number>>();

  const find = (endpointId: string, epoch: number): HttpHandler | undefined => {
    const entries = registered.get(endpointId) ?? [];
    // The oldest that was still in force when the request began.
    return entries.find(({ retiredAt }) => retiredAt === undefined || epoch < retiredAt)?.handler;
  };
  const countReason = (endpointId: string, reason: string) => {
    let counts = reasonCounts.get(endpointId);
    if (counts === undefined) reasonCounts.set(endpointId, (counts = new Map()));
    if (counts.has(reason) || counts.size < reasonsMax) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  };
  const run = async (message: CallMessage, signal: AbortSignal): Promise<CallReply> => {
    const { call, endpointId, epoch } = message;
    const handler = find(endpointId, epoch);
    if (handler === undefined) return { kind: "failed", call, failure: "nothing is registered for this endpoint" };
    try {
      const response = await handler(requestOf(message, signal));
      const reason = headerOf(response.headers, errorReasonHeader);
      if (reason !== undefined) countReason(endpointId, reason);
      return await answerOf(call, response, reason);
    } catch (error) {
      if (!signal.aborted) log.error("a function endpoint failed", { endpointId, error: asError(error) });
      return { kind: "failed", call, failure: asError(error).message };
    }
  };

  return {
    register(endpointId, handler) {
      const retired = (registered.get(endpointId) ?? []).filter(({ retiredAt }) => retiredAt !== undefined);
      registered.set(endpointId, [...retired, { handler }]);
    },
    unregister(endpointId, epoch) {
      for (const entry of registered.get(endpointId) ?? []) entry.retiredAt ??= epoch;
    },
    settled(epoch) {
      for (const [endpointId, entries] of registered) {
        const left = entries.filter(({ retiredAt }) => retiredAt === undefined || retiredAt > epoch);
        if (left.length > 0) registered.set(endpointId, left);
        else {
          registered.delete(endpointId);
          reasonCounts.delete(endpointId);
        }
      }
    },
    call(worker, message, reply) {
      const key = `${worker}:${message.call}`;
      const controller = new AbortController();
      running.set(key, controller);
      void run(message, controller.signal).then((outcome) => {
        // Called off meanwhile: nobody waits for it.
        if (running.delete(key)) reply(outcome);
      });
    },
    check: (endpointId, request) => find(endpointId, Infinity)?.(request),
    callOff(worker, call, reason) {
      const key = `${worker}:${call}`;
      running.get(key)?.abort(new Error(reason));
      running.delete(key);
    },
    workerGone(worker) {
      for (const [key, controller] of running) {
        if (!key.startsWith(`${worker}:`)) continue;
        controller.abort(new Error("worker-gone"));
        running.delete(key);
      }
    },
    reasons: (endpointId) => reasonCounts.get(endpointId) ?? noReasons,
  };
}

function requestOf(message: CallMessage, signal: AbortSignal): HttpRequest {
  const { method, target, host, headers, client, startedAt, body } = message;
  return { method, target, host, scheme: "http", headers, body, client, startedAt, signal };
}

async function answerOf(call: number, response: HttpResponse, errorReason: string | undefined): Promise<CallReply> {
  const { status, reason, headers } = response;
  const bytes = response.body === undefined ? undefined : await bytesOf(response.body, answerBytesMax);
  const passed = headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== errorReasonHeader);
  return {
    kind: "answer",
    call,
    status,
    ...(reason === undefined ? {} : { reason }),
    headers: passed,
    ...(bytes === undefined ? {} : { body: exact(bytes) }),
    ...(errorReason === undefined ? {} : { errorReason }),
  };
}

/** A view is posted with all the memory that it looks at; a pooled one would take its neighbours along. */
function exact(bytes: Uint8Array): Uint8Array {
  const whole = bytes.byteLength === bytes.buffer.byteLength && !Buffer.isBuffer(bytes);
  return whole ? bytes : new Uint8Array(bytes);
}
