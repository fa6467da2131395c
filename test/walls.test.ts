import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "mikan-walls-"));
// The rules name files relative to where they stand.
writeFileSync(
  join(directory, "oxlint.config.ts"),
  `export { default } from ${JSON.stringify(join(root, "oxlint.config.ts"))};\n`,
);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Lints a tree of its own with the project's rules. */
function complaints(file: string, source: string): string {
  const path = join(directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, file], {
    cwd: directory,
    encoding: "utf8",
  });
  return stdout + stderr;
}

describe("the walls between the rooms", () => {
  it.each([
    ["src/base/a.ts", "../store/store.ts"],
    ["src/edge/a.ts", "../wire/wire.ts"],
    ["src/edge/h1/a.ts", "../../compute/ports.ts"],
    ["src/wire/a.ts", "../kit/call.ts"],
    ["src/kit/a.ts", "../edge/server.ts"],
    ["src/services/sqs/a.ts", "../sns/topics.ts"],
    ["src/services/cloudformation/sam/a.ts", "../../lambda/names.ts"],
    ["src/services/sqs/a.ts", "../../edge/server.ts"],
    ["src/services/sqs/a.ts", "../../mikan.ts"],
    ["src/services/sqs/a.ts", "@aws-sdk/client-sqs"],
    ["src/cli/a.ts", "../services/index.ts"],
  ])("%s may not import %s", (file, forbidden) => {
    expect(complaints(file, `import { a } from "${forbidden}";\nconsole.log(a);\n`)).toMatch(/no-restricted-imports/);
  });

  it.each([
    ["src/store/a.ts", 'import { a } from "../base/errors.ts";\nconsole.log(a);\n'],
    ["src/kit/a.ts", 'import type { Edge } from "../edge/ports.ts";\nexport type A = Edge;\n'],
    ["src/services/sqs/a.ts", 'import type { Compute } from "../../compute/ports.ts";\nexport type A = Compute;\n'],
    ["src/services/sqs/a.ts", 'export type A = typeof import("@aws-sdk/client-sqs");\n'],
    ["src/services/cloudformation/sam/a.ts", 'import { a } from "../template.ts";\nconsole.log(a);\n'],
  ])("%s may import what its line allows", (file, source) => {
    expect(complaints(file, source)).not.toMatch(/no-restricted-imports/);
  });
});
