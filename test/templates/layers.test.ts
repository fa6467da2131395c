/** Templates whose functions share code by layers. */
import { GetFunctionConfigurationCommand, UpdateFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { expect } from "vitest";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

const setTimeLimit = (output: string, Timeout: number) => async (place: Place) => {
  const FunctionName = place.output(output);
  await place.clients.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Timeout }));
};
tryTemplates([
  {
    name: "layers",
    change: { template: "changed.yaml" },
    async check(place, stage) {
      const said =
        stage === "created" ? ["I wish you a good morning.", "I wish you a good evening."] : ["morning!", "evening!"];
      expect([await place.invoke(place.output("Morning")), await place.invoke(place.output("Evening"))]).toEqual(said);
      const { Layers } = await place.clients.lambda.send(
        new GetFunctionConfigurationCommand({ FunctionName: place.output("Morning") }),
      );
      expect(Layers?.map(({ Arn }) => Arn)).toEqual([place.output("Layer")]);
    },
    drift: {
      seen: ["Morning MODIFIED /Timeout"],
      make: setTimeLimit("Morning", 33),
      mend: setTimeLimit("Morning", 10),
    },
  },
  {
    name: "sam-upload",
    change: { parameters: { Prefix: "incoming/" } },
    check: (place, stage) => {
      const key = `${stage === "created" ? "in" : "incoming"}/a`;
      return place.upload(key, `${key} has 12 bytes`);
    },
    drift: {
      seen: ["OnUpload MODIFIED /Timeout"],
      make: setTimeLimit("Function", 33),
      mend: setTimeLimit("Function", 10),
    },
  },
]);
