/** What every store does, run on both engines: the engines' own tests hand in a home, the suites do the rest, concurrently. */
import { afterEach, beforeEach } from "vitest";
import { blobSuite } from "./blobs.suite.ts";
import { bodySuite } from "./body.suite.ts";
import { Bench, type Home } from "./fixture.suite.ts";
import { isolationSuite } from "./isolation.suite.ts";
import { migrationSuite } from "./migrations.suite.ts";
import { rowSuite } from "./rows.suite.ts";

/** Runs every suite on homes made by `createHome`. */
export function storeConformance(createHome: () => Promise<Home>): void {
  const bench = new Bench(createHome);
  beforeEach(() => bench.begin());
  afterEach(() => bench.end());
  rowSuite(bench);
  bodySuite(bench);
  isolationSuite(bench);
  migrationSuite(bench);
  blobSuite(bench);
}
