/** From the credentials that a request presented to who is calling, and to the secret that they sign with. */
import type { Clock } from "../base/clock.ts";
import type { KeyOf, PresentedKey } from "../kit/credentials.ts";
import type { Caller } from "../kit/principals.ts";
import { expiredToken, type SecretOf } from "../wire/wire.ts";

/** The account of keys that name none. */
export const defaultAccount = "000000000000";
export const defaultRegion = "us-east-1";

export interface IdentityDeps {
  clock: Clock;
  keyOf: KeyOf;
}

/**
 * Keys that the node made belong to their user or role. On an open node a 12-digit access key id is the account; any
 * other key belongs to the default account.
 */
export async function principalOf(
  presented: PresentedKey & { service: string },
  { clock, keyOf }: IdentityDeps,
): Promise<Caller> {
  const { accessKeyId, service } = presented;
  const known = await keyOf(presented);
  if (known === undefined) {
    return { kind: "user", account: /^\d{12}$/.test(accessKeyId) ? accessKeyId : defaultAccount, accessKeyId };
  }
  if (known.expiresMs !== undefined && known.expiresMs <= clock.now()) throw expiredToken(service);
  return known.principal;
}

/** The keys that a node which verifies signatures knows: the root key, and those that it made itself. */
export function knownSecrets(
  root: { accessKeyId: string; secretAccessKey: string },
  { clock, keyOf }: IdentityDeps,
): SecretOf {
  return async (accessKeyId, sessionToken) => {
    if (accessKeyId === root.accessKeyId) return { secret: root.secretAccessKey };
    const known = await keyOf({ accessKeyId, sessionToken });
    if (known === undefined) return undefined;
    const expired = known.expiresMs !== undefined && known.expiresMs <= clock.now();
    return { secret: known.secret, expired, ...(sessionToken === undefined ? {} : { sessionToken }) };
  };
}
