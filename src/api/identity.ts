/** From the credentials that a request presented to who is calling. */
import type { Principal } from "../kit/call.ts";

/** What wire read from the Authorization header or the presigned query. */
export interface PresentedKey {
  accessKeyId: string;
  region: string;
}

/** The account of keys that name none. */
export const defaultAccount = "000000000000";
export const defaultRegion = "us-east-1";

/** On an open node a 12-digit access key id is the account; any other key belongs to the default account. */
export function principalOf({ accessKeyId }: PresentedKey): Extract<Principal, { kind: "user" }> {
  return { kind: "user", account: /^\d{12}$/.test(accessKeyId) ? accessKeyId : defaultAccount, accessKeyId };
}
