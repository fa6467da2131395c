import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const run = promisify(execFile);
const tool = fileURLToPath(new URL("spec.ts", import.meta.url));

test("the committed types are those of AWS's specification as it is installed", { timeout: 120_000 }, async () => {
  const { stdout } = await run(process.execPath, [tool, "--check"]);
  expect(stdout).toContain("The resource specification is current.");
});
