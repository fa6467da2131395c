/** STS: who somebody is, and keys to be somebody else for a while. */
import { accountIn } from "../../kit/credentials.ts";
import { faults } from "../../kit/faults.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { defineService } from "../../kit/service.ts";
import { identityOf } from "./identity.ts";
import { durableSessions, sessionOperations } from "./sessions.ts";

const fault = faults<typeof import("@aws-sdk/client-sts")>();

const identityOperations = {
  GetCallerIdentity: async (_input, call) => identityOf(call),

  async GetAccessKeyInfo({ AccessKeyId: id }) {
    const account = accountIn(id);
    if (account === undefined) throw fault("ValidationError", `${id} is not an access key id that holds an account.`);
    return { Account: account };
  },
} satisfies Handlers<typeof import("@aws-sdk/client-sts")>;

export const sts = defineService({
  name: "sts",
  migrations: [],
  create(deps) {
    const sessions = durableSessions(deps);
    return {
      operations: { ...identityOperations, ...sessionOperations(deps) },
      keyOf: async ({ accessKeyId, sessionToken }) =>
        sessionToken === undefined ? undefined : sessions?.resolve(accessKeyId, sessionToken),
    };
  },
});
