/** A Java function with AWS's own runtime interface client, in its package and beside the node. */
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rename, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../src/compute/harness.suite.ts";
import { run, type Ended } from "./command.ts";

const source = fileURLToPath(new URL("clients/java/", import.meta.url));
/** Jars and classes of these sources, kept from run to run. */
const built = join(
  tmpdir(),
  `mikan-java-${createHash("sha256")
    .update(await readFile(join(source, "pom.xml")))
    .update(await readFile(join(source, "Handler.java")))
    .digest("hex")
    .slice(0, 16)}`,
);

async function build(): Promise<void> {
  const making = `${built}-${process.pid}`;
  const copy = [
    "-q",
    "-B",
    "-f",
    join(source, "pom.xml"),
    "dependency:copy-dependencies",
    `-DoutputDirectory=${making}/lib`,
  ];
  expectDone(await run("mvn", copy, { msMax: 150_000 }));
  const compile = ["-cp", `${making}/lib/*`, "-d", making, join(source, "Handler.java")];
  expectDone(await run("javac", compile, { msMax: 60_000 }));
  await rename(making, built);
}

function expectDone({ code, out, err }: Ended): void {
  if (code !== 0) throw new Error(`${out}${err}`);
}

const missing = await stat(built)
  .then(() => undefined, build)
  .catch((error: unknown) => String(error));
if (missing !== undefined)
  console.warn(`SKIPPED: Java functions: there is no mvn or javac, or no way to AWS's client (${missing})`);

describe.skipIf(missing !== undefined)("a function in Java", () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await openHarness();
  });
  afterAll(() => harness.close());

  const settings = { runtime: "java17", handler: "tiles.Handler::handleRequest", memoryMiB: 512, timeoutMs: 30_000 };

  it("with the client in its package", { timeout: 60_000 }, async () => {
    const spec = await harness.functionOf({ "README.txt": "" }, settings);
    await cp(built, spec.codeDir, { recursive: true });
    const requestId = "66666666-0000-4000-8000-000000000006";
    const answer = { tiles: 256, function: "tiles", requestId, memory: 512, hasTime: true };
    expect(answerOf(await harness.invoke(spec, { zoom: 4 }, { requestId }))).toEqual(answer);
    expect(harness.lines.map(({ text }) => text)).toContain("zoom 4");
    const failed = await harness.invoke(spec, { zoom: 23 });
    expect([failed.error, answerOf(failed)]).toEqual([
      "handled",
      expect.objectContaining({ errorType: "java.lang.IllegalArgumentException", errorMessage: "no such zoom" }),
    ]);
    expect(answerOf(await harness.invoke(spec, { zoom: 1 }))).toMatchObject({ tiles: 4 });
    // The client tells of a class that is not there with every invocation.
    const lost = await harness.invoke({ ...spec, id: `${spec.id}:lost`, handler: "tiles.Missing" }, { zoom: 1 });
    expect([lost.error, answerOf(lost)]).toEqual([
      "handled",
      expect.objectContaining({ errorType: "java.lang.ClassNotFoundException" }),
    ]);
  });

  it("with the client where MIKAN_JAVA_RIC says, or a word on what to get", { timeout: 60_000 }, async () => {
    const none = await harness.functionOf({ "README.txt": "" }, settings);
    await mkdir(join(none.codeDir, "tiles"));
    await cp(join(built, "tiles"), join(none.codeDir, "tiles"), { recursive: true });
    expect(answerOf<{ errorMessage: string }>(await harness.invoke(none)).errorMessage).toContain(
      "aws-lambda-java-runtime-interface-client",
    );
    process.env["MIKAN_JAVA_RIC"] = join(built, "lib");
    const other = await openHarness();
    delete process.env["MIKAN_JAVA_RIC"];
    try {
      expect(answerOf(await other.invoke(none, { zoom: 2 }))).toMatchObject({ tiles: 16 });
    } finally {
      await other.close();
    }
  });
});
