/** Actions of type `jwt-validation`: checked, shown, and written for the edge. Pure. Source: API reference, JwtValidationActionConfig. */
import type { Action as SdkAction } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { JsonWebKey, JwtCheck } from "../../edge/ports.ts";
import type { Received } from "../../kit/handlers.ts";
import { fault, invalid } from "./refusals.ts";

const formats = {
  "single-string": "single-string",
  "string-array": "string-array",
  "space-separated-values": "space-separated",
} as const;
type ClaimFormat = keyof typeof formats;

/** As it is stored. */
export interface JwtAction {
  order?: number;
  endpoint: string;
  issuer: string;
  claims: { name: string; format: ClaimFormat; values: string[] }[];
}

const textLengthMax = 256;
const claimsMax = 10;
const valuesMax = 10;
/** Those are checked always. */
const registered = ["exp", "iss", "nbf", "iat"];

/** A key set may be fetched without TLS from this machine only: AWS demands HTTPS. */
const isThisMachine = (host: string) => host === "localhost" || host === "127.0.0.1" || host === "[::1]";

function checkEndpoint(endpoint: string): void {
  const refusal = `The JWKS endpoint '${endpoint}' must be a full URL, including the HTTPS protocol, the domain, and the path`;
  if (endpoint.length > textLengthMax) {
    throw invalid(`The 'JwksEndpoint' value is too long; the limit is '${textLengthMax}'`);
  }
  if (!URL.canParse(endpoint)) throw invalid(refusal);
  const { protocol, hostname, username, password } = new URL(endpoint);
  const allowed = protocol === "https:" || (protocol === "http:" && isThisMachine(hostname));
  if (!allowed || username !== "" || password !== "") throw invalid(refusal);
}

type GivenClaim = NonNullable<NonNullable<Received<SdkAction>["JwtValidationConfig"]>["AdditionalClaims"]>[number];

function claimOf({ Name: name, Format: format, Values: values }: GivenClaim): JwtAction["claims"][number] {
  if (registered.includes(name)) {
    throw invalid(`The claim '${name}' cannot be specified because it is validated by default`);
  }
  if (name === "") throw invalid("A claim name must be specified");
  if (values.length === 0 || values.length > valuesMax) {
    throw invalid(`The claim '${name}' must have between '1' and '${valuesMax}' values`);
  }
  for (const value of values) {
    if (value.length > textLengthMax) {
      throw invalid(`A value of the claim '${name}' is too long; the limit is '${textLengthMax}'`);
    }
    if (format === "space-separated-values" && value.includes(" ")) {
      throw invalid(`A value of the claim '${name}' cannot include spaces`);
    }
  }
  return { name, format, values };
}

/** Throws in AWS's words. */
export function jwtActionOf(given: Received<SdkAction>): JwtAction {
  const config = given.JwtValidationConfig;
  if (config === undefined) {
    throw fault(
      "InvalidLoadBalancerActionException",
      "For actions of type 'jwt-validation', you must specify the following fields: 'JwtValidationConfig'",
    );
  }
  const { JwksEndpoint: endpoint, Issuer: issuer, AdditionalClaims: claims = [] } = config;
  checkEndpoint(endpoint);
  if (issuer === "" || issuer.length > textLengthMax) {
    throw invalid(`The 'Issuer' value must have between '1' and '${textLengthMax}' characters`);
  }
  if (claims.length > claimsMax) throw invalid(`A JWT validation can only have '${claimsMax}' additional claims`);
  return {
    ...(given.Order === undefined ? {} : { order: given.Order }),
    endpoint,
    issuer,
    claims: claims.map(claimOf),
  };
}

/** As Describe operations show it. */
export function describedJwtAction({ order, endpoint, issuer, claims }: JwtAction): SdkAction {
  const AdditionalClaims = claims.map(({ name, format, values }) => ({ Name: name, Format: format, Values: values }));
  return {
    Type: "jwt-validation",
    ...(order === undefined ? {} : { Order: order }),
    JwtValidationConfig: {
      JwksEndpoint: endpoint,
      Issuer: issuer,
      ...(AdditionalClaims.length === 0 ? {} : { AdditionalClaims }),
    },
  };
}

/** The same in the edge's words, with the keys that the endpoint has given. */
export function edgeJwt({ endpoint, issuer, claims }: JwtAction, keysOf: (endpoint: string) => readonly JsonWebKey[]) {
  return {
    issuer,
    keys: keysOf(endpoint),
    claims: claims.map(({ name, format, values }) => ({ name, format: formats[format], values })),
  } satisfies JwtCheck;
}
