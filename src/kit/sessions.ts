/**
 * The keys by which code that the node runs calls the node's own APIs, as a role: what AWS's STS gives Lambda for a
 * function. They are made from a secret of this process and kept nowhere, so all of them end with the node, as the
 * environments that hold them do.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Principal } from "./call.ts";

export type RolePrincipal = Extract<Principal, { kind: "role" }>;

export interface SessionCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Says who it is for, and proves that this process wrote it. */
  sessionToken: string;
}

export interface Sessions {
  /** The same keys for the same role and session, as long as the node runs. */
  issue(role: RolePrincipal): SessionCredentials;
  /** Whose keys they are, and their secret; undefined for keys that this process did not issue. */
  resolve(accessKeyId: string, sessionToken: string): { principal: RolePrincipal; secret: string } | undefined;
}

const tokenPrefix = "Mikan";
/** Base64 of 32 bytes, for the URL alphabet. */
const proofLength = 43;
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** `secret` (32 bytes) is for tests that want the same keys every time. */
export function createSessions(secret: Uint8Array = randomBytes(32)): Sessions {
  const mac = (purpose: string, text: string) => createHmac("sha256", secret).update(`${purpose}\n${text}`).digest();

  const credentialsOf = (claim: string): SessionCredentials => ({
    // Keys of a session begin with ASIA and have 20 letters. Source: IAM guide, "Understanding unique ID prefixes".
    accessKeyId: `ASIA${lettersOf(mac("id", claim).subarray(0, 16))}`,
    secretAccessKey: mac("secret", claim).subarray(0, 30).toString("base64"),
    sessionToken: `${tokenPrefix}${mac("token", claim).toString("base64url")}${claim}`,
  });

  return {
    issue({ account, roleArn, session }) {
      return credentialsOf(Buffer.from(JSON.stringify([account, roleArn, session])).toString("base64url"));
    },
    resolve(accessKeyId, sessionToken) {
      if (!sessionToken.startsWith(tokenPrefix)) return undefined;
      const claim = sessionToken.slice(tokenPrefix.length + proofLength);
      const expected = credentialsOf(claim);
      if (!same(expected.sessionToken, sessionToken) || !same(expected.accessKeyId, accessKeyId)) return undefined;
      // Only `issue` can have written a claim that proves right.
      const [account, roleArn, session] = JSON.parse(Buffer.from(claim, "base64url").toString()) as [
        string,
        string,
        string,
      ];
      return { principal: { kind: "role", account, roleArn, session }, secret: expected.secretAccessKey };
    },
  };
}

function lettersOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => idLetters.charAt(byte % idLetters.length)).join("");
}

function same(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
