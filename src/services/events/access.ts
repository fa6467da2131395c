/** Who may do what with a bus: its own account, and others as far as its policy lets them. */
import { decide } from "../../kit/authorize.ts";
import type { Call, Principal } from "../../kit/call.ts";
import type { ConditionContext } from "../../kit/conditions.ts";
import { principalArn } from "../../kit/principals.ts";
import { fault } from "./faults.ts";
import { busArn } from "./names.ts";
import type { BusRow } from "./tables.ts";

type Owned = Pick<BusRow, "account" | "region" | "name" | "policy">;

function contextOf(principal: Principal): ConditionContext {
  if (principal.kind !== "service") return {};
  return { "AWS:SourceArn": principal.sourceArn, "AWS:SourceAccount": principal.sourceAccount };
}

/** Throws unless the caller may. `arn` is what it is done to, where that is not the bus itself: a rule. */
export function admit(bus: Owned, operation: string, call: Pick<Call, "account" | "principal">, arn?: string): void {
  const { principal } = call;
  const resource = arn ?? busArn({ ...bus, bus: bus.name });
  const action = `events:${operation}`;
  const request = {
    principal,
    action,
    arn: resource,
    context: contextOf(principal),
    policy: bus.policy ?? undefined,
  };
  const isOwner = principal.kind !== "service" && call.account === bus.account;
  const decision = decide(request);
  if (decision === "allow" || (isOwner && decision === "silent")) return;
  const who = principal.kind === "service" ? principal.service : principalArn(principal);
  const why = decision === "deny" ? "with an explicit deny in" : "because no";
  const rest = decision === "deny" ? "a resource-based policy" : `resource-based policy allows the ${action} action`;
  throw fault(
    "AccessDeniedException",
    `User: ${who} is not authorized to perform: ${action} on resource: ${resource} ${why} ${rest}`,
  );
}
