/**
 * Temporary keys: what STS gives to whoever assumes a role, and Lambda to a function. A session's token says who it is
 * for and until when, and proves that whoever has the secret wrote it; its keys are made from the token. So nothing is
 * kept, and every node with the same secret knows them all.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Instant } from "../base/clock.ts";
import type { Principal } from "./call.ts";
import { accessKeyIdOf } from "./credentials.ts";
import type { Caller } from "./principals.ts";

export type RolePrincipal = Extract<Principal, { kind: "role" }>;

export interface SessionCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Says who it is for, and proves that this secret's owner wrote it. */
  sessionToken: string;
}

export interface SessionLife {
  /** Without it, the session lives as long as the secret. */
  expiresMs?: Instant;
  /** Makes keys differ that would be the same. */
  nonce?: string;
}

export interface KnownSession {
  principal: Caller;
  secret: string;
  expiresMs?: Instant;
}

export interface Sessions {
  /** The same keys for the same principal and life. */
  issue(principal: Caller, life?: SessionLife): SessionCredentials;
  /** Whose keys they are, and their secret, also when they have expired; undefined for keys made with another secret. */
  resolve(accessKeyId: string, sessionToken: string): KnownSession | undefined;
}

const tokenPrefix = "Mikan";
/** Base64 of 32 bytes, for the URL alphabet. */
const proofLength = 43;

/** `secret` has 32 bytes. Made afresh, all keys end with the process, as the environments of functions do. */
export function createSessions(secret: Uint8Array = randomBytes(32)): Sessions {
  const mac = (purpose: string, text: string) => createHmac("sha256", secret).update(`${purpose}\n${text}`).digest();

  const tokenOf = (claim: string) => `${tokenPrefix}${mac("token", claim).toString("base64url")}${claim}`;
  const secretOf = (claim: string) => mac("secret", claim).subarray(0, 30).toString("base64");
  // Source: IAM guide, "Understanding unique ID prefixes".
  const idOf = (claim: string, account: string) => accessKeyIdOf("ASIA", account, mac("id", claim));

  return {
    issue(principal, { expiresMs, nonce } = {}) {
      const claim: Claim = [withoutKey(principal), expiresMs ?? null, nonce ?? null];
      const text = Buffer.from(JSON.stringify(claim)).toString("base64url");
      return {
        accessKeyId: idOf(text, principal.account),
        secretAccessKey: secretOf(text),
        sessionToken: tokenOf(text),
      };
    },
    resolve(accessKeyId, sessionToken) {
      if (!sessionToken.startsWith(tokenPrefix)) return undefined;
      const claim = sessionToken.slice(tokenPrefix.length + proofLength);
      if (!same(tokenOf(claim), sessionToken)) return undefined;
      // Only `issue` can have written a claim that proves right.
      const [claimed, expiresMs] = JSON.parse(Buffer.from(claim, "base64url").toString()) as Claim;
      if (!same(idOf(claim, claimed.account), accessKeyId)) return undefined;
      const principal: Caller = claimed.kind === "user" ? { ...claimed, accessKeyId } : claimed;
      return { principal, secret: secretOf(claim), ...(expiresMs === null ? {} : { expiresMs }) };
    },
  };
}

type UserPrincipal = Extract<Principal, { kind: "user" }>;
type Claim = [RolePrincipal | Omit<UserPrincipal, "accessKeyId">, expiresMs: Instant | null, nonce: string | null];

/** A user's session has a key of its own, which follows from the claim. */
function withoutKey(principal: Caller): Claim[0] {
  if (principal.kind === "role") {
    const { kind, account, roleArn, session, roleId } = principal;
    return { kind, account, roleArn, session, ...(roleId === undefined ? {} : { roleId }) };
  }
  const { kind, account, arn, id } = principal;
  return { kind, account, ...(arn === undefined ? {} : { arn }), ...(id === undefined ? {} : { id }) };
}

function same(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
