/** The transform against AWS's own translator (PyPI `aws-sam-translator`), on the same templates. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { Json, JsonObject } from "../json.ts";
import { resolveParameters } from "../parameters.ts";
import { readTemplate } from "../template.ts";
import { withoutGlobals } from "../transforms.ts";
import { good, refused } from "./templates.suite.ts";
import { expandSam } from "./transform.ts";

/** Reads templates from standard input, writes for each what AWS makes of it, or why it does not. */
const program = `
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.model.exceptions import InvalidDocumentException
class Policies:
    def load(self): return {}
out = []
for case in json.load(sys.stdin):
    try:
        out.append({"template": transform(case["template"], case["parameters"], Policies(), passthrough_metadata=False)})
    except InvalidDocumentException as error:
        out.append({"error": error.message + " " + " ".join(c.message for c in error.causes)})
print(json.dumps(out))
`;

interface Verdict {
  template?: JsonObject;
  error?: string;
}

function python(arguments_: readonly string[], input: string): string {
  const env = { ...process.env, AWS_DEFAULT_REGION: "us-east-1" };
  return execFileSync("python3", arguments_, { input, env, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
}

function isInstalled(): boolean {
  try {
    python(["-c", "import samtranslator"], "");
    return true;
  } catch {
    // Not there, or no Python at all: either way there is nothing to compare with.
    return false;
  }
}

const installed = isInstalled();
const name = installed
  ? "aws-sam-translator"
  : "aws-sam-translator IS NOT INSTALLED (pip install aws-sam-translator): not compared";

function verdicts(cases: readonly { template: Json; parameters: Readonly<Record<string, string>> }[]): Verdict[] {
  return JSON.parse(python(["-c", program], JSON.stringify(cases))) as Verdict[];
}

function ours(template: JsonObject, given: Readonly<Record<string, string>>): JsonObject {
  const outline = readTemplate(withoutGlobals(template));
  const parameters = Object.entries(given).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue }));
  return expandSam(template, resolveParameters(outline.parameters, parameters), "us-east-1");
}

describe.skipIf(!installed)(name, () => {
  it("makes the same templates", () => {
    const theirs = verdicts(good);
    good.forEach((sample, index) => {
      expect(theirs[index]?.error, sample.title).toBeUndefined();
      expect(ours(sample.template, sample.parameters), sample.title).toEqual(theirs[index]?.template);
    });
  });

  it("refuses the same templates in the same words", () => {
    const theirs = verdicts(refused);
    refused.forEach((sample, index) => {
      const expected = `Transform AWS::Serverless-2016-10-31 failed with: ${theirs[index]?.error}`;
      expect(() => ours(sample.template, sample.parameters), sample.title).toThrow(expected);
    });
  });
});
