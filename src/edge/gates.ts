/** What a request must pass on its route before anything is done for it, compiled from the route's policy. */
import { must } from "../base/errors.ts";
import { pageOf, type OwnAnswer } from "./answers.ts";
import type { Gate, GateRefusal } from "./compile.ts";
import type { CapPolicy } from "./policies.ts";
import { Permits } from "./permits.ts";
import { capPool } from "./pools.ts";
import type { RouteConfig } from "./ports.ts";

export interface GateDeps {
  /** The number of this worker. */
  worker: number;
  permits: Readonly<Record<string, SharedArrayBuffer>>;
}

/** The gates of a route, in the order they are asked. */
export function compileGates({ policy }: RouteConfig, deps: GateDeps): Gate[] {
  const gates: Gate[] = [];
  if (policy?.cap !== undefined) gates.push(capGate(policy.cap, deps));
  return gates;
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
