/** The journey as a user runs it: every step must hold. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("the warehouse's journey ends well", { timeout: 240_000 }, async () => {
  const program = fileURLToPath(new URL("./journey.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, "--exit"]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toContain("Every step held.");
});
