/** Which endpoint a connection goes to: by a hash of its flow, so that all workers choose alike without asking. */
import { atVerdict, healthBad, healthGood } from "../board.ts";
import type { AddressEndpoint } from "../compile.ts";
import type { ClusterConfig, StreamListenerConfig, StreamPolicy } from "../ports.ts";
import type { StatsWriter } from "../stats.ts";
import type { TargetTls } from "../tls/dial.ts";

export interface StreamEndpoint {
  config: AddressEndpoint;
  /** On the board. */
  slot: number;
  tls: TargetTls | undefined;
}

export interface StreamCluster {
  config: ClusterConfig;
  policy: StreamPolicy;
  endpoints: readonly StreamEndpoint[];
  stats: StatsWriter;
}

/** NLB's defaults (API reference, TargetGroupAttribute). */
export const policyDefault: StreamPolicy = {
  proxyProtocol: false,
  stickToSource: false,
  endAfterDrain: false,
  endWhenUnhealthy: true,
};

export interface Chosen {
  cluster: StreamCluster;
  endpoint: StreamEndpoint;
  /** No endpoint is healthy; it went to one of all. */
  failedOpen: boolean;
}

export interface FlowKey {
  address: string;
  port: number;
}

/** Undefined where there is no endpoint at all. */
export function compileChoose(
  { targets, port }: StreamListenerConfig,
  clusters: ReadonlyMap<string, StreamCluster>,
  board: Int32Array,
): (flow: FlowKey) => Chosen | undefined {
  const weighted = targets.flatMap(({ clusterId, weight }) => {
    const cluster = clusters.get(clusterId);
    return cluster === undefined || weight <= 0 ? [] : [{ cluster, weight }];
  });
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const clusterOf = (hash: number) => {
    let left = hash % total;
    for (const { cluster, weight } of weighted) if ((left -= weight) < 0) return cluster;
    return undefined;
  };
  return ({ address, port: clientPort }) => {
    // The listener's own address and the protocol are the same for all that come here.
    const flow = hashOf(`${address} ${clientPort} ${port}`);
    const cluster = total === 0 ? undefined : clusterOf(flow);
    if (cluster === undefined) return undefined;
    const { endpoints, policy } = cluster;
    const healthy = endpoints.filter(({ slot }) => Atomics.load(board, slot + atVerdict) === healthGood);
    const eligible = healthy.length > 0 ? healthy : endpoints;
    const hash = policy.stickToSource ? hashOf(address) : mixed(flow);
    const endpoint = eligible[hash % eligible.length];
    return endpoint === undefined ? undefined : { cluster, endpoint, failedOpen: healthy.length === 0 };
  };
}

export function isBad({ slot }: StreamEndpoint, board: Int32Array): boolean {
  return Atomics.load(board, slot + atVerdict) === healthBad;
}

/** FNV-1a, mixed: ports that follow one another go to different endpoints. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** The last step of MurmurHash3. */
function mixed(hash: number): number {
  let h = hash >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
