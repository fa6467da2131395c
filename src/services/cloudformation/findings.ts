/** What is wrong with a submitted template, as the one fault that the call ends with. */
import type { Fault } from "../../base/errors.ts";
import { fault } from "./faults.ts";
import type { Position } from "./positions.ts";
import type { SourceReader } from "./source-reader.ts";
import { messageOf, pathText, type Finding } from "./spec/finding.ts";

/** Findings that the fault of a wrong template shows; it counts the others. */
const findingsShownMax = 30;

/** Throws where there are findings: AWS's words for the first, then a line for each. Warnings are for people alone. */
export async function refuse(findings: readonly Finding[], text: string, reader: SourceReader): Promise<void> {
  // What AWS refuses comes before what only Mikan does: it is to be mended in any case.
  const wrong = findings.filter(({ severity }) => severity === "error");
  const all = [...wrong, ...findings.filter(({ severity }) => severity === "unsupported")];
  if (all.length === 0) return;
  const shown = all.slice(0, findingsShownMax);
  throw refusalOf(all, shown, await reader.locate(text, shown));
}

function refusalOf(
  all: readonly Finding[],
  shown: readonly Finding[],
  positions: readonly (Position | undefined)[],
): Fault {
  const [first] = all;
  const lines = shown.map((finding, at) => `${placeText(finding, positions[at])}: ${messageOf(finding)}`);
  const left = all.length - shown.length;
  const code = first?.severity === "unsupported" ? "NotImplemented" : "ValidationError";
  return fault(code, [first?.fault ?? "", ...lines, ...(left === 0 ? [] : [`And ${left} more.`])].join("\n"));
}

function placeText({ path }: Finding, position: Position | undefined): string {
  return position === undefined
    ? pathText(path)
    : `${pathText(path)} (line ${position.line}, column ${position.column})`;
}
