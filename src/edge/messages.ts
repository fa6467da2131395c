/** What main and an edge worker say to each other. Everything here is plain data. */
import type { Peer } from "../base/http.ts";
import type { LogFields, LogLevel } from "../telemetry/log.ts";
import type { AccessLogMessage } from "./access-log/batches.ts";
import type { ShedCounts } from "./clients/sheds.ts";
import type { AskMessage, EgressToWorker } from "./egress/messages.ts";
import type { OutlierCause } from "./outcomes.ts";
import type { EdgeConfig } from "./ports.ts";

/** What makes a worker of a thread: the first that it is told. */
export interface WorkerStart {
  index: number;
  /** Verdicts on endpoints; see `cluster.ts`. */
  health: SharedArrayBuffer;
  /** Other workers may share the ports. */
  reusePort: boolean;
  /** What all workers make the keys of session tickets of. */
  ticketSecret: Uint8Array;
  /** For tests: how long this worker sits on a configuration before it runs it. */
  swapDelayMs: number;
  /** For tests; see `clients/pressure.ts`. */
  heldBytesMax?: number;
  /** For tests: the target of a request that ends this worker. */
  dieOn?: string;
}

/** A configuration, with the shared memory that goes with it. */
export interface PrepareMessage {
  kind: "prepare";
  round: number;
  config: EdgeConfig;
  /** By cluster: the index of each endpoint's verdict. */
  slots: Readonly<Record<string, readonly number[]>>;
  /** By cluster: where this worker counts. */
  stats: Readonly<Record<string, SharedArrayBuffer>>;
  /** By load balancer, likewise. */
  counts: Readonly<Record<string, SharedArrayBuffer>>;
  /** By name of a pool: see `permits.ts`. */
  permits: Readonly<Record<string, SharedArrayBuffer>>;
  /** See `balance/turns.ts`. */
  turns: SharedArrayBuffer;
}

export interface CallMessage {
  kind: "call";
  call: number;
  endpointId: string;
  /** Of the routing that the request began with. */
  epoch: number;
  method: string;
  target: string;
  host: string;
  headers: readonly string[];
  client: Peer;
  startedAt: number;
  body: Uint8Array | undefined;
}

export interface CallOffMessage {
  kind: "callOff";
  call: number;
  reason: string;
}

/** What became of a call. */
export type CallReply =
  | {
      kind: "answer";
      call: number;
      status: number;
      reason?: string;
      headers: readonly string[];
      body?: Uint8Array;
      errorReason?: string;
    }
  | { kind: "failed"; call: number; failure: string };

export type ToWorker =
  | PrepareMessage
  /** Run what was prepared. */
  | { kind: "commit"; round: number }
  /** Forget what was prepared. */
  | { kind: "abandon" }
  | { kind: "replies"; replies: readonly CallReply[] }
  /** Lines of so many characters were taken. */
  | { kind: "accessLogTaken"; size: number }
  | { kind: "close"; graceMs: number }
  | EgressToWorker;

export type FromWorker =
  | { kind: "ready" }
  | { kind: "prepared"; round: number }
  | { kind: "refused"; round: number; message: string; portInUse?: number }
  | { kind: "running"; round: number; epoch: number }
  /** Requests to the endpoint at `slot` fail; see `outcomes.ts`. */
  | { kind: "outlier"; slot: number; cause: OutlierCause }
  /** No request of this epoch is under way any more, nor will be. */
  | { kind: "retired"; epoch: number }
  | { kind: "calls"; calls: readonly (CallMessage | CallOffMessage)[] }
  | AskMessage
  | AccessLogMessage
  | { kind: "shed"; counts: ShedCounts }
  | { kind: "log"; level: LogLevel; message: string; fields: LogFields }
  | { kind: "closed" };
