/** Templates with resources that functions make. */
import { DescribeParametersCommand, PutParameterCommand } from "@aws-sdk/client-ssm";
import { ListFunctionsCommand, UpdateFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { expect } from "vitest";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

const setTimeLimit =
  (Timeout: number) =>
  async ({ clients }: Place) => {
    const { Functions } = await clients.lambda.send(new ListFunctionsCommand({}));
    const FunctionName = Functions?.[0]?.FunctionName ?? "";
    await clients.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Timeout }));
  };
const note =
  (Value: string) =>
  async ({ clients }: Place) => {
    const { Parameters } = await clients.ssm.send(new DescribeParametersCommand({}));
    await clients.ssm.send(new PutParameterCommand({ Name: Parameters?.[0]?.Name, Value, Overwrite: true }));
  };

tryTemplates([
  {
    name: "custom-resource-node",
    change: { parameters: { Title: "Good Day!" } },
    async check(place, stage) {
      const slug = stage === "created" ? "hello-world" : "good-day-";
      const expected = { Slug: slug, Length: String(slug.length), PhysicalId: "the-slug", Page: `/pages/${slug}` };
      expect(place.outputs).toEqual(expected);
    },
    drift: { seen: ["Page MODIFIED /Value"], make: note("/elsewhere"), mend: note("/pages/good-day-") },
  },
  {
    name: "custom-resource-python",
    change: { parameters: { Numbers: "4,5,6" } },
    async check(place, stage) {
      expect(place.outputs).toEqual({ Sum: stage === "created" ? "6" : "15", PhysicalId: "sum-of-Sum" });
    },
    drift: { seen: ["Adds MODIFIED /Timeout"], make: setTimeLimit(21), mend: setTimeLimit(20) },
  },
  {
    name: "wait-condition",
    change: { parameters: { Message: "still ready" } },
    async check(place, stage) {
      expect(JSON.parse(place.output("Signals"))).toEqual({ one: "started" });
      expect(place.output("Note")).toBe(stage === "created" ? "ready" : "still ready");
    },
    drift: { seen: ["Note MODIFIED /Value"], make: note("gone"), mend: note("still ready") },
  },
]);
