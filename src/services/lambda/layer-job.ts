/** Removes layer versions that were deleted, once no function has them any more. */
import type { Job } from "../../base/scheduler.ts";
import { sql } from "../../store/sql.ts";
import { releaseCode } from "./code.ts";
import type { LambdaDeps } from "./deps.ts";
import { isLayer, layers, unusedLayers } from "./layer-tables.ts";

const everyMs = 10 * 60_000;
/** A function that was being made when its layer was deleted has it by then. */
const graceMs = 15 * 60_000;
/** Rows looked at in one transaction. */
const batchRows = 100;

export function layerJob({ store, clock, unpacked }: Pick<LambdaDeps, "store" | "clock" | "unpacked">): Job {
  return {
    name: "lambda:layers",
    everyMs,
    async run() {
      const before = clock.now() - graceMs;
      const gone = await store.tx(async (tx) => {
        const rows = await unusedLayers(tx, before, batchRows);
        for (const row of rows) {
          await tx.run(sql`delete from ${layers.name} where ${isLayer(row)} and version = ${row.version}`);
        }
        return rows;
      });
      for (const { code_blob: blob, code_sha256: sha256Base64, code_bytes: sizeBytes } of gone) {
        await releaseCode({ store, unpacked }, { blob, sha256Base64, sizeBytes });
      }
      return { more: gone.length === batchRows };
    },
  };
}
