import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { openStore } from "../../store/open.ts";
import { sql } from "../../store/sql.ts";
import { createLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { inBucket, migrations, namesBlob, type Bucket } from "./tables.ts";
import { newestVersion } from "./versions.ts";

it("takes over the objects of a node that knew no versions", async () => {
  const data = await mkdtemp(join(tmpdir(), "mikan-s3-"));
  const clock = new FakeClock();
  const log = createLog({ clock, level: "error" });
  const store = await openStore({ data, ephemeral: true, clock, log, metrics: createMetrics() });
  try {
    await store.migrate([{ owner: "s3", migrations: migrations.slice(0, 1) }]);
    await store.tx((tx) =>
      tx.run(sql`insert into s3_objects (account, region, bucket, key, blob_id, size_bytes, etag, modified_ms,
          content_type, headers, metadata)
        values ('1', 'r', 'b', 'k', 'blob', 4, 'etag', ${clock.now()}, 'text/plain', '{}', '{"a":"b"}')`),
    );
    await store.migrate([{ owner: "s3", migrations }]);
    const bucket: Bucket = { account: "1", region: "r", name: "b", created_ms: 0, token: null };
    const found = await store.read((tx) => newestVersion(tx, bucket, "k"));
    expect(found).toMatchObject({
      version_id: "null",
      listed: true,
      delete_marker: false,
      blob_id: "blob",
      size_bytes: 4,
      metadata: { a: "b" },
      tags: null,
    });
    expect(await store.read((tx) => namesBlob(tx, "blob"))).toBe(true);
    expect(await store.read((tx) => tx.all(sql`select key from s3_objects where ${inBucket(bucket)}`))).toEqual([]);
  } finally {
    await store.close();
    await rm(data, { recursive: true, force: true });
  }
});
