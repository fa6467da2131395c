/** The transform against AWS's own translator (PyPI `aws-sam-translator`), on the same templates. */
import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import { isList, isMap, type Json, type JsonObject } from "../json.ts";
import { resolveParameters } from "../parameters.ts";
import { readTemplate } from "../template.ts";
import { withoutGlobals } from "../transforms.ts";
import { everyPolicy, goodFeatures, idOf, refusedFeatures } from "./features.suite.ts";
import { policyTemplateNames } from "./policy-templates.ts";
import { good, refused, type Sample } from "./templates.suite.ts";
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

/** Dependencies have no order, and AWS's translator gives them none. */
function sorted(value: Json): Json {
  if (isList(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, Json] => [
    key,
    key === "DependsOn" && isList(inner) ? inner.map(String).toSorted() : sorted(inner),
  ]);
  return Object.fromEntries(entries);
}

describe.skipIf(!installed)(name, () => {
  const samples: readonly Sample[] = [...good, ...goodFeatures];
  const wrong: readonly Sample[] = [...refused, ...refusedFeatures];
  const expected = new Map<Sample, Verdict>();
  beforeAll(() => {
    const all = [...samples, ...wrong, everyPolicy];
    verdicts(all).forEach((verdict, index) => {
      const of = all[index];
      if (of !== undefined) expected.set(of, verdict);
    });
  });

  it.each(samples.map((of) => [of.title, of] as const))("makes the same of %s", (_, of) => {
    const theirs = expected.get(of);
    expect(theirs?.error).toBeUndefined();
    expect(sorted(ours(of.template, of.parameters))).toEqual(sorted(theirs?.template ?? null));
  });

  it.each(policyTemplateNames)("writes out %s", (policy) => {
    const roleIn = (template: JsonObject | undefined) => {
      const resources = template?.["Resources"];
      return isMap(resources) ? resources[`${idOf(policy)}Role`] : undefined;
    };
    const role = roleIn(ours(everyPolicy.template, everyPolicy.parameters));
    expect(role).toBeDefined();
    expect(role).toEqual(roleIn(expected.get(everyPolicy)?.template));
  });

  it("knows every policy template that AWS knows", () => {
    const program =
      "import json, samtranslator.policy_templates_data as d; print(json.dumps(sorted(json.load(open(d.POLICY_TEMPLATES_FILE))['Templates'])))";
    expect(policyTemplateNames.toSorted()).toEqual((JSON.parse(python(["-c", program], "")) as string[]).toSorted());
  });

  it.each(wrong.map((of) => [of.title, of] as const))("refuses %s in the same words", (_, of) => {
    const theirs = `Transform AWS::Serverless-2016-10-31 failed with: ${expected.get(of)?.error}`;
    expect(() => ours(of.template, of.parameters)).toThrow(theirs);
  });
});
