/** One check of one endpoint: what is asked, what is found, and the time it may take, whatever the protocol. */
import type { Clock } from "../../base/clock.ts";
import type { HttpRequest, HttpResponse } from "../../base/http.ts";
import type { TargetTls } from "../tls/dial.ts";
import type { ClusterConfig, EndpointConfig, HealthCheck } from "../ports.ts";

/** Why a check failed. */
export type ProbeFailure =
  | "timeout"
  | "status-mismatch"
  | "connection-refused"
  | "connection-failed"
  | "handshake-failed"
  | "malformed-response"
  | "function-failed";

export type ProbeResult = { ok: true } | { ok: false; reason: ProbeFailure; status?: number };

export interface ProbeTarget {
  endpoint: EndpointConfig;
  check: HealthCheck;
  /** What the cluster's endpoints speak. */
  protocol: NonNullable<ClusterConfig["protocol"]>;
  /** Asked over TLS. */
  tls: TargetTls | undefined;
}

/** Checks once. Resolves when the check is over, or soon after `signal` aborts; then the result is of no use. */
export type Probe = (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeResult>;

/** An endpoint with an address, asked at the port of its check. */
export interface DialTarget extends ProbeTarget {
  host: string;
  port: number;
  /** `host:port`, as a `Host` field has it. */
  authority: string;
}

/** A check under way. */
export interface ProbeRun {
  /** Says what was found; only the first word counts. */
  end(result: ProbeResult): void;
  /** Runs when it is over. */
  cleanup(task: () => void): void;
}

/** Begins a check by the rules of one protocol. */
export type ProbeProtocol = (target: DialTarget, run: ProbeRun) => void;

/** What a function answers; undefined where none is registered. */
export type CallFunction = (endpointId: string, request: HttpRequest) => Promise<HttpResponse> | undefined;

/** Runs `begin` until it ends, its time is over, or it is called off. */
export function timed(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  begin: (run: ProbeRun) => void,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const tasks: (() => void)[] = [];
    let over = false;
    const end = (result: ProbeResult) => {
      if (over) return;
      over = true;
      timer.cancel();
      signal.removeEventListener("abort", stop);
      for (const task of tasks) task();
      resolve(result);
    };
    const stop = () => end({ ok: false, reason: "timeout" });
    const timer = clock.after(timeoutMs, stop);
    signal.addEventListener("abort", stop, { once: true });
    begin({ end, cleanup: (task) => tasks.push(task) });
  });
}

/** Statuses of a matcher: `200`, `200,202` or `200-299`. */
export function compileStatuses(matcher: string): (status: number) => boolean {
  const ranges = matcher.split(",").map((part) => {
    const [from = "", to = from] = part.trim().split("-");
    return [Number(from), Number(to)] as const;
  });
  return (status) => ranges.some(([from, to]) => status >= from && status <= to);
}

/** What a status is worth. */
export function judgeStatus({ matcher }: HealthCheck, status: number): ProbeResult {
  return compileStatuses(matcher)(status) ? { ok: true } : { ok: false, reason: "status-mismatch", status };
}
