/** STS, as far as "who am I" goes. */
import { formatArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { defineService } from "../../kit/service.ts";

function identityOf({ principal, account }: Call): { UserId: string; Arn: string; Account: string } {
  const answer = (UserId: string, service: string, resource: string) => ({
    UserId,
    Arn: formatArn({ service, region: "", account, resource }),
    Account: account,
  });
  if (principal.kind === "user") return answer(account, "iam", "root");
  if (principal.kind === "service") return answer(principal.service, "sts", principal.service);
  const role = principal.roleArn.slice(principal.roleArn.lastIndexOf("/") + 1);
  return answer(`${role}:${principal.session}`, "sts", `assumed-role/${role}/${principal.session}`);
}

const operations = {
  GetCallerIdentity: async (_input, call) => identityOf(call),
} satisfies Handlers<typeof import("@aws-sdk/client-sts")>;

export const sts = defineService({ name: "sts", migrations: [], create: () => ({ operations }) });
