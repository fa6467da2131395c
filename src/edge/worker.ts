/** An edge worker: the thread's side of the messages, around a data plane. */
import { once } from "node:events";
import { parentPort } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { asError, errorCode, must } from "../base/errors.ts";
import { randomIds } from "../base/ids.ts";
import { Batches } from "./access-log/batches.ts";
import { createBundle } from "./bundles.ts";
import type { CallLink, CallOutcome } from "./call.ts";
import { createSheds } from "./clients/sheds.ts";
import type { CallMessage, CallOffMessage, CallReply, FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { DataPlane } from "./plane.ts";
import { PortInUseError } from "./port.ts";

/** Calls of one worker that main has not answered. */
const callsMax = 10_000;
/** Bytes of the bodies of all these calls, gathered or under way. */
const callBytesMax = 256 * 1024 * 1024;

const port = must(parentPort, "the port to the main thread");
// The first message, and for a spare a late one: until then the code is all that is here.
const [start] = (await once(port, "message")) as [WorkerStart];

function post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function createCalls(): { link: CallLink; settle(reply: CallReply): void } {
  const waiting = new Map<number, (outcome: CallOutcome) => void>();
  let last = 0;
  let reserved = 0;
  const tell = createBundle<CallMessage | CallOffMessage>((bundle) => {
    const bodies = bundle.flatMap((one) => (one.kind === "call" && one.body !== undefined ? [one.body.buffer] : []));
    post(
      { kind: "calls", calls: bundle },
      bodies.filter((buffer) => buffer instanceof ArrayBuffer),
    );
  });
  return {
    link: {
      reserve(bytes) {
        if (reserved + bytes > callBytesMax) return false;
        reserved += bytes;
        return true;
      },
      release(bytes) {
        reserved -= bytes;
      },
      get full() {
        return waiting.size >= callsMax;
      },
      send(message, done) {
        last += 1;
        waiting.set(last, done);
        tell({ kind: "call", call: last, ...message });
        return last;
      },
      callOff(call, reason) {
        if (waiting.delete(call)) tell({ kind: "callOff", call, reason });
      },
    },
    settle(reply) {
      const done = waiting.get(reply.call);
      waiting.delete(reply.call);
      done?.(reply.kind === "answer" ? { body: undefined, ...reply } : { failure: reply.failure });
    },
  };
}

const calls = createCalls();
const accessLogs = new Batches({ clock: systemClock, post });
const plane = new DataPlane({
  clock: systemClock,
  ids: randomIds,
  worker: start.index,
  health: new Int32Array(start.health),
  reusePort: start.reusePort,
  ticketSecret: start.ticketSecret,
  dieOn: start.dieOn,
  heldBytesMax: start.heldBytesMax,
  calls: calls.link,
  accessLogs,
  shed: createSheds(systemClock, (counts) => post({ kind: "shed", counts })),
  log: (level, message, fields) => post({ kind: "log", level, message, fields: plain(fields) }),
  onOutlier: (slot, cause) => post({ kind: "outlier", slot, cause }),
  onRetired: (epoch) => post({ kind: "retired", epoch }),
  ask: post,
});

/** Errors do not survive the way to main with all they say; their text does. */
function plain(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? (value.stack ?? value.message) : value,
    ]),
  );
}

/** Does what a round asks for, and says how it went. */
async function prepare({ round }: { round: number }, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
    post({ kind: "prepared", round });
  } catch (error) {
    const refused = {
      kind: "refused",
      round,
      message: `${errorCode(error) ?? ""} ${asError(error).message}`.trim(),
    } as const;
    post(error instanceof PortInUseError ? { ...refused, portInUse: error.port } : refused);
  }
}

async function commit(round: number): Promise<void> {
  if (start.swapDelayMs > 0) await systemClock.sleep(start.swapDelayMs);
  const epoch = plane.commit(round);
  if (epoch !== undefined) post({ kind: "running", round, epoch });
}

function receive(message: ToWorker): void {
  switch (message.kind) {
    case "prepare":
      void prepare(message, () => plane.prepare(message));
      break;
    case "commit":
      void commit(message.round);
      break;
    case "abandon":
      plane.abandon();
      break;
    case "replies":
      message.replies.forEach(calls.settle);
      break;
    case "egress":
      void prepare(message, () => plane.egress.open(message));
      break;
    case "destinations":
      plane.egress.receive(message);
      if (message.round !== undefined) post({ kind: "prepared", round: message.round });
      break;
    case "unreachable":
    case "forget":
      plane.egress.receive(message);
      break;
    case "accessLogTaken":
      accessLogs.taken(message.size);
      break;
    case "close":
      void plane.close(message.graceMs).then(() => post({ kind: "closed" }));
  }
}

port.on("message", receive);
post({ kind: "ready" });
