/** Targets: registered, deregistered, and how healthy they are. */
import type { TargetDescription, TargetHealthDescription } from "@aws-sdk/client-elastic-load-balancing-v2";
import { isIP } from "node:net";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import { targetGroupArn } from "./arns.ts";
import { attributeOf } from "./attributes.ts";
import { endpointOf } from "./cluster-config.ts";
import { anomalyOf, targetHealth } from "./health.ts";
import { checkInvokable } from "./invoke-permission.ts";
import { targetsPerGroupMax } from "./limits.ts";
import type { ElbDeps } from "./load-balancers.ts";
import { fault, invalid, type Elb } from "./refusals.ts";
import { checkTargetCountsOf } from "./target-counts.ts";
import { groupAttributes } from "./target-group-attributes.ts";
import { existingTargetGroup } from "./target-groups.ts";
import { targets, targetsOf, usesOfGroup, type Target, type TargetGroup } from "./tables.ts";

type Given = Received<TargetDescription>;

/** Port in the key of a function, which has none. */
const noPort = 0;

function checkAddress(group: TargetGroup, id: string): void {
  if (group.settings.targetType === "instance") {
    if (!/^i-[0-9a-f]+$/.test(id)) throw fault("InvalidTargetException", `The instance ID '${id}' is not valid`);
    return;
  }
  const version = group.settings.ipAddressType === "ipv6" ? 6 : 4;
  if (isIP(id) !== version) throw invalid(`The IP address '${id}' is not a valid IPv${version} address`);
}

/** The row of a target that a client named; checked as far as it can be without looking anywhere. */
function targetOf(group: TargetGroup, { Id, Port, AvailabilityZone, QuicServerId }: Given): Target {
  if (QuicServerId !== undefined) throw invalid("A server ID can only be specified for QUIC target groups");
  const { address, targetType } = group.settings;
  if (targetType === "lambda") {
    if (Port !== undefined) throw invalid("A port cannot be specified for targets of type 'lambda'");
    if (AvailabilityZone !== undefined && AvailabilityZone !== "all") {
      throw invalid("The Availability Zone of targets of type 'lambda' must be 'all'");
    }
  }
  return {
    account: group.account,
    region: group.region,
    target_group_id: group.id,
    id: Id,
    port: targetType === "lambda" ? noPort : (Port ?? address?.port ?? noPort),
    availability_zone: AvailabilityZone ?? null,
    drained_ms: null,
  };
}

const keyOf = ({ id, port }: Pick<Target, "id" | "port">) => `${id} ${port}`;

async function register(tx: Tx, group: TargetGroup, added: readonly Target[]): Promise<void> {
  const present = (await targetsOf(tx, group)).filter(({ drained_ms }) => drained_ms === null);
  const count = new Set([...present, ...added].map(keyOf)).size;
  const max = group.settings.targetType === "lambda" ? 1 : targetsPerGroupMax;
  if (count > max) {
    throw fault(
      "TooManyTargetsException",
      `The maximum number of targets (${max}) has been reached for target group '${targetGroupArn(group)}'`,
    );
  }
  for (const target of added) await tx.run(upsert(targets, target));
  await checkTargetCountsOf(tx, group);
}

const withKey = ({ account, region, target_group_id, id, port }: Target) =>
  sql`account = ${account} and region = ${region} and target_group_id = ${target_group_id}
    and id = ${id} and port = ${port}`;

/** A target in use drains; AWS shows that for the whole delay, even when nothing is under way. */
async function deregister(tx: Tx, group: TargetGroup, gone: readonly Target[], now: number): Promise<void> {
  const delay = attributeOf(groupAttributes(group.settings), group.attributes, "deregistration_delay.timeout_seconds");
  const drains =
    group.settings.targetType !== "lambda" && Number(delay) > 0 && (await usesOfGroup(tx, group)).length > 0;
  const drainedMs = now + Number(delay) * 1000;
  for (const target of gone) {
    if (drains) {
      await tx.run(sql`update ${targets.name} set drained_ms = ${drainedMs}
        where ${withKey(target)} and drained_ms is null`);
    } else {
      await tx.run(sql`delete from ${targets.name} where ${withKey(target)}`);
    }
  }
}

