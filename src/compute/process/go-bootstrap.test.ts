import { execFile, spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";

const hasGo = spawnSync("go", ["version"]).status === 0;
if (!hasGo) console.warn("SKIPPED: a bootstrap in Go, because there is no go here");

/** What a Go function's own runtime client does, on the standard library alone: the build needs no network. */
const program = `package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	fmt.Println("cold start of", os.Getenv("AWS_LAMBDA_FUNCTION_NAME"))
	for {
		next, err := http.Get(api + "invocation/next")
		if err != nil {
			os.Exit(1)
		}
		event, _ := io.ReadAll(next.Body)
		next.Body.Close()
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		path, answer := "/response", []byte{}
		var zoom struct{ Zoom int }
		switch err := json.Unmarshal(event, &zoom); {
		case err != nil || zoom.Zoom > 22:
			path, answer = "/error", []byte(\`{"errorType":"ZoomError","errorMessage":"no such zoom"}\`)
		case zoom.Zoom < 0:
			panic("below zero")
		default:
			answer, _ = json.Marshal(map[string]any{"tiles": 1 << (2 * zoom.Zoom), "id": id})
		}
		fmt.Fprintln(os.Stderr, "zoom", zoom.Zoom)
		response, err := http.Post(api+"invocation/"+id+path, "application/json", bytes.NewReader(answer))
		if err != nil {
			os.Exit(1)
		}
		response.Body.Close()
	}
}
`;

describe.skipIf(!hasGo)("a bootstrap in Go", () => {
  let harness: Harness;
  let codeDir: string;
  beforeAll(async () => {
    harness = await openHarness();
    codeDir = join(harness.directory, "go-code");
    const source = join(harness.directory, "go-source");
    await mkdir(source);
    await mkdir(codeDir);
    await writeFile(join(source, "main.go"), program);
    await writeFile(join(source, "go.mod"), "module bootstrap\n\ngo 1.18\n");
    const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod", GOPROXY: "off", GOTOOLCHAIN: "local" };
    await promisify(execFile)("go", ["build", "-o", join(codeDir, "bootstrap"), "."], { cwd: source, env });
  }, 240_000);
  afterAll(() => harness.close());

  it("answers, fails, crashes and starts again", async () => {
    const { codeDir: _, ...settings } = await harness.functionOf({}, { runtime: "provided.al2023", memoryMiB: 128 });
    const spec = { ...settings, codeDir };
    const requestId = "55555555-0000-4000-8000-000000000001";
    const first = await harness.invoke(spec, { zoom: 3 }, { requestId });
    expect(answerOf(first)).toEqual({ tiles: 64, id: requestId });
    expect(first.initMs).toBeGreaterThan(0);

    const failed = await harness.invoke(spec, { zoom: 30 });
    expect(answerOf(failed)).toEqual({ errorType: "ZoomError", errorMessage: "no such zoom" });
    expect([failed.error, failed.initMs]).toEqual(["handled", undefined]);

    const crashed = await harness.invoke(spec, { zoom: -1 });
    expect(answerOf(crashed)).toMatchObject({ errorType: "Runtime.ExitError" });
    expect(crashed.logTail).toContain("panic: below zero");
    expect(answerOf(await harness.invoke(spec, { zoom: 0 }))).toMatchObject({ tiles: 1 });

    const texts = harness.lines.map(({ text }) => text);
    expect(texts.filter((text) => text === "cold start of tiles")).toHaveLength(2);
    expect(texts).toContain("zoom 30");
  });
});
