/** The text of `types.json`: a JSON object with one resource type on a line. */
import { isDeepStrictEqual } from "node:util";
import type { ResourceTypeRows } from "../../src/services/cloudformation/spec/rows.ts";

export function formatSpec(types: ResourceTypeRows): string {
  const lines = Object.entries(types).map(([name, row]) => `${JSON.stringify(name)}:${JSON.stringify(row)}`);
  const text = `{\n${lines.join(",\n")}\n}\n`;
  if (!isDeepStrictEqual(JSON.parse(text), types)) throw new Error("The specification does not survive JSON");
  return text;
}
