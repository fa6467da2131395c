/** May this principal do that? Allow-all for users and roles until IAM lands; service principals need a resource policy. */
import type { Principal } from "./call.ts";

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
  Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** Condition keys of the request: `AWS:SourceArn`, `AWS:SourceAccount`. Names compare without case. */
export type ConditionContext = Readonly<Record<string, string | undefined>>;

export interface AuthorizeRequest {
  principal: Principal;
  /** `lambda:InvokeFunction`. */
  action: string;
  arn: string;
  context: ConditionContext;
  policy: PolicyDocument | undefined;
}

/** True when the request is allowed. A matching Deny wins. */
export function authorize({ principal, action, arn, context, policy }: AuthorizeRequest): boolean {
  const matching = (policy?.Statement ?? []).filter(
    (statement) =>
      matchesPrincipal(statement, principal) &&
      listOf(statement.Action).some((pattern) => matchesGlob(pattern.toLowerCase(), action.toLowerCase())) &&
      listOf(statement.Resource).some((pattern) => matchesGlob(pattern, arn)) &&
      matchesConditions(statement.Condition, context),
  );
  if (matching.some((statement) => statement.Effect === "Deny")) return false;
  return principal.kind !== "service" || matching.some((statement) => statement.Effect === "Allow");
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

function matchesPrincipal({ Principal: allowed }: PolicyStatement, principal: Principal): boolean {
  if (allowed === "*") return true;
  if (principal.kind === "service") return listOf(allowed.Service).includes(principal.service);
  const names = listOf(allowed.AWS);
  return (
    names.includes("*") || names.includes(principal.account) || names.includes(`arn:aws:iam::${principal.account}:root`)
  );
}

/** Condition operators that are evaluated. One that is not known matches nothing, so it never widens a permission. */
const operators: Record<string, (pattern: string, value: string) => boolean> = {
  stringequals: (pattern, value) => pattern === value,
  stringlike: matchesGlob,
  arnequals: matchesGlob,
  arnlike: matchesGlob,
};

function matchesConditions(conditions: PolicyStatement["Condition"], context: ConditionContext): boolean {
  const values = new Map(Object.entries(context).map(([key, value]) => [key.toLowerCase(), value]));
  return Object.entries(conditions ?? {}).every(([operator, keys]) => {
    const matches = operators[operator.toLowerCase()];
    return Object.entries(keys).every(([key, patterns]) => {
      const value = values.get(key.toLowerCase());
      return (
        matches !== undefined && value !== undefined && listOf(patterns).some((pattern) => matches(pattern, value))
      );
    });
  });
}

/** `*` is any run of characters, `?` one. Linear in the text for each star. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let retry = 0;
  let i = 0;
  while (i < text.length) {
    if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[i]) && pattern[at] !== "*") {
      at += 1;
      i += 1;
    } else if (pattern[at] === "*") {
      star = at;
      retry = i;
      at += 1;
    } else if (star >= 0) {
      at = star + 1;
      retry += 1;
      i = retry;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
