/** The checks of a node: of addresses over the network, of functions by a call; so many at once and no more. */
import type { Clock } from "../../base/clock.ts";
import type { EndpointConfig } from "../ports.ts";
import {
  judgeStatus,
  timed,
  type CallFunction,
  type DialTarget,
  type Probe,
  type ProbeResult,
  type ProbeTarget,
} from "./probe.ts";
import { protocolOf } from "./protocols.ts";

/** Checks under way at once; those that are due beyond wait, one of each endpoint at most. */
const probesMax = 256;

export interface ProbeDeps {
  clock: Clock;
  call: CallFunction;
}

export function createProbe({ clock, call }: ProbeDeps): Probe {
  return bounded(probesMax, (target, signal) => {
    const { endpoint, check } = target;
    if (endpoint.kind === "function") return callFunction({ clock, call }, endpoint.id, target, signal);
    const dialTarget = addressed(target, endpoint);
    return timed(clock, check.timeoutMs, signal, (run) => protocolOf(dialTarget)(dialTarget, run));
  });
}

/** The same check, at most `max` at once; the others wait in the order they came. */
export function bounded(max: number, probe: Probe): Probe {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (target, signal) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return signal.aborted ? { ok: false, reason: "timeout" } : await probe(target, signal);
    } finally {
      const next = waiting.shift();
      // The place goes on to the next.
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

function addressed(target: ProbeTarget, endpoint: Extract<EndpointConfig, { kind: "address" }>): DialTarget {
  const { host } = endpoint;
  const port = target.check.port ?? endpoint.port;
  return { ...target, host, port, authority: `${host.includes(":") ? `[${host}]` : host}:${port}` };
}

/** As ALB asks a function: a GET of the check's path from its own user agent (ALB user guide, "Lambda functions as targets"). */
function callFunction(
  { clock, call }: ProbeDeps,
  endpointId: string,
  { check }: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const controller = new AbortController();
  return timed(clock, check.timeoutMs, signal, ({ end, cleanup }) => {
    cleanup(() => controller.abort(new Error("the check is over")));
    const answer = call(endpointId, {
      method: "GET",
      target: check.path,
      host: "",
      scheme: "http",
      headers: ["user-agent", check.userAgent],
      body: undefined,
      client: { address: "127.0.0.1", port: 0 },
      startedAt: clock.now(),
      signal: controller.signal,
    });
    if (answer === undefined) end({ ok: false, reason: "function-failed" });
    else
      answer.then(
        ({ status, body }) => {
          end(judgeStatus(check, status));
          // Nobody reads what it says.
          if (body !== undefined && Symbol.asyncIterator in body) void body[Symbol.asyncIterator]().return?.();
        },
        () => end({ ok: false, reason: "function-failed" }),
      );
  });
}
