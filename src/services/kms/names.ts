/** The names of keys and aliases, and what a caller may write for them. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { fault, notFound } from "./faults.ts";
import type { Place } from "./tables.ts";

export const keyArn = ({ account, region, id }: Place & { id: string }) =>
  formatArn({ service: "kms", region, account, resource: `key/${id}` });
export const aliasArn = ({ account, region, name }: Place & { name: string }) =>
  formatArn({ service: "kms", region, account, resource: name });

export type KeyRef = { kind: "key"; id: string } | { kind: "alias"; name: string };

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A key id, key ARN, alias name or alias ARN of this account and region. */
export function keyRef(text: string, place: Place): KeyRef {
  if (!text.startsWith("arn:")) return bare(text, text);
  const arn = parseArn(text);
  if (arn?.service !== "kms") throw fault("InvalidArnException", `Invalid arn ${text}`);
  if (arn.region !== place.region) throw notFound(`Invalid arn ${arn.region}`);
  // Key policies that open a key to other accounts are not enforced, so nothing is opened.
  if (arn.account !== place.account) {
    throw fault(
      "AccessDeniedException",
      `Account ${place.account} may not use ${text}: Mikan shares no keys between accounts yet.`,
    );
  }
  return bare(arn.resource.startsWith("key/") ? arn.resource.slice("key/".length) : arn.resource, text);
}

function bare(text: string, whole: string): KeyRef {
  if (text.startsWith("alias/")) return { kind: "alias", name: text };
  if (uuid.test(text)) return { kind: "key", id: text };
  throw notFound(`Invalid keyId '${whole}'`);
}

/** The same for operations that take a key and no alias. */
export function ownKey(text: string, place: Place): string {
  const ref = keyRef(text, place);
  if (ref.kind === "key") return ref.id;
  throw notFound(`Invalid keyId '${text}'`);
}
