import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSpool } from "./access-log-spool.ts";
import { logKey, logPlaceOf } from "./access-logs.ts";

const web = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/0123456789abcdef";
const other = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/other/0123456789abcdef";
const batch = (text: string, loadBalancerId = web) => ({ loadBalancerId, text, lines: 1 });

describe("lines of access logs on disk", () => {
  let directory = "";
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), "mikan-spool-")), "logs");
  });
  afterEach(() => rm(join(directory, ".."), { recursive: true }));

  it("are one parcel for each load balancer, and none when there was nothing", async () => {
    const spool = createSpool(directory);
    expect(await spool.parcels()).toEqual([]);
    spool.take(batch("a\n"));
    spool.take(batch("b\n", other));
    spool.take(batch("c\n"));
    const parcels = await spool.parcels();
    const texts = await Promise.all(
      parcels.map(async ({ loadBalancerId, path }) => [loadBalancerId, await readFile(path, "latin1")]),
    );
    expect(Object.fromEntries(texts)).toEqual({ [web]: "a\nc\n", [other]: "b\n" });
    for (const parcel of parcels) await spool.done(parcel);
    expect(await readdir(directory)).toEqual([]);
    expect(spool.dropped()).toBe(0);
  });

  it("outlive the node, and come before those of the next", async () => {
    const before = createSpool(directory);
    before.take(batch("first\n"));
    await before.parcels();
    before.take(batch("second\n"));
    await before.parcels();
    const after = createSpool(directory);
    after.take(batch("third\n"));
    const parcels = await after.parcels();
    expect(await Promise.all(parcels.map(({ path }) => readFile(path, "latin1")))).toEqual([
      "first\n",
      "second\n",
      "third\n",
    ]);
  });

  it("that nobody takes for long are dropped, the oldest first, and counted", async () => {
    const spool = createSpool(directory);
    for (let i = 0; i < 20; i += 1) {
      spool.take(batch(`${i}\n`));
      await spool.parcels();
    }
    const parcels = await spool.parcels();
    expect(parcels).toHaveLength(16);
    expect(await readFile(parcels[0]?.path ?? "", "latin1")).toBe("4\n");
    expect(spool.dropped()).toBe(4);
  });

  it("that come faster than the disk takes them are dropped, and counted", () => {
    const spool = createSpool(directory);
    const long = "x".repeat(1024 * 1024);
    for (let i = 0; i < 20; i += 1) spool.take(batch(long));
    expect(spool.dropped()).toBe(4);
  });
});

describe("where they go", () => {
  const row = {
    account: "123456789012",
    region: "us-east-2",
    name: "web",
    id: "1234567890abcdef",
    type: "application",
  };
  const set = { "access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs" };

  it("is AWS's key", () => {
    const key = logKey(row, { bucket: "logs", prefix: "my/logs" }, Date.UTC(2026, 1, 15, 23, 40, 7), "20sg8hgm");
    expect(key).toBe(
      "my/logs/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2026/02/15/" +
        "123456789012_elasticloadbalancing_us-east-2_app.web.1234567890abcdef_20260215T2340Z_127.0.0.1_20sg8hgm.log.gz",
    );
    expect(logKey({ ...row, type: "network" }, { bucket: "logs", prefix: "" }, 0, "r")).toBe(
      "AWSLogs/123456789012/elasticloadbalancing/us-east-2/1970/01/01/" +
        "123456789012_elasticloadbalancing_us-east-2_net.web.1234567890abcdef_19700101T0000Z_r.log.gz",
    );
  });

  it("is nowhere unless it is enabled", () => {
    expect(logPlaceOf(set)).toEqual({ bucket: "logs", prefix: "" });
    expect(logPlaceOf({ ...set, "access_logs.s3.enabled": "false" })).toBeUndefined();
    expect(logPlaceOf({})).toBeUndefined();
  });
});