/** Registers targets, and resolves when requests may reach them. Functions must exist, and let the load balancer in. */
export function targetRegistration({ store, peers, routing }: Pick<ElbDeps, "store" | "peers" | "routing">) {
  return async (arn: string, given: readonly Given[], call: Call): Promise<void> => {
    if (given.length === 0) throw invalid("At least one target must be specified");
    const seen = await store.read((tx) => existingTargetGroup(tx, call, arn));
    for (const { Id } of given) {
      if (seen.settings.targetType === "lambda") await checkInvokable(peers, call, targetGroupArn(seen), Id);
      else checkAddress(seen, Id);
    }
    await routing.change(async (tx) => {
      const group = await existingTargetGroup(tx, call, arn);
      await register(
        tx,
        group,
        given.map((target) => targetOf(group, target)),
      );
    });
  };
}

interface Sight {
  group: TargetGroup;
  rows: Target[];
  inUse: boolean;
}

async function sightOf(tx: ReadTx, call: Call, arn: string): Promise<Sight> {
  const group = await existingTargetGroup(tx, call, arn);
  return { group, rows: await targetsOf(tx, group), inUse: (await usesOfGroup(tx, group)).length > 0 };
}

function healthPortOf({ settings }: TargetGroup, { port }: Target): { HealthCheckPort?: string } {
  if (settings.targetType === "lambda") return {};
  return { HealthCheckPort: settings.health.port === "traffic-port" ? String(port) : settings.health.port };
}

/** Deletes what has drained, at most 500 rows a round. */
export async function sweepDrained(tx: Tx, now: number): Promise<boolean> {
  const rows = await tx.all<Target>(sql`select ${targets.columns} from ${targets.name}
    where drained_ms <= ${now} limit 500`);
  for (const row of rows) await tx.run(sql`delete from ${targets.name} where ${withKey(row)}`);
  return rows.length === 500;
}

export function targetOperations(deps: ElbDeps) {
  const { store, edge, clock, routing } = deps;
  const registerTargets = targetRegistration(deps);

  const healthOf = (sight: Sight, asked: Target, now: number, withAnomalies: boolean): TargetHealthDescription => {
    const { group, rows, inUse } = sight;
    const row = rows.find((target) => keyOf(target) === keyOf(asked));
    const gone = row === undefined || (row.drained_ms !== null && row.drained_ms <= now);
    const registered = row?.drained_ms === null ? "registered" : "draining";
    const endpointIs = endpointOf(group, asked).id;
    const endpoint = edge.health(targetGroupArn(group)).find(({ endpointId }) => endpointId === endpointIs);
    const zone = row?.availability_zone ?? null;
    return {
      Target: {
        Id: asked.id,
        ...(asked.port === noPort ? {} : { Port: asked.port }),
        ...(zone === null ? {} : { AvailabilityZone: zone }),
      },
      ...healthPortOf(group, asked),
      TargetHealth: targetHealth({
        checked: group.settings.health.enabled,
        registration: gone ? "none" : registered,
        inUse,
        endpoint,
      }),
      ...(withAnomalies ? anomalyOf(endpoint) : {}),
    };
  };

  return {
    async RegisterTargets(input, call) {
      await registerTargets(input.TargetGroupArn, input.Targets, call);
      return {};
    },

    async DeregisterTargets(input, call) {
      const now = clock.now();
      await routing.change(async (tx) => {
        const group = await existingTargetGroup(tx, call, input.TargetGroupArn);
        const gone = input.Targets.map((target) => targetOf(group, target));
        await deregister(tx, group, gone, now);
      });
      return {};
    },

    async DescribeTargetHealth(input, call) {
      const now = clock.now();
      const sight = await store.read((tx) => sightOf(tx, call, input.TargetGroupArn));
      const asked = (input.Targets ?? []).map((target) => targetOf(sight.group, target));
      const shown =
        asked.length > 0 ? asked : sight.rows.filter((row) => row.drained_ms === null || row.drained_ms > now);
      const withAnomalies = (input.Include ?? []).length > 0;
      return { TargetHealthDescriptions: shown.map((target) => healthOf(sight, target, now, withAnomalies)) };
    },
  } satisfies Handlers<Elb>;
}
