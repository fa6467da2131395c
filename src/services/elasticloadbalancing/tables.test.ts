/** Data of the first version, read by this one. */
import { expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { json, sql } from "../../store/sql.ts";
import { createSqliteStore } from "../../store/sqlite/sqlite.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { findListener, findRule, migrations, usesOfGroup } from "./tables.ts";

const place = { account: "000000000000", region: "us-east-1" };
const owner = { load_balancer_id: "1", load_balancer_name: "front" };

it("listeners and rules of before speak HTTP, belong to application load balancers, and rewrite nothing", async () => {
  const store = await createSqliteStore({
    ephemeral: true,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
  });
  const [first] = migrations;
  if (first === undefined) throw new Error("there is no migration");
  await store.migrate([{ owner: "elasticloadbalancing", migrations: [first] }]);
  await store.tx(async (tx) => {
    await tx.run(sql`insert into elasticloadbalancing_listeners
      (account, region, id, load_balancer_id, load_balancer_name, created_ms, port, attributes, tags, token)
      values (${place.account}, ${place.region}, '2', '1', 'front', 0, 80, ${json({})}, ${json([])}, null)`);
    await tx.run(sql`insert into elasticloadbalancing_rules
      (account, region, id, load_balancer_id, load_balancer_name, listener_id, priority, conditions, action, tags, token)
      values (${place.account}, ${place.region}, '3', '1', 'front', '2', 1, ${json([])},
        ${json({ type: "fixed-response", status: "200" })}, ${json([])}, null)`);
    await tx.run(sql`insert into elasticloadbalancing_uses
      (account, region, target_group_id, rule_id, load_balancer_id, load_balancer_name)
      values (${place.account}, ${place.region}, '4', '3', '1', 'front')`);
  });
  await store.migrate([{ owner: "elasticloadbalancing", migrations }]);
  const read = await store.read(async (tx) => ({
    listener: await findListener(tx, { ...place, name: "front", id: "2" }),
    rule: await findRule(tx, { ...place, name: "front", id: "3" }),
    uses: await usesOfGroup(tx, { ...place, id: "4" }),
  }));
  const of = { ...owner, load_balancer_type: "application" };
  expect(read).toMatchObject({
    listener: { ...of, protocol: "HTTP", security: null },
    rule: { ...of, transforms: null, action: { type: "fixed-response" } },
    uses: [of],
  });
  await store.close();
});
