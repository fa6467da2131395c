/** `AWS::Lambda::Url`. */
import type { Cors } from "@aws-sdk/client-lambda";
import type { Call } from "../../kit/call.ts";
import { asProperties, unlessAbsent, type JsonObject, type Resource } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import type { LambdaDeps } from "./deps.ts";
import { integer, isObject, required, text, texts, unlessGone } from "./template-values.ts";
import { urlChange, urlConfiguration, urlCreation, urlDeletion, urlKey } from "./urls.ts";

function corsOf(properties: JsonObject): Cors | undefined {
  const given = properties["Cors"];
  if (!isObject(given)) return undefined;
  const credentials = text(given["AllowCredentials"]);
  const all = {
    AllowCredentials: credentials === undefined ? undefined : credentials === "true",
    AllowHeaders: texts(given, "AllowHeaders"),
    AllowMethods: texts(given, "AllowMethods"),
    AllowOrigins: texts(given, "AllowOrigins"),
    ExposeHeaders: texts(given, "ExposeHeaders"),
    MaxAge: integer(given, "MaxAge"),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export function urlResource(deps: LambdaDeps): Resource {
  const create = urlCreation(deps);
  const change = urlChange(deps);
  const remove = urlDeletion(deps);

  const settingsOf = (properties: JsonObject) => ({
    authType: required(properties, "AuthType"),
    cors: corsOf(properties),
    // A template that no longer names it means the default.
    invokeMode: text(properties["InvokeMode"]) ?? "BUFFERED",
  });
  const keyOf = (properties: JsonObject, call: Call, operation: string) => {
    const name = required(properties, "TargetFunctionArn");
    const { authType: AuthType, cors: Cors, invokeMode: InvokeMode } = settingsOf(properties);
    const Qualifier = text(properties["Qualifier"]);
    checkInput("lambda", "CreateFunctionUrlConfig", { FunctionName: name, Qualifier, AuthType, Cors, InvokeMode });
    return urlKey(name, Qualifier, call, operation);
  };

  return {
    type: "AWS::Lambda::Url",
    properties: ["AuthType", "Cors", "InvokeMode", "Qualifier", "TargetFunctionArn"],
    required: ["AuthType", "TargetFunctionArn"],
    attributes: ["FunctionArn", "FunctionUrl"],
    async create({ properties, token }, call) {
      const key = keyOf(properties, call, "CreateFunctionUrlConfig");
      const { FunctionArn, FunctionUrl } = urlConfiguration(await create(key, settingsOf(properties), token), call);
      return { physicalId: FunctionArn, attributes: { FunctionArn, FunctionUrl } };
    },
    replaceOn: ["Qualifier", "TargetFunctionArn"],
    async update({ properties, physicalId, attributes }, call) {
      const { cors = null, ...settings } = settingsOf(properties);
      await change(keyOf(properties, call, "UpdateFunctionUrlConfig"), { ...settings, cors });
      return { physicalId, attributes };
    },
    async read({ physicalId: FunctionName, properties }, call) {
      const reading = deps.peers.lambda.GetFunctionUrlConfig({ FunctionName }, call);
      const found = await unlessAbsent(reading, "ResourceNotFoundException");
      return found && asProperties({ ...properties, Cors: undefined, ...found });
    },
    delete: ({ physicalId }, call) =>
      unlessGone(remove(urlKey(physicalId, undefined, call, "DeleteFunctionUrlConfig"))),
  };
}
