/** How a principal is called: its ARN, and its name in IAM. */
import { formatArn } from "../base/arn.ts";
import type { Principal } from "./call.ts";

/** Whoever presents keys: a user, the account's root, or a role's session. */
export type Caller = Exclude<Principal, { kind: "service" }>;

/** The name of a role without its path: `arn:aws:iam::1:role/a/b` -> `b`. */
export const roleName = ({ roleArn }: { roleArn: string }) => roleArn.slice(roleArn.lastIndexOf("/") + 1);

/** `arn:aws:sts::123456789012:assumed-role/role/session`, `arn:aws:iam::123456789012:user/ann`, `...:root`. */
export function principalArn(principal: Caller): string {
  const { account } = principal;
  if (principal.kind === "role") {
    const resource = `assumed-role/${roleName(principal)}/${principal.session}`;
    return formatArn({ service: "sts", region: "", account, resource });
  }
  return principal.arn ?? formatArn({ service: "iam", region: "", account, resource: "root" });
}

/** The user's name in IAM; undefined for the account's root and for roles. */
export function userName(principal: Principal): string | undefined {
  if (principal.kind !== "user" || principal.arn === undefined) return undefined;
  return principal.arn.slice(principal.arn.lastIndexOf("/") + 1);
}
