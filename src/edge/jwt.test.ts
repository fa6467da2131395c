/** Who passes a gate that asks for a token, and with what reason others do not. */
import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { freePort, listener, Stage } from "./edge.suite.ts";
import { limitsOf } from "./h1/limits.ts";
import { emptyRequestHead, readRequest } from "./h1/request.ts";
import { HeadScanner } from "./h1/scan.ts";
import { jwtGate } from "./jwt.ts";
import type { JwtCheck, RouteConfig } from "./ports.ts";
import type { RequestRecord } from "./record.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });

function jwkOf(kid: string, key: KeyObject) {
  const { n = "", e = "" } = key.export({ format: "jwk" });
  return { kid, n, e };
}

const issuer = "https://idp.example.com";
const nowSeconds = 1_800_000_000;
const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

interface Made {
  header?: object;
  claims?: object;
  key?: KeyObject;
}

function tokenOf({ header = {}, claims = {}, key = privateKey }: Made = {}): string {
  const signed = `${encoded({ alg: "RS256", kid: "k1", ...header })}.${encoded({ iss: issuer, exp: nowSeconds + 60, ...claims })}`;
  return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), key).toString("base64url")}`;
}

const check: JwtCheck = { issuer, keys: [jwkOf("k1", publicKey)], claims: [] };

/** The reason of the refusal; "passes" without one. */
function outcome(fields: readonly string[], changes: Partial<JwtCheck> = {}): string {
  const clock = new FakeClock(nowSeconds * 1000);
  const limits = limitsOf("public");
  const scanner = new HeadScanner(limits);
  scanner.reset("request", limits);
  const bytes = Buffer.from(["GET / HTTP/1.1", "Host: a", ...fields, "", ""].join("\r\n"), "latin1");
  scanner.push(bytes, 0, bytes.length);
  const head = emptyRequestHead();
  expect(readRequest(scanner, head)).toBeUndefined();
  return jwtGate({ ...check, ...changes }, clock)({ head } as RequestRecord)?.reason ?? "passes";
}

const bearer = (token: string) => [`Authorization: Bearer ${token}`];

describe("a request", () => {
  it.each<[string, readonly string[], string]>([
    ["with a token", bearer(tokenOf()), "passes"],
    ["whatever the case of the scheme", [`authorization: bEARER ${tokenOf()}`], "passes"],
    ["with a token that names no key", bearer(tokenOf({ header: { kid: undefined } })), "passes"],
    ["valid from now on", bearer(tokenOf({ claims: { nbf: nowSeconds, iat: nowSeconds } })), "passes"],
    ["without a token", [], "JWTHeaderNotPresent"],
    ["with another scheme", ["Authorization: Basic YTpi"], "JWTRequestFormatInvalid"],
    ["with two", [...bearer(tokenOf()), ...bearer(tokenOf())], "JWTRequestFormatInvalid"],
    ["with what is no token", bearer("a.b"), "JWTRequestFormatInvalid"],
    ["with what is no JSON", bearer("YWJj.YWJj.YWJj"), "JWTRequestFormatInvalid"],
    ["with another algorithm", bearer(tokenOf({ header: { alg: "RS512" } })), "JWTRequestFormatInvalid"],
    ["unsigned", bearer(tokenOf({ header: { alg: "none" } })), "JWTRequestFormatInvalid"],
    ["with critical extensions", bearer(tokenOf({ header: { crit: ["b64"] } })), "JWTRequestFormatInvalid"],
    ["by another key", bearer(tokenOf({ key: other.privateKey })), "JWTSignatureValidationError"],
    ["by a key that nobody has", bearer(tokenOf({ header: { kid: "k2" } })), "JWTSignatureValidationError"],
    [
      "changed",
      bearer(tokenOf().replace(/\.[^.]+\./, `.${encoded({ iss: issuer, exp: nowSeconds + 99 })}.`)),
      "JWTSignatureValidationError",
    ],
    ["of another issuer", bearer(tokenOf({ claims: { iss: "https://evil" } })), "JWTClaimValueInvalid"],
    ["without an issuer", bearer(tokenOf({ claims: { iss: undefined } })), "JWTClaimNotPresent"],
    ["without an end", bearer(tokenOf({ claims: { exp: undefined } })), "JWTClaimNotPresent"],
    ["expired", bearer(tokenOf({ claims: { exp: nowSeconds } })), "JWTClaimValueInvalid"],
    ["that never expires, in words", bearer(tokenOf({ claims: { exp: "never" } })), "JWTClaimFormatInvalid"],
    ["of tomorrow", bearer(tokenOf({ claims: { nbf: nowSeconds + 1 } })), "JWTClaimValueInvalid"],
    ["issued tomorrow", bearer(tokenOf({ claims: { iat: nowSeconds + 1 } })), "JWTClaimValueInvalid"],
  ])("%s", (_, fields, expected) => {
    expect(outcome(fields)).toBe(expected);
  });

  it("signed with the public key as a secret does not pass", () => {
    const signed = `${encoded({ alg: "HS256", kid: "k1" })}.${encoded({ iss: issuer, exp: nowSeconds + 60 })}`;
    const secret = publicKey.export({ type: "spki", format: "pem" });
    const mac = createHmac("sha256", secret).update(signed).digest("base64url");
    expect(outcome(bearer(`${signed}.${mac}`))).toBe("JWTRequestFormatInvalid");
  });

  it("does not pass where there are no keys, or none that is strong enough", () => {
    expect(outcome(bearer(tokenOf()), { keys: [] })).toBe("JWKSUnavailable");
    const keys = [jwkOf("k1", weak.publicKey), { kid: "k1", n: "!", e: "AQAB" }];
    expect(outcome(bearer(tokenOf({ key: weak.privateKey })), { keys })).toBe("JWKSUnavailable");
  });
});

describe("a claim", () => {
  it.each<[JwtCheck["claims"][number]["format"], readonly string[], unknown, string]>([
    ["single-string", ["api", "web"], "api", "passes"],
    ["single-string", ["api"], "other", "JWTClaimValueInvalid"],
    ["single-string", ["api"], ["api"], "JWTClaimFormatInvalid"],
    ["single-string", ["api"], undefined, "JWTClaimNotPresent"],
    ["string-array", ["a", "b"], ["b", "c", "a"], "passes"],
    ["string-array", ["a", "b"], ["a"], "JWTClaimValueInvalid"],
    ["string-array", ["a"], "a", "JWTClaimFormatInvalid"],
    ["space-separated", ["read", "write"], "write all read", "passes"],
    ["space-separated", ["read"], "readonly", "JWTClaimValueInvalid"],
    ["space-separated", ["read"], 1, "JWTClaimFormatInvalid"],
  ])("%s %j is %j: %s", (format, values, claim, expected) => {
    const claims = [{ name: "scope", format, values }];
    expect(outcome(bearer(tokenOf({ claims: { scope: claim } })), { claims })).toBe(expected);
  });
});

it("is asked for before a route answers", async () => {
  const port = await freePort();
  const route: RouteConfig = {
    id: "r",
    conditions: [],
    action: { kind: "fixed", status: 200, contentType: "text/plain", body: "in" },
    jwt: check,
  };
  await stage.edge().apply({ epoch: 1, listeners: [listener(port, [route])], clusters: [] });
  const ask = async (field: string) => {
    const client = stage.client(port);
    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n`);
    return client.response();
  };
  expect((await ask("")).status).toBe(401);
  const exp = Math.floor(Date.now() / 1000) + 600;
  expect((await ask(`Authorization: Bearer ${tokenOf({ claims: { exp } })}\r\n`)).status).toBe(200);
});
