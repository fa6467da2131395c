/** Parameters of UpdateConnection, whose members are all optional, as those of a connection, whose are not. */
import type { InputOf, Received } from "../../kit/handlers.ts";
import { invalid } from "./faults.ts";
import type { AuthParameters } from "./tables.ts";

type Given = NonNullable<
  Received<InputOf<typeof import("@aws-sdk/client-eventbridge"), "UpdateConnection">>["AuthParameters"]
>;

function needed<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw invalid(`Parameter AuthParameters is not valid. Reason: ${name} must be specified.`);
}

export function wholeAuth(given: Given): AuthParameters {
  const { BasicAuthParameters: basic, ApiKeyAuthParameters: key, OAuthParameters: oauth, ...rest } = given;
  return {
    ...rest,
    ...(basic === undefined
      ? {}
      : {
          BasicAuthParameters: {
            Username: needed(basic.Username, "Username"),
            Password: needed(basic.Password, "Password"),
          },
        }),
    ...(key === undefined
      ? {}
      : {
          ApiKeyAuthParameters: {
            ApiKeyName: needed(key.ApiKeyName, "ApiKeyName"),
            ApiKeyValue: needed(key.ApiKeyValue, "ApiKeyValue"),
          },
        }),
    ...(oauth === undefined
      ? {}
      : {
          OAuthParameters: {
            ...oauth,
            ClientParameters: {
              ClientID: needed(oauth.ClientParameters?.ClientID, "ClientID"),
              ClientSecret: needed(oauth.ClientParameters?.ClientSecret, "ClientSecret"),
            },
            AuthorizationEndpoint: needed(oauth.AuthorizationEndpoint, "AuthorizationEndpoint"),
            HttpMethod: needed(oauth.HttpMethod, "HttpMethod"),
          },
        }),
  };
}
