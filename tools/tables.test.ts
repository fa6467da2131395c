import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { fileURLToPath } from "node:url";

const run = promisify(execFile);
const tool = fileURLToPath(new URL("tables.ts", import.meta.url));

test("the committed tables are those of the installed clients", async () => {
  const { stdout } = await run(process.execPath, [tool, "--check"]);
  expect(stdout).toContain("The tables are current.");
});

test("without Python the check still runs, and says what it takes on trust", async () => {
  const { stdout, stderr } = await run(process.execPath, [tool, "--check"], { env: { PATH: "/nowhere" } });
  expect(stdout).toContain("The tables are current.");
  expect(stderr).toContain("pip install botocore==");
});

test("without Python nothing is written", async () => {
  const failed = await run(process.execPath, [tool], { env: { PATH: "/nowhere" } }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("pip install botocore==") });
});
