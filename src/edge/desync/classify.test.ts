/** The classes that AWS gives the public cases, request by request, as its library gives them to what a server has read. */
import { describe, expect, it } from "vitest";
import { classify } from "./classify.ts";
import { guardianCases, type GuardianCase } from "./guardian.suite.ts";
import { verdictOf } from "./verdict.ts";

const bytes = (text: string) => Buffer.from(text, "utf8").toString("latin1");

function read({ method, target, version, fields }: GuardianCase) {
  const rawFields = Array.from({ length: fields.length / 2 }, (_, i) => {
    const [name, value] = [bytes(fields[2 * i] ?? ""), bytes(fields[2 * i + 1] ?? "")];
    return { name, value, fold: false, line: `${name}: ${value}` };
  });
  return { method, target: bytes(target), version, fields: rawFields, faults: [] };
}

const verdictFor = ({ reason }: GuardianCase) => (reason === "Compliant" ? undefined : verdictOf(reason));

describe.each(Object.entries(guardianCases))("%s", (_, cases) => {
  it.each(
    cases.map((each) => [each.reason, JSON.stringify([each.method, each.target, ...each.fields]), each] as const),
  )("%s: %s", (_reason, _text, each) => {
    expect(classify(read(each))).toEqual(verdictFor(each));
  });
});

it("all of them are here", () => {
  expect(Object.values(guardianCases).flat()).toHaveLength(159);
});
