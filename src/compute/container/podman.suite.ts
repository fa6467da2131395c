/** Podman's service for a test, and images built from nothing: no registry is asked. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../../base/clock.ts";

const has = (command: string) => spawnSync(command, ["--version"]).error === undefined;

/** What is not here, by name; undefined when containers can be tested. */
export function missingForContainers(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "IT NEEDS LINUX AND ROOT";
  if (!has("podman") || !has("runc")) return "PODMAN OR RUNC IS NOT INSTALLED";
  return spawnSync("go", ["version"]).status === 0 ? undefined : "GO IS NOT INSTALLED";
}

/** Podman's own defaults are above what a machine without CAP_SYS_RESOURCE may give. */
const configuration = '[containers]\ndefault_ulimits = ["nproc=4096:4096", "nofile=1024:1024"]\n';

export interface TestPodman {
  socket: string;
  directory: string;
  /** What an image of `files` is called after it was built. */
  build(name: string, files: Readonly<Record<string, string>>, containerfile: string): Promise<string>;
  /** Containers of the machine, by a part of their name: `mikan-tiles-... Paused`. */
  containers(part: string): Promise<string[]>;
  /** Libraries that a program of this machine needs, where it looks for them. */
  loadedBy(program: string): Promise<string[]>;
  close(): Promise<void>;
}

const startMsMax = 20_000;

async function serve(
  directory: string,
  environment: NodeJS.ProcessEnv,
): Promise<{ service: ChildProcess; socket: string }> {
  const socket = join(directory, "podman.sock");
  const args = ["system", "service", "--time=0", `unix://${socket}`];
  const service = spawn("podman", args, { env: environment, stdio: "ignore" });
  for (const untilMs = systemClock.monotonicMs() + startMsMax; !existsSync(socket); await systemClock.sleep(50)) {
    if (systemClock.monotonicMs() > untilMs) throw new Error("Podman's service does not start");
  }
  return { service, socket };
}

export async function startPodman(): Promise<TestPodman> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-podman-"));
  const settings = join(directory, "containers.conf");
  await writeFile(settings, configuration);
  const environment = { ...process.env, CONTAINERS_CONF: settings };
  const { service, socket } = await serve(directory, environment);
  const images: string[] = [];
  const run = async (...args: string[]) =>
    (await promisify(execFile)("podman", args, { env: environment, maxBuffer: 16 * 1024 * 1024 })).stdout;
  return {
    socket,
    directory,
    async loadedBy(path) {
      const { stdout } = await promisify(execFile)("ldd", [path]);
      return [...stdout.matchAll(/(?:^|\s)(\/\S+) \(0x/g)].map(([, library = ""]) => library);
    },
    async build(name, files, containerfile) {
      const context = join(directory, name);
      await mkdir(context, { recursive: true });
      for (const [to, from] of Object.entries(files)) await copyFile(from, join(context, to));
      await writeFile(join(context, "Containerfile"), containerfile);
      const tag = `local/mikan-${process.pid}-${name}:1`;
      await run("build", "--quiet", "--tag", tag, context);
      images.push(tag);
      return tag;
    },
    async containers(part) {
      const lines = (await run("ps", "--all", "--format", "{{.Names}} {{.State}}")).split("\n");
      return lines.filter((line) => line.includes(part));
    },
    async close() {
      for (const image of images) await run("rmi", "--force", image);
      const ended = once(service, "exit");
      service.kill("SIGTERM");
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A function in Go with AWS's own client, that does what its event says; a static program. */
const program = String.raw`package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type Event struct {
	SleepMs int
	EatMiB  int
	WriteMiB int
	Exit    *int
	Fail    string
	Stream  bool
}

var eaten []string
var count int

func handle(ctx context.Context, event Event) (any, error) {
	count++
	fmt.Println("count", count)
	fmt.Fprintln(os.Stderr, "on standard error")
	if event.Exit != nil {
		os.Exit(*event.Exit)
	}
	if event.Fail != "" {
		return nil, errors.New(event.Fail)
	}
	for i := 0; i < event.EatMiB; i++ {
		eaten = append(eaten, strings.Repeat("x", 1<<20))
	}
	if event.WriteMiB > 0 {
		file, err := os.Create("/tmp/written")
		for i := 0; err == nil && i < event.WriteMiB; i++ {
			_, err = file.Write(make([]byte, 1<<20))
		}
		if err != nil {
			return nil, err
		}
	}
	time.Sleep(time.Duration(event.SleepMs) * time.Millisecond)
	if event.Stream {
		return io.MultiReader(strings.NewReader("one "), strings.NewReader("two")), nil
	}
	_, err := os.Create("/made")
	status, _ := os.ReadFile("/proc/self/status")
	place, _ := os.Getwd()
	return map[string]any{
		"count": count, "uid": os.Getuid(), "args": os.Args, "env": os.Environ(), "place": place, "write": fmt.Sprint(err),
		"rights": regexp.MustCompile("(?m)^(CapEff|NoNewPrivs):[[:space:]]+[[:alnum:]]+$").FindAllString(string(status), -1),
	}, nil
}

// An extension of the name that it is started by: counts what it is told of.
func extend() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension/"
	call := func(method, path, body string, id string) *http.Response {
		request, _ := http.NewRequest(method, api+path, strings.NewReader(body))
		request.Header.Set("Lambda-Extension-Name", filepath.Base(os.Args[0]))
		request.Header.Set("Lambda-Extension-Identifier", id)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			os.Exit(1)
		}
		return response
	}
	id := call("POST", "register", "{\"events\":[\"INVOKE\"]}", "").Header.Get("Lambda-Extension-Identifier")
	for {
		io.Copy(io.Discard, call("GET", "event/next", "", id).Body)
		fmt.Println("extension told")
	}
}

func main() {
	if strings.HasSuffix(os.Args[0], "extension") {
		extend()
	}
	lambda.Start(handle)
}
`;

/** Builds the program, and returns its path. `modules` holds go.mod and go.sum with AWS's client. */
export async function buildProgram(directory: string, modules: string): Promise<string> {
  const source = join(directory, "program");
  await mkdir(source);
  await writeFile(join(source, "main.go"), program);
  for (const file of ["go.mod", "go.sum"]) await copyFile(join(modules, file), join(source, file));
  const path = join(source, "function");
  const env = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local" };
  await promisify(execFile)("go", ["build", "-o", path, "."], { cwd: source, env });
  return path;
}
