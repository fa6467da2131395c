/** May this principal do that? Allow-all for users and roles until IAM lands; service principals need a resource policy. */
import type { Principal } from "./call.ts";
import { conditionsHold, matchesGlob, type ConditionContext, type Conditions } from "./conditions.ts";
import { principalArn, type Caller } from "./principals.ts";

export { matchesGlob } from "./conditions.ts";
export type { ConditionContext } from "./conditions.ts";

export interface PolicyDocument {
  Version?: string;
  Id?: string;
  Statement: readonly PolicyStatement[];
}

export interface PolicyStatement {
  Sid?: string;
  Effect: "Allow" | "Deny";
  Principal: "*" | { Service?: string | readonly string[]; AWS?: string | readonly string[] };
  Action: string | readonly string[];
  Resource: string | readonly string[];
  Condition?: Conditions;
}

export interface AuthorizeRequest {
  principal: Principal;
  /** `lambda:InvokeFunction`. */
  action: string;
  arn: string;
  context: ConditionContext;
  policy: PolicyDocument | undefined;
}

/** What a resource policy says of a request: a matching Deny wins; `silent` when no statement matches. */
export type Decision = "allow" | "deny" | "silent";

export function decide({ principal, action, arn, context, policy }: AuthorizeRequest): Decision {
  let decision: Decision = "silent";
  for (const statement of policy?.Statement ?? []) {
    const matches =
      matchesPrincipal(statement, principal) &&
      listOf(statement.Action).some((pattern) => matchesGlob(pattern.toLowerCase(), action.toLowerCase())) &&
      listOf(statement.Resource).some((pattern) => matchesGlob(pattern, arn));
    if (!matches) continue;
    const held = conditionsHold(statement.Condition, context);
    // A condition that cannot be evaluated must neither widen a permission nor lift a prohibition.
    if (statement.Effect === "Deny" && held !== false) return "deny";
    if (statement.Effect === "Allow" && held === true) decision = "allow";
  }
  return decision;
}

/** True when the request is allowed: users and roles need no policy to say so, services do. */
export function authorize(request: AuthorizeRequest): boolean {
  const decision = decide(request);
  return decision === "allow" || (decision === "silent" && request.principal.kind !== "service");
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

function matchesPrincipal({ Principal: allowed }: PolicyStatement, principal: Principal): boolean {
  if (allowed === "*") return true;
  if (principal.kind === "service") return listOf(allowed.Service).includes(principal.service);
  const names = new Set(listOf(allowed.AWS));
  const { account } = principal;
  return ["*", account, `arn:aws:iam::${account}:root`, ...ownArns(principal)].some((name) => names.has(name));
}

/** A session is meant by its own ARN, and by that of its role. */
function ownArns(principal: Caller): readonly string[] {
  return principal.kind === "role" ? [principal.roleArn, principalArn(principal)] : [principalArn(principal)];
}
