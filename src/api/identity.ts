/** From the credentials that a request presented to who is calling, and to the secret that they sign with. */
import type { Principal } from "../kit/call.ts";
import type { Sessions } from "../kit/sessions.ts";
import type { SecretOf } from "../wire/wire.ts";

/** What wire read from the Authorization header or the presigned query. */
export interface PresentedKey {
  accessKeyId: string;
  sessionToken: string | undefined;
}

export type CallerPrincipal = Exclude<Principal, { kind: "service" }>;

/** The account of keys that name none. */
export const defaultAccount = "000000000000";
export const defaultRegion = "us-east-1";

/**
 * Keys that the node issued belong to their role. On an open node a 12-digit access key id is the account; any other key
 * belongs to the default account.
 */
export function principalOf({ accessKeyId, sessionToken }: PresentedKey, sessions: Sessions): CallerPrincipal {
  const issued = sessionToken === undefined ? undefined : sessions.resolve(accessKeyId, sessionToken);
  if (issued !== undefined) return issued.principal;
  return { kind: "user", account: /^\d{12}$/.test(accessKeyId) ? accessKeyId : defaultAccount, accessKeyId };
}

/** The keys that a node which verifies signatures knows: the root key, and those that it issued itself. */
export function knownSecrets(root: { accessKeyId: string; secretAccessKey: string }, sessions: Sessions): SecretOf {
  return async (accessKeyId, sessionToken) => {
    if (accessKeyId === root.accessKeyId) return { secret: root.secretAccessKey };
    const issued = sessionToken === undefined ? undefined : sessions.resolve(accessKeyId, sessionToken);
    return issued === undefined || sessionToken === undefined ? undefined : { secret: issued.secret, sessionToken };
  };
}
