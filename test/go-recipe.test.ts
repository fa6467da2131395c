/** The recipe for tests in Go, with the AWS SDK for Go, works as it is written. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { run } from "./command.ts";

const cwd = fileURLToPath(new URL("../examples/in-tests/go/", import.meta.url));
/** Its modules come from the Go proxy, once. */
const fetched = await run("go", ["mod", "download"], { cwd, msMax: 60_000 }).catch((error: unknown) => ({
  code: 1,
  err: String(error),
}));
if (fetched.code !== 0)
  console.warn(`SKIPPED: the recipe in Go: there is no go, or no way to its modules (${fetched.err})`);

it.skipIf(fetched.code !== 0)("go test", { timeout: 240_000 }, async () => {
  const command = `${process.execPath} ${fileURLToPath(new URL("../src/cli/main.ts", import.meta.url))}`;
  const { code, out, err } = await run("go", ["test", "-count=1", "./..."], {
    cwd,
    env: { MIKAN_COMMAND: command },
    msMax: 220_000,
  });
  expect(`${code} ${out}${err}`).toMatch(/^0 ok\s+example\.com\/receipts/);
});
