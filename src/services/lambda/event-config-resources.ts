/** `AWS::Lambda::EventInvokeConfig`. */
import type { Call } from "../../kit/call.ts";
import { asProperties, unlessAbsent, type JsonObject, type Resource } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import type { LambdaDeps } from "./deps.ts";
import { eventConfigKey } from "./event-config-tables.ts";
import { eventConfigChange, eventConfigDeletion, type EventSettings } from "./event-configs.ts";
import { ownFunction } from "./names.ts";
import { integer, isObject, required, text, unlessGone } from "./template-values.ts";

function settingsOf(properties: JsonObject): EventSettings {
  const destinations = properties["DestinationConfig"];
  const to = (outcome: "OnSuccess" | "OnFailure") => {
    const given = isObject(destinations) ? destinations[outcome] : undefined;
    return isObject(given) ? { [outcome]: { Destination: required(given, "Destination") } } : {};
  };
  return {
    MaximumRetryAttempts: integer(properties, "MaximumRetryAttempts"),
    MaximumEventAgeInSeconds: integer(properties, "MaximumEventAgeInSeconds"),
    ...(destinations === undefined ? {} : { DestinationConfig: { ...to("OnSuccess"), ...to("OnFailure") } }),
  };
}

export function eventConfigResource(deps: LambdaDeps): Resource {
  const change = eventConfigChange(deps);
  const remove = eventConfigDeletion(deps);
  const named = (properties: JsonObject) => ({
    FunctionName: required(properties, "FunctionName"),
    Qualifier: text(properties["Qualifier"]),
  });
  const keyOf = (properties: JsonObject, call: Call, operation: string) => {
    const { FunctionName, Qualifier } = named(properties);
    checkInput("lambda", "PutFunctionEventInvokeConfig", { FunctionName, Qualifier, ...settingsOf(properties) });
    return eventConfigKey(ownFunction(FunctionName, Qualifier, call, operation));
  };
  return {
    type: "AWS::Lambda::EventInvokeConfig",
    properties: ["DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"],
    required: ["FunctionName", "Qualifier"],
    attributes: [],
    async create({ properties, token }, call) {
      const key = keyOf(properties, call, "PutFunctionEventInvokeConfig");
      const row = await change(key, settingsOf(properties), "replace", call, token);
      return { physicalId: `${row.name}|${row.qualifier}`, attributes: {} };
    },
    replaceOn: ["FunctionName", "Qualifier"],
    async update({ properties, physicalId, attributes }, call) {
      const key = keyOf(properties, call, "PutFunctionEventInvokeConfig");
      await change(key, settingsOf(properties), "replace", call);
      return { physicalId, attributes };
    },
    async read({ properties }, call) {
      const reading = deps.peers.lambda.GetFunctionEventInvokeConfig(named(properties), call);
      const found = await unlessAbsent(reading, "ResourceNotFoundException");
      return found && asProperties({ ...named(properties), ...found });
    },
    delete: ({ properties }, call) => unlessGone(remove(keyOf(properties, call, "DeleteFunctionEventInvokeConfig"))),
  };
}
