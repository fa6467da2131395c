/** `mikan check` as it is typed. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "mikan-check-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const main = fileURLToPath(new URL("main.ts", import.meta.url));

function check(text: string, ...args: readonly string[]): Promise<{ code: number; output: string }> {
  writeFileSync(join(directory, "app.yaml"), text);
  return new Promise((resolve) => {
    execFile(process.execPath, [main, "check", "app.yaml", ...args], { cwd: directory }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, output: stdout + stderr });
    });
  });
}

const bucket = (properties: string) => `Parameters:
  Name: {Type: String, AllowedPattern: "[a-z]+"}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Ref Name
${properties}`;

test("a template with nothing wrong", { timeout: 60_000 }, async () => {
  expect(await check(bucket(""))).toEqual({ code: 0, output: "app.yaml: 1 resource: nothing wrong\n" });
});

test("a finding has its place, its line, and the nearest name", { timeout: 60_000 }, async () => {
  const { code, output } = await check(bucket("      Tgs: []\n"));
  expect(output).toBe(`app.yaml:8:7: error: AWS::S3::Bucket has no property Tgs; did you mean Tags?
  at Resources.Bucket.Properties.Tgs
  8 |       Tgs: []
    |       ^^^

app.yaml: 1 resource: 1 error
`);
  expect(code).toBe(1);
});

test("values of parameters are checked where they are given", { timeout: 60_000 }, async () => {
  const wrong = await check(bucket(""), "--parameter", "Name=A1");
  expect(wrong.code).toBe(1);
  expect(wrong.output).toMatch(/^app\.yaml:2:3: error: Parameter 'Name' must match pattern \[a-z\]\+$/m);
  expect((await check(bucket(""), "--parameter", "Name=a")).code).toBe(0);
});

test("a template that is not there", { timeout: 60_000 }, async () => {
  const { code, output } = await check("", "--parameters", "nowhere.json");
  expect([code, output]).toEqual([1, "mikan: Cannot read the parameter file nowhere.json\n"]);
});
