/** Templates that a macro changes, and that include files. */
import { DescribeParametersCommand, PutParameterCommand } from "@aws-sdk/client-ssm";
import { expect } from "vitest";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

/** The name of the stack's parameter that holds this value's resource. */
async function parameterNamed({ clients }: Place, part: string): Promise<string> {
  const { Parameters = [] } = await clients.ssm.send(new DescribeParametersCommand({}));
  return Parameters.find(({ Name }) => Name?.includes(part) === true)?.Name ?? "";
}
/** Gives the parameter whose name has this part another value. */
const say = (part: string, Value: string) => async (place: Place) => {
  const Name = await parameterNamed(place, part);
  await place.clients.ssm.send(new PutParameterCommand({ Name, Value, Overwrite: true }));
};
tryTemplates([
  {
    name: "include-and-macro",
    before: { stack: "macro", template: "macro.yaml" },
    change: { template: "changed.yaml", parameters: { Suffix: "two" } },
    async check(place, stage) {
      expect(place.outputs).toEqual({
        Shout: stage === "created" ? "HELLO" : "GOODBYE",
        Included: stage === "created" ? "included one" : "included two",
      });
    },
    drift: {
      seen: ["Shout MODIFIED /Value"],
      make: say("-Shout-", "whisper"),
      mend: say("-Shout-", "GOODBYE"),
    },
  },
]);
