/** Not a suite but the child process of one: writes until it is killed, and says on standard output what was acknowledged. */
import { writeSync } from "node:fs";
import { systemClock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { items, schema } from "../fixture.suite.ts";
import { insert } from "../tables.ts";
import { createSqliteStore } from "./sqlite.ts";

const directory = must(process.argv[2], "the directory");
const callers = 16;

const store = await createSqliteStore({ directory, clock: systemClock, log: silentLog, metrics: createMetrics() });
await store.migrate([schema]);

async function write(caller: number): Promise<never> {
  for (let n = 0; ; n += 1) {
    const name = `${caller}-${n}`;
    const row = { owner: "tx", name, amount: n, note: null };
    await store.tx(async (tx) => {
      await tx.run(insert(items, row));
      await tx.run(insert(items, { ...row, owner: "pair" }));
    });
    writeSync(1, `row ${name}\n`);
    await store.append(items, [{ ...row, owner: "append" }]);
    writeSync(1, `append ${name}\n`);
    if (n % 50 !== 0) continue;
    const { id } = await store.blobs.put(Buffer.from(name), 100);
    writeSync(1, `blob ${id} ${name}\n`);
  }
}

await Promise.all(Array.from({ length: callers }, (_, caller) => write(caller)));
