/** "Who am I": what STS and IAM call a principal. */
import type { Call, Principal } from "../../kit/call.ts";
import { principalArn, roleName } from "../../kit/principals.ts";

/** `AIDA...` of a user, the account of its root, `AROA...:session` of a role. */
export function userIdOf(principal: Principal): string {
  if (principal.kind === "service") return principal.service;
  if (principal.kind === "user") return principal.id ?? principal.account;
  // Functions' keys are made without a look at IAM, so they have no role id.
  return `${principal.roleId ?? roleName(principal)}:${principal.session}`;
}

export function arnOf({ principal, account }: Pick<Call, "principal" | "account">): string {
  return principal.kind === "service" ? `arn:aws:sts::${account}:${principal.service}` : principalArn(principal);
}

export const identityOf = (call: Call) => ({
  UserId: userIdOf(call.principal),
  Arn: arnOf(call),
  Account: call.account,
});
