import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createAccessLogFiles } from "./file.ts";

const web = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/0123456789abcdef";
let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-logs-"));
});
afterEach(() => rm(directory, { recursive: true }));

it("appends to a file for each load balancer", async () => {
  const place = join(directory, "logs");
  const files = createAccessLogFiles({ place, log: silentLog, metrics: createMetrics() });
  files.take({ loadBalancerId: web, text: "a\n", lines: 1 });
  files.take({ loadBalancerId: "listener:1", text: "b\n", lines: 1 });
  files.take({ loadBalancerId: web, text: "c\n", lines: 1 });
  await files.flush();
  expect((await readdir(place)).sort()).toEqual(["listener_1.log", "web-0123456789abcdef.log"]);
  expect(await readFile(join(place, "web-0123456789abcdef.log"), "latin1")).toBe("a\nc\n");
});

it("prints where it is told to", async () => {
  let printed = "";
  const print = (text: string) => {
    printed += text;
  };
  const files = createAccessLogFiles({ place: "-", log: silentLog, metrics: createMetrics(), print });
  files.take({ loadBalancerId: web, text: "a\n", lines: 1 });
  await files.flush();
  expect(printed).toBe("a\n");
});

it("counts what it cannot write, and goes on", async () => {
  const metrics = createMetrics();
  await writeFile(join(directory, "file"), "");
  const files = createAccessLogFiles({ place: join(directory, "file"), log: silentLog, metrics });
  files.take({ loadBalancerId: web, text: "a\nb\n", lines: 2 });
  await files.flush();
  files.take({ loadBalancerId: web, text: "x".repeat(17 * 1024 * 1024), lines: 1 });
  await files.flush();
  expect(metrics.counter("access_log_file_dropped").value).toBe(3);
});
