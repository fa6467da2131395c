/** `FunctionUrlConfig`: the function's own URL, and for an open one the permissions that let anybody call it. */
import { isList, isMap, member, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { inherited, membersOf, type SamResource } from "./expansion.ts";
import { isIntrinsic } from "./globals.ts";
import type { Published } from "./versions.ts";

const isInteger = (value: Json) => typeof value === "number" && Number.isInteger(value);
/** Settings of `Cors`, and what each is in the words of AWS's translator. */
const corsKinds: Readonly<Record<string, readonly [is: (value: Json) => boolean, called: string]>> = {
  AllowOrigins: [isList, "list"],
  AllowMethods: [isList, "list"],
  AllowCredentials: [(value) => typeof value === "boolean", "bool"],
  AllowHeaders: [isList, "list"],
  ExposeHeaders: [isList, "list"],
  MaxAge: [isInteger, "int"],
};

/** What `FunctionUrlConfig` makes; nothing where it is not there. */
export function urlOf(sam: SamResource, published: Published | undefined): Record<string, JsonObject> {
  const { logicalId, resource, properties } = sam;
  const config = member(properties, "FunctionUrlConfig");
  if (!isMap(config) || Object.keys(config).length === 0) return {};
  check(logicalId, config);
  const shared = membersOf(resource, inherited);
  const target: Json = { Ref: published?.aliasId ?? logicalId };
  const permission = (more: JsonObject): JsonObject => ({
    ...shared,
    Type: "AWS::Lambda::Permission",
    Properties: { FunctionName: target, Principal: "*", ...more },
  });
  const url: JsonObject = {
    ...shared,
    Type: "AWS::Lambda::Url",
    Properties: { TargetFunctionArn: target, ...membersOf(config, ["AuthType", "Cors", "InvokeMode"]) },
  };
  if (member(config, "AuthType") !== "NONE") return { [`${logicalId}Url`]: url };
  return {
    [`${logicalId}Url`]: url,
    [`${logicalId}UrlPublicPermissions`]: permission({
      Action: "lambda:InvokeFunctionUrl",
      FunctionUrlAuthType: "NONE",
    }),
    [`${logicalId}URLInvokeAllowPublicAccess`]: permission({
      Action: "lambda:InvokeFunction",
      InvokedViaFunctionUrl: true,
    }),
  };
}

function check(logicalId: string, config: JsonObject): void {
  if (isIntrinsic(config)) return;
  const type = member(config, "AuthType") ?? null;
  if (type !== "AWS_IAM" && type !== "NONE" && !isIntrinsic(type)) {
    throw badResource(
      logicalId,
      "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.",
    );
  }
  const cors = member(config, "Cors");
  if (cors === undefined || isIntrinsic(cors)) return;
  if (!isMap(cors)) throw badResource(logicalId, "Property 'FunctionUrlConfig.Cors' should be a map.");
  for (const [name, value] of Object.entries(cors)) {
    const [is, called] = corsKinds[name] ?? [];
    if (is === undefined) throw badResource(logicalId, `${name} is not a valid property for configuring Cors.`);
    if (!isIntrinsic(value) && !is(value)) throw badResource(logicalId, `${name} must be of type ${called}.`);
  }
}
