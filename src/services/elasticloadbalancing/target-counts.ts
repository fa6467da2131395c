/** How many targets a load balancer may have behind it, over all its target groups. Source: the guides, "Quotas". */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { ownerArn, type Membership } from "./arns.ts";
import { quotas } from "./limits.ts";
import { fault } from "./refusals.ts";
import { targets, usesOfGroup, uses, type TargetGroup } from "./tables.ts";

interface Registrations {
  id: string;
  count: number | bigint;
}

/** Throws when there are too many targets behind a load balancer, as the transaction would leave it. */
export async function checkTargetCounts(tx: ReadTx, owner: Membership): Promise<void> {
  const rows = await tx.all<Registrations>(sql`select id, count(*) as count from ${targets.name}
    where account = ${owner.account} and region = ${owner.region} and drained_ms is null and target_group_id in (
      select target_group_id from ${uses.name} where account = ${owner.account} and region = ${owner.region}
        and load_balancer_id = ${owner.load_balancer_id})
    group by id`);
  const isNetwork = owner.load_balancer_type === "network";
  const max = quotas[isNetwork ? "targets-per-network-load-balancer" : "targets-per-application-load-balancer"];
  const total = rows.reduce((sum, { count }) => sum + Number(count), 0);
  if (total > max) {
    throw fault(
      "TooManyTargetsException",
      `The maximum number of targets (${max}) has been reached for load balancer '${ownerArn(owner)}'`,
    );
  }
  const timesMax = quotas["target-id-registrations-per-application-load-balancer"];
  const often = isNetwork ? undefined : rows.find(({ count }) => Number(count) > timesMax);
  if (often !== undefined) {
    throw fault(
      "TooManyRegistrationsForTargetIdException",
      `The maximum number of registrations (${timesMax}) of target '${often.id}' has been reached for load balancer '${ownerArn(owner)}'`,
    );
  }
}

/** The same for the load balancers that a group is behind. */
export async function checkTargetCountsOf(tx: ReadTx, group: TargetGroup): Promise<void> {
  const owners = new Map((await usesOfGroup(tx, group)).map((use) => [use.load_balancer_id, use]));
  for (const owner of owners.values()) await checkTargetCounts(tx, owner);
}
