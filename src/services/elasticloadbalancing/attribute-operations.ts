/** Attributes of load balancers, listeners and target groups, described and changed. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import { logPlaceOf } from "./access-logs.ts";
import {
  changedAttributes,
  describedAttributes,
  type Attribute,
  type Attributes,
  type Catalogue,
} from "./attributes.ts";
import { listenerAttributes } from "./listener-attributes.ts";
import { loadBalancerAttributes } from "./load-balancer-attributes.ts";
import { existingLoadBalancer, update, type ElbDeps } from "./load-balancers.ts";
import type { Elb } from "./refusals.ts";
import { existingListener } from "./rules.ts";
import { groupAttributes } from "./target-group-attributes.ts";
import { existingTargetGroup, setGroupAttributes } from "./target-groups.ts";
import { listeners } from "./tables.ts";

/** What Describe and Modify operations answer. */
const shown = (catalogue: Catalogue, set: Attributes) => ({ Attributes: describedAttributes(catalogue, set) });

async function changeLoadBalancer(tx: Tx, call: Call, arn: string, given: readonly Attribute[]) {
  const row = await existingLoadBalancer(tx, call, arn);
  const catalogue = loadBalancerAttributes(row);
  const attributes = changedAttributes(catalogue, row.attributes, given);
  await update(tx, row, { attributes });
  return shown(catalogue, attributes);
}

async function changeListener(tx: Tx, call: Call, arn: string, given: readonly Attribute[]) {
  const row = await existingListener(tx, call, arn);
  const { account, region, id } = row;
  const catalogue = listenerAttributes(row);
  const attributes = changedAttributes(catalogue, row.attributes, given);
  await tx.run(sql`update ${listeners.name} set ${assign(listeners, { attributes })}
    where account = ${account} and region = ${region} and id = ${id}`);
  return shown(catalogue, attributes);
}

export function attributeOperations({ store, routing, accessLogs }: ElbDeps) {
  /** Throws where the bucket that the changes name does not take logs. */
  const checkLogs = async (arn: string, changes: readonly Attribute[], call: Call) => {
    const row = await store.read((tx) => existingLoadBalancer(tx, call, arn));
    const place = logPlaceOf(changedAttributes(loadBalancerAttributes(row), row.attributes, changes));
    const before = logPlaceOf(row.attributes);
    const same = place?.bucket === before?.bucket && place?.prefix === before?.prefix;
    if (place !== undefined && !same) await accessLogs.check(row, place, call);
  };

  return {
    async DescribeLoadBalancerAttributes(input, call) {
      const row = await store.read((tx) => existingLoadBalancer(tx, call, input.LoadBalancerArn));
      return shown(loadBalancerAttributes(row), row.attributes);
    },

    async ModifyLoadBalancerAttributes(input, call) {
      const { LoadBalancerArn, Attributes: given } = input;
      await checkLogs(LoadBalancerArn, given, call);
      return routing.change((tx) => changeLoadBalancer(tx, call, LoadBalancerArn, given));
    },

    async DescribeListenerAttributes(input, call) {
      const row = await store.read((tx) => existingListener(tx, call, input.ListenerArn));
      return shown(listenerAttributes(row), row.attributes);
    },

    async ModifyListenerAttributes(input, call) {
      return routing.change((tx) => changeListener(tx, call, input.ListenerArn, input.Attributes));
    },

    async DescribeTargetGroupAttributes(input, call) {
      const { settings, attributes } = await store.read((tx) => existingTargetGroup(tx, call, input.TargetGroupArn));
      return shown(groupAttributes(settings), attributes);
    },

    async ModifyTargetGroupAttributes(input, call) {
      return routing.change(async (tx) => {
        const row = await existingTargetGroup(tx, call, input.TargetGroupArn);
        const catalogue = groupAttributes(row.settings);
        const set = changedAttributes(catalogue, row.attributes, input.Attributes);
        await setGroupAttributes(tx, row, set);
        return shown(catalogue, set);
      });
    },
  } satisfies Handlers<Elb>;
}
