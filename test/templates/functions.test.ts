/** Templates of functions: versions, runtimes, layers, events. */
import { UpdateFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { expect } from "vitest";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

const setTimeLimit = (output: string, Timeout: number) => async (place: Place) => {
  const FunctionName = place.output(output);
  await place.clients.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Timeout }));
};
tryTemplates([
  {
    name: "sam-versions",
    byClients: true,
    change: { template: "changed.yaml" },
    async check(place, stage) {
      const greeting = stage === "created" ? "hello, Ada" : "hello again, Ada";
      expect(await place.invoke(place.output("Alias"), { name: "Ada" })).toBe(greeting);
      expect(place.output("Version")).toBe(stage === "created" ? "1" : "2");
    },
    drift: {
      seen: ["Hello MODIFIED /Timeout"],
      make: setTimeLimit("Function", 33),
      mend: setTimeLimit("Function", 5),
    },
  },
  {
    name: "python-function",
    change: { parameters: { TaxRate: "0.20" } },
    async check(place, stage) {
      const order = { items: [{ price: "1.50", count: 2 }] };
      const total = stage === "created" ? "3.30" : "3.60";
      expect(await place.invoke(place.output("Function"), order)).toEqual({ net: "3.00", total });
    },
    drift: {
      seen: ["Total MODIFIED /Timeout"],
      make: setTimeLimit("Function", 33),
      mend: setTimeLimit("Function", 10),
    },
  },
  {
    name: "bootstrap-function",
    change: { parameters: { Greeting: "good day" } },
    async check(place, stage) {
      const greeting = stage === "created" ? "hello" : "good day";
      expect(await place.invoke(place.output("Function"), { name: "Ada" })).toBe(`${greeting}, Ada`);
    },
    drift: {
      seen: ["Function MODIFIED /Timeout"],
      make: setTimeLimit("Function", 33),
      mend: setTimeLimit("Function", 10),
    },
  },
  {
    name: "s3-trigger",
    change: { parameters: { Suffix: ".csv" } },
    check: (place, stage) => {
      const key = `orders/1${stage === "created" ? ".txt" : ".csv"}`;
      return place.upload(key, `ObjectCreated:Put ${key} 12`);
    },
    drift: {
      seen: ["Received MODIFIED /Timeout"],
      make: setTimeLimit("Function", 33),
      mend: setTimeLimit("Function", 10),
    },
  },
]);
