/**
 * Writes `src/services/cloudformation/spec/types.json` from AWS's own resource specification.
 *
 *     node tools/spec.ts           writes it
 *     node tools/spec.ts --check   fails where what is committed differs
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formatSpec } from "./spec/format.ts";
import { readSpecification } from "./spec/source.ts";

const file = new URL("../src/services/cloudformation/spec/types.json", import.meta.url);

function committed(): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function main(): number {
  const text = formatSpec(readSpecification());
  if (committed() === text) {
    console.log("The resource specification is current.");
    return 0;
  }
  if (process.argv.includes("--check")) {
    console.error(`Not as committed: ${fileURLToPath(file)}. Run: npm run spec`);
    return 1;
  }
  writeFileSync(file, text);
  console.log(`Written to ${fileURLToPath(file)}: ${(text.length / 1024).toFixed(0)} KiB`);
  return 0;
}

process.exitCode = main();
