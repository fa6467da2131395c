/** The batch manager of the Java SDK, which gathers sends and deletes and receives ahead: unmodified. */
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startMikan } from "../src/mikan.ts";

const maven = spawnSync("mvn", ["--version"]).status === 0;
const messages = 200;

it.skipIf(!maven)(
  "the Java SDK's batch manager sends, receives and deletes [SKIPPED where there is no mvn: apt-get install maven]",
  { timeout: 240_000 },
  async () => {
    await using mikan = await startMikan();
    const options = ["-q", "-B", "compile", "exec:java", `-Dexec.args=${mikan.url} ${messages}`];
    const cwd = fileURLToPath(new URL("./clients/java-sqs/", import.meta.url));
    const { stdout } = await promisify(execFile)("mvn", options, { cwd });
    expect(stdout).toContain(`taken ${messages} left [0]`);
  },
);
