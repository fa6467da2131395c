/** How requests to an endpoint are authorized, and what of it may be shown. */
import type { Secrets } from "../../kit/secrets.ts";
import { invalid, notYet } from "./faults.ts";
import type { AuthParameters, AuthType, ConnectionRow, HttpMembers, Named } from "./tables.ts";

const contextOf = (what: string, { account, region, name }: Named, uid: string) =>
  `events:${what}:${account}:${region}:${name}:${uid}`;

export const sealAuth = (secrets: Secrets, row: Named & { uid: string }, auth: AuthParameters) =>
  secrets.seal(Buffer.from(JSON.stringify(auth)), contextOf("auth", row, row.uid));

export const openAuth = (secrets: Secrets, row: ConnectionRow) =>
  JSON.parse(Buffer.from(secrets.open(row.auth, contextOf("auth", row, row.uid))).toString()) as AuthParameters;

export const sealToken = (secrets: Secrets, row: ConnectionRow, token: string) =>
  secrets.seal(Buffer.from(token), contextOf("token", row, row.uid));

export const openToken = (secrets: Secrets, row: ConnectionRow, sealed: Uint8Array) =>
  Buffer.from(secrets.open(sealed, contextOf("token", row, row.uid))).toString();

/** The parameters that belong to each type. */
const members: Readonly<Record<AuthType, "BasicAuthParameters" | "ApiKeyAuthParameters" | "OAuthParameters">> = {
  BASIC: "BasicAuthParameters",
  API_KEY: "ApiKeyAuthParameters",
  OAUTH_CLIENT_CREDENTIALS: "OAuthParameters",
};

/** Throws for parameters of another type, and refuses by name those that are not run here. */
export function checkAuth(type: AuthType, auth: AuthParameters): AuthParameters {
  if (auth.ConnectivityParameters !== undefined) throw notYet("private connectivity of connections");
  const wanted = members[type];
  const given = Object.values(members).filter((name) => auth[name] !== undefined);
  if (given.length !== 1 || given[0] !== wanted) {
    throw invalid(`Parameter AuthParameters is not valid. Reason: ${wanted} must be specified for ${type}.`);
  }
  return auth;
}

/** A parameter whose value is secret keeps it to itself. */
function shownMembers(http: HttpMembers): HttpMembers {
  const shown = <T extends { IsValueSecret?: boolean | undefined; Value?: string | undefined }>(
    list: readonly T[] | undefined,
  ) => list?.map((item) => (item.IsValueSecret ? { ...item, Value: undefined } : item));
  const [header, query, body] = [
    shown(http.HeaderParameters),
    shown(http.QueryStringParameters),
    shown(http.BodyParameters),
  ];
  return {
    ...(header === undefined ? {} : { HeaderParameters: header }),
    ...(query === undefined ? {} : { QueryStringParameters: query }),
    ...(body === undefined ? {} : { BodyParameters: body }),
  };
}

/** As DescribeConnection shows it: without passwords, keys and secrets. */
export function shownAuth(auth: AuthParameters) {
  const { BasicAuthParameters: basic, ApiKeyAuthParameters: key, OAuthParameters: oauth } = auth;
  const http = auth.InvocationHttpParameters;
  return {
    ...(basic === undefined ? {} : { BasicAuthParameters: { Username: basic.Username } }),
    ...(key === undefined ? {} : { ApiKeyAuthParameters: { ApiKeyName: key.ApiKeyName } }),
    ...(oauth === undefined
      ? {}
      : {
          OAuthParameters: {
            ClientParameters: { ClientID: oauth.ClientParameters.ClientID },
            AuthorizationEndpoint: oauth.AuthorizationEndpoint,
            HttpMethod: oauth.HttpMethod,
            ...(oauth.OAuthHttpParameters === undefined
              ? {}
              : { OAuthHttpParameters: shownMembers(oauth.OAuthHttpParameters) }),
          },
        }),
    ...(http === undefined ? {} : { InvocationHttpParameters: shownMembers(http) }),
  };
}
