import { expect, it } from "vitest";
import { FakeClock, systemClock } from "../../base/clock.ts";
import { openStore } from "../../store/open.ts";
import { createLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPieces } from "./content.ts";
import { createReading } from "./reading.ts";

const dayMs = 24 * 3600_000;

it("a read that has begun outlives the sweep, part by part; afterwards its blobs go", async () => {
  const data = await mkdtemp(join(tmpdir(), "mikan-reading-"));
  const clock = new FakeClock();
  const log = createLog({ clock: systemClock, level: "error" });
  const store = await openStore({ data, ephemeral: true, clock, log, metrics: createMetrics() });
  try {
    const reading = createReading();
    const pieces = [];
    for (const text of ["first ", "second ", "third"]) {
      const { id } = await store.blobs.put(Buffer.from(text), 100);
      pieces.push({ blobId: id, start: 0, length: text.length });
    }
    await clock.advance(dayMs);
    const sweep = () => store.blobs.sweep(async (id) => reading.holds(id));
    const found: string[] = [];
    const body = readPieces({ store, reading }, pieces);
    if (body === undefined || body instanceof Uint8Array) throw new Error("no stream");
    for await (const piece of body) {
      expect(await sweep()).toBe(0);
      found.push(Buffer.from(piece).toString());
    }
    expect(found.join("")).toBe("first second third");
    expect(await sweep()).toBe(3);
  } finally {
    await store.close();
    await rm(data, { recursive: true, force: true });
  }
});
