/**
 * Functions that somebody debugs: each has one environment with a debugger, started ahead, which takes all invocations
 * meanwhile. A session is held by whoever asks for it again and again: one who is gone leaves nothing behind.
 */
import { createServer } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import { asError, errorCode } from "../../base/errors.ts";
import type { Compute, DebugSpec, FunctionSpec } from "../../compute/ports.ts";
import type { Call } from "../../kit/call.ts";
import type { Log } from "../../telemetry/log.ts";
import type { LambdaDeps } from "./deps.ts";
import type { Prepared } from "./executions.ts";
import { fault, invalid } from "./faults.ts";
import { qualifiedReader } from "./lookup.ts";
import { arnOf, functionRef } from "./names.ts";
import type { VersionRow } from "./tables.ts";

/** A session that nobody asked for within this time is over. */
const leaseMs = 15_000;
/** An invocation in a debugger ends after this long. */
const invocationMsMax = 12 * 3600_000;
/** Functions that are debugged at the same time. */
const sessionsMax = 16;

interface Session {
  request: DebugSpec;
  prepared: Prepared;
  spec: FunctionSpec;
  buildId: string;
  /** What runs when the session ends has the function's own time. */
  graceMs: number;
  lease: Timer;
}

export interface DebugState {
  /** Of the version that is debugged. */
  arn: string;
  /** The environment waits for invocations, or has one. */
  ready: boolean;
  /** Why the last start failed; it is tried again. */
  failure?: string;
}

export interface Debugging {
  /** Some function is debugged. */
  readonly active: boolean;
  /** What invocations of `row` run in while it is debugged: the code as it is now. */
  specFor(row: VersionRow): Promise<FunctionSpec | undefined>;
  /** Begins a session, or goes on with it. */
  hold(row: VersionRow, request: DebugSpec): Promise<DebugState>;
  /** False: there is none. */
  release(row: VersionRow): Promise<boolean>;
  stop(): void;
}

export interface DebuggingDeps {
  clock: Clock;
  log: Log;
  compute: Compute;
  prepare(row: VersionRow): Promise<Prepared>;
}

const keyOf = (row: VersionRow) => arnOf({ ...row, qualifier: row.version });
const isSame = (a: DebugSpec, b: DebugSpec) => a.port === b.port && a.wait === b.wait;

/** Throws a fault when somebody else listens there: the debugger would only say so in the function's log. */
function checkPort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) => {
      const isTaken = errorCode(cause) === "EADDRINUSE";
      reject(isTaken ? fault("ResourceConflictException", `Port ${port} is in use.`, {}, { cause }) : cause);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve()));
  });
}

export function createDebugging({ clock, log, compute, prepare }: DebuggingDeps): Debugging {
  const sessions = new Map<string, Session>();
  let specs = 0;
  let last: Promise<unknown> = Promise.resolve();

  /** Sessions begin, change and end one after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };

  const leaseOf = (key: string) =>
    clock.after(leaseMs, () => {
      inTurn(() => end(key)).catch((error: unknown) => {
        log.error("a debugger could not be ended", { function: key, error: asError(error) });
      });
    });

  /** Resolves at once; what runs goes on for its own time. */
  const end = async (key: string): Promise<boolean> => {
    const session = sessions.get(key);
    if (session === undefined) return false;
    sessions.delete(key);
    session.lease.cancel();
    retire(session, session.graceMs).catch((error: unknown) => {
      log.error("a debugged environment could not be ended", { function: key, error: asError(error) });
    });
    return true;
  };

  const retire = async ({ spec, prepared }: Session, graceMs: number): Promise<void> => {
    await compute.retire(spec.id, graceMs);
    prepared.release();
  };

  const begin = async (row: VersionRow, request: DebugSpec): Promise<Session> => {
    const prepared = await prepare(row);
    try {
      const hindrance = await compute.debugHindrance(prepared.spec);
      if (hindrance !== undefined) throw invalid(hindrance);
      await checkPort(request.port);
    } catch (error) {
      prepared.release();
      throw error;
    }
    specs += 1;
    const id = `${prepared.spec.id}+debug-${specs}`;
    const spec = { ...prepared.spec, id, debug: request, timeoutMs: invocationMsMax };
    const key = keyOf(row);
    const graceMs = prepared.spec.timeoutMs;
    const session = { request, prepared, spec, buildId: row.build_id, graceMs, lease: leaseOf(key) };
    sessions.set(key, session);
    compute.provision(spec, 1);
    return session;
  };

  /** The session as `row` and `request` want it; others than before take its port over. */
  const follow = async (row: VersionRow, request: DebugSpec): Promise<Session> => {
    const key = keyOf(row);
    const session = sessions.get(key);
    if (session !== undefined && session.buildId === row.build_id && isSame(session.request, request)) return session;
    if (session !== undefined) {
      sessions.delete(key);
      session.lease.cancel();
      await retire(session, 0);
    } else if (sessions.size >= sessionsMax) {
      throw fault("ResourceConflictException", `${sessionsMax} functions are debugged already.`);
    }
    return begin(row, request);
  };

  return {
    get active() {
      return sessions.size > 0;
    },
    async specFor(row) {
      const session = sessions.get(keyOf(row));
      if (session === undefined || session.buildId === row.build_id) return session?.spec;
      return (await inTurn(() => follow(row, session.request))).spec;
    },
    async hold(row, request) {
      const session = await inTurn(() => follow(row, request));
      const key = keyOf(row);
      session.lease.cancel();
      session.lease = leaseOf(key);
      const { available, failure } = compute.provisioned(session.spec.id);
      return { arn: key, ready: available > 0, ...(failure === undefined ? {} : { failure: failure.reason }) };
    },
    release: (row) => inTurn(() => end(keyOf(row))),
    stop() {
      for (const session of sessions.values()) session.lease.cancel();
      sessions.clear();
    },
  };
}

interface Named {
  FunctionName: string;
}

/** For `/_mikan/functions/{arn}/debug`: no client of Lambda can name these. */
export function debugOperations({ store, executions: { debugging } }: LambdaDeps) {
  const read = qualifiedReader({ store });
  const versionOf = async ({ FunctionName }: Named, call: Call) =>
    (await read(functionRef(FunctionName, undefined, call))).version;
  return {
    HoldDebugger: async (input: Named & DebugSpec, call: Call) => {
      const { port, wait } = input;
      if (!Number.isInteger(port) || port < 1024 || port > 65_535) throw invalid("port must be from 1024 to 65535.");
      return debugging.hold(await versionOf(input, call), { port, wait });
    },
    ReleaseDebugger: async (input: Named, call: Call) => ({
      released: await debugging.release(await versionOf(input, call)),
    }),
  };
}
