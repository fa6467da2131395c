/**
 * A gate that only lets requests with a proper token pass: a JSON Web Token (RFC 7519) in `Authorization: Bearer`, signed
 * by one of the keys. Source: ALB user guide, "Verify JWTs"; the reasons are those of its access logs.
 */
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { pageOf } from "./answers.ts";
import type { Gate, GateRefusal } from "./compile.ts";
import { spanSize } from "./h1/scan.ts";
import type { JsonWebKey, JwtCheck } from "./ports.ts";
import type { RequestRecord } from "./record.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = Readonly<Record<string, Json>>;

/** RSA keys are at least this long (RFC 7518 section 3.3). */
const modulusBitsMin = 2048;

const unauthorized = (reason: string): GateRefusal => ({
  answer: { ...pageOf(401), lines: "WWW-Authenticate: Bearer\r\n" },
  reason,
});

const refusals = {
  noHeader: unauthorized("JWTHeaderNotPresent"),
  format: unauthorized("JWTRequestFormatInvalid"),
  signature: unauthorized("JWTSignatureValidationError"),
  noClaim: unauthorized("JWTClaimNotPresent"),
  claimFormat: unauthorized("JWTClaimFormatInvalid"),
  claimValue: unauthorized("JWTClaimValueInvalid"),
  /** Without keys nobody can tell: that is not the client's fault. */
  noKeys: { answer: pageOf(500), reason: "JWKSUnavailable" } satisfies GateRefusal,
};

/** Compiles the check of a route. Keys that are no RSA keys are left out. */
export function jwtGate(check: JwtCheck, clock: Clock): Gate {
  const keys = check.keys.flatMap(importKey);
  if (keys.length === 0) return () => refusals.noKeys;
  const claims = check.claims.map(compileClaim);
  return (request) => {
    const authorization = authorizationOf(request);
    if (authorization === undefined) return refusals.noHeader;
    const token = readToken(authorization);
    if (token === undefined) return refusals.format;
    if (!isSigned(token, keys)) return refusals.signature;
    return (
      refuseRegistered(token.payload, check.issuer, clock.now() / 1000) ??
      firstOf(claims, (claim) => claim(token.payload))
    );
  };
}

function firstOf<T>(all: readonly T[], ask: (one: T) => GateRefusal | undefined): GateRefusal | undefined {
  for (const one of all) {
    const refusal = ask(one);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

interface VerifyKey {
  kid: string;
  key: KeyObject;
}

function importKey({ kid, n, e }: JsonWebKey): VerifyKey[] {
  try {
    const key = createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
    return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= modulusBitsMin ? [{ kid, key }] : [];
  } catch {
    // Not a key: the others of the set may be.
    return [];
  }
}

/** The request's Authorization; "" where it has several. */
function authorizationOf({ head: { text, spans, count } }: Pick<RequestRecord, "head">): string | undefined {
  const name = "authorization";
  let found: string | undefined;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const start = spans[at + 1] as number;
    const end = spans[at + 2] as number;
    if (end - start !== name.length || text.slice(start, end).toLowerCase() !== name) continue;
    found = found === undefined ? text.slice(spans[at + 3], spans[at + 4]) : "";
  }
  return found;
}

interface Token {
  kid: string | undefined;
  payload: JsonObject;
  signed: Buffer;
  signature: Buffer;
}

/** A JWS in its compact form (RFC 7515 section 7.1), signed by RS256. Undefined where it is none. */
function readToken(authorization: string): Token | undefined {
  const [, first = "", second = "", third = ""] =
    /^Bearer +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/i.exec(authorization) ?? [];
  const header = objectIn(first);
  const payload = objectIn(second);
  // What `crit` names must be understood, and nothing is (RFC 7515 section 4.1.11).
  if (header === undefined || payload === undefined || header["alg"] !== "RS256" || "crit" in header) return undefined;
  const { kid } = header;
  return {
    kid: typeof kid === "string" ? kid : undefined,
    payload,
    signed: Buffer.from(`${first}.${second}`),
    signature: Buffer.from(third, "base64url"),
  };
}

function objectIn(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(text, "base64url").toString()) as Json;
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    // What a client sends need not be JSON.
    return undefined;
  }
}

function isSigned({ kid, signed, signature }: Token, keys: readonly VerifyKey[]): boolean {
  // A token that names no key may be by any.
  const candidates = kid === undefined ? keys : keys.filter((key) => key.kid === kid);
  return candidates.some(({ key }) => verify("RSA-SHA256", signed, key, signature));
}

/** `iss` and `exp` must be there and right; `nbf` and `iat` must be right where they are there. */
function refuseRegistered(payload: JsonObject, issuer: string, nowSeconds: number): GateRefusal | undefined {
  const { iss, exp, nbf, iat } = payload;
  if (iss === undefined || exp === undefined) return refusals.noClaim;
  for (const time of [exp, nbf, iat]) {
    if (time !== undefined && typeof time !== "number") return refusals.claimFormat;
  }
  if (typeof iss !== "string") return refusals.claimFormat;
  const isNow = Number(exp) > nowSeconds && Number(nbf ?? 0) <= nowSeconds && Number(iat ?? 0) <= nowSeconds;
  return iss === issuer && isNow ? undefined : refusals.claimValue;
}

type ClaimCheck = (payload: JsonObject) => GateRefusal | undefined;

/** A single text is one of the values; a list, of either form, holds all of them. */
function compileClaim({ name, format, values }: JwtCheck["claims"][number]): ClaimCheck {
  return (payload) => {
    const claim = Object.hasOwn(payload, name) ? payload[name] : undefined;
    if (claim === undefined) return refusals.noClaim;
    if (format === "string-array") {
      if (!Array.isArray(claim)) return refusals.claimFormat;
      return values.every((value) => claim.includes(value)) ? undefined : refusals.claimValue;
    }
    if (typeof claim !== "string") return refusals.claimFormat;
    if (format === "single-string") return values.includes(claim) ? undefined : refusals.claimValue;
    const parts = claim.split(" ");
    return values.every((value) => parts.includes(value)) ? undefined : refusals.claimValue;
  };
}
