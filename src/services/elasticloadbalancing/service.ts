/** Elastic Load Balancing v2: application and network load balancers, over the edge. */
import { defineService, type Deps } from "../../kit/service.ts";
import { createAccessLogs } from "./access-logs.ts";
import { attributeOperations } from "./attribute-operations.ts";
import { capacityOperations } from "./capacity.ts";
import { certificateOperations, certificateUses, listenerTlsReader } from "./certificates.ts";
import { createFunctions } from "./functions.ts";
import { createKeySets } from "./key-sets.ts";
import { listenerOperations } from "./listeners.ts";
import { loadBalancerOperations } from "./load-balancers.ts";
import { policyOperations } from "./policy-operations.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { loadBalancerResources } from "./resources.ts";
import { createRouting } from "./routing.ts";
import { ruleOperations } from "./rules.ts";
import { keyEndpointsIn, readRouting, snapshotOf, type SnapshotOptions } from "./snapshot.ts";
import { migrations, readEpoch } from "./tables.ts";
import { tagOperations } from "./tags.ts";
import { tlsPolicyOperations } from "./tls-policies.ts";
import { targetGroupOperations } from "./target-groups.ts";
import { sweepDrained, targetOperations } from "./targets.ts";

/** Until a node may serve others than its own machine, its load balancers do not either. */
const listenAddress = "127.0.0.1";
const sweepMs = 60_000;

function createElasticLoadBalancing(deps: Deps) {
  const { store, edge, clock, ids, log, peers } = deps;
  const cookieKey = deps.secrets.derive("elasticloadbalancing stickiness cookies");
  const keySets = createKeySets({ clock, log, changed: () => publisher.refresh() });
  const options: SnapshotOptions = {
    keysOf: keySets.keysOf,
    address: listenAddress,
    ...(cookieKey === undefined ? {} : { cookieSecret: Buffer.from(cookieKey).toString("hex") }),
  };
  const readTls = listenerTlsReader(deps);
  const publisher: Publisher = createPublisher({
    edge,
    functions: createFunctions(deps),
    clock,
    log,
    async build() {
      const rows = await store.read(readRouting);
      await keySets.want(keyEndpointsIn(rows));
      return snapshotOf(rows, { ...options, tls: await readTls(rows.listeners) });
    },
    epoch: () => store.read(readEpoch),
  });
  const accessLogs = createAccessLogs(deps);
  const own = { store, edge, clock, ids, peers, accessLogs, routing: createRouting(store, publisher) };
  return {
    operations: {
      ...loadBalancerOperations(own),
      ...listenerOperations(own),
      ...certificateOperations(own),
      ...tlsPolicyOperations(),
      ...ruleOperations(own),
      ...targetGroupOperations(own),
      ...targetOperations(own),
      ...attributeOperations(own),
      ...tagOperations(own),
      ...capacityOperations(own),
    },
    internal: { ...policyOperations(own), ...certificateUses(own) },
    resources: loadBalancerResources(own),
    workers: [
      publisher.job,
      keySets.job,
      accessLogs.job,
      {
        name: "elasticloadbalancing:drained",
        everyMs: sweepMs,
        run: async () => ({ more: await store.tx((tx) => sweepDrained(tx, clock.now())) }),
      },
    ],
    async start() {
      accessLogs.start();
      await publisher.start();
    },
    async stop() {
      await publisher.stop();
      await accessLogs.stop();
    },
  };
}

export const elasticloadbalancing = defineService({
  name: "elasticloadbalancing",
  migrations,
  create: createElasticLoadBalancing,
});
