/** What a request must pass on its route before anything is done for it, compiled from the route's policy. */
import { must } from "../base/errors.ts";
import { pageOf, type OwnAnswer } from "./answers.ts";
import type { Gate, GateRefusal } from "./compile.ts";
import type { Clock } from "../base/clock.ts";
import type { CapPolicy, RateLimit } from "./policies.ts";
import { jwtGate } from "./jwt.ts";
import { Permits } from "./permits.ts";
import { capPool, ratePool } from "./pools.ts";
import type { RouteConfig } from "./ports.ts";
import type { RequestRecord } from "./record.ts";
import { fieldIn } from "./resilience/retries.ts";
import { Buckets } from "./resilience/buckets.ts";

export interface GateDeps {
  clock: Clock;
  /** The number of this worker. */
  worker: number;
  permits: Readonly<Record<string, SharedArrayBuffer>>;
}

/** The gates of a route, in the order they are asked. */
export function compileGates({ policy, jwt }: RouteConfig, deps: GateDeps): Gate[] {
  const gates: Gate[] = [];
  if (jwt !== undefined) gates.push(jwtGate(jwt, deps.clock));
  if (policy?.cap !== undefined) gates.push(capGate(policy.cap, deps));
  for (const limit of policy?.rateLimits ?? []) gates.push(rateGate(limit, deps));
  return gates;
}

/** So many requests in a second over all workers, of the route, or of each client or each value of a field. */
export function rateGate(limit: RateLimit, { clock, permits }: GateDeps): Gate {
  const memory = must(permits[ratePool(limit)], `the buckets of rate limit ${limit.id}`);
  const buckets = new Buckets(memory, limit);
  const keyOf = rateKeyOf(limit.by);
  return (request) => {
    const waitMs = buckets.take(keyOf(request), clock.now());
    if (waitMs === 0) return undefined;
    const retryAfterSeconds = Math.ceil(waitMs / 1000);
    return { answer: excessAnswer({ answer: limit.answer, retryAfterSeconds }), reason: "rate-limit" };
  };
}

function rateKeyOf(by: RateLimit["by"]): (request: RequestRecord) => string {
  if (by.kind === "route") return () => "";
  if (by.kind === "client") return ({ address }) => address;
  const name = by.name.toLowerCase();
  return ({ head }) => fieldIn(head, name) ?? "";
}

/** Exactly `max` requests at once over all workers; the next is refused at once, there is no queue. */
function capGate(cap: CapPolicy, { worker, permits }: GateDeps): Gate {
  const memory = must(permits[capPool(cap.id)], `the permits of cap ${cap.id}`);
  const pool = new Permits(memory, worker, cap.max);
  const refusal: GateRefusal = { answer: excessAnswer(cap), reason: "cap" };
  return (request) => {
    const permit = pool.take();
    if (permit < 0) return refusal;
    request.onEnd(() => pool.give(permit));
    return undefined;
  };
}

/** The answer to a request too many, in the manner of the front that is stood in for. */
export function excessAnswer({
  answer,
  retryAfterSeconds,
}: Pick<CapPolicy, "answer" | "retryAfterSeconds">): OwnAnswer {
  if (answer === "alb") return pageOf(502);
  if (answer === "rest-api") return message(500, "Internal server error");
  if (answer === "http-api") return message(503, "Service Unavailable");
  return { ...message(429, "Too Many Requests"), lines: `Retry-After: ${retryAfterSeconds}\r\n` };
}

function message(status: number, text: string): OwnAnswer {
  return { status, contentType: "application/json", body: JSON.stringify({ message: text }), lines: "" };
}
