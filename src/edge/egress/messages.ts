/** What main and an edge worker say to each other about the way out. Plain data. */
import type { ClusterConfig, RouteConfig } from "../ports.ts";
import type { Destination } from "./destination.ts";

export type EgressToWorker =
  | EgressMessage
  /** In a round where `round` is given: it is answered when they are followed. */
  | { kind: "destinations"; round?: number; destinations: readonly DestinationMessage[] }
  | { kind: "unreachable"; origin: string; status: number; message: string }
  /** Nobody goes there any more. */
  | { kind: "forget"; origin: string };

/** Opens the way out. */
export interface EgressMessage {
  kind: "egress";
  round: number;
  address: string;
  port: number;
  /** By which a request that comes back is known. */
  name: string;
  /** Of what comes to the listener: where this worker counts. */
  counts: SharedArrayBuffer;
}

/** How to go to a destination, with the shared memory that goes with it. */
export interface DestinationMessage {
  destination: Destination;
  /** Its id is the origin; its endpoints are the addresses of the name. */
  cluster: ClusterConfig;
  route: RouteConfig;
  http2: boolean;
  /** For so long this may be believed without asking main again; as long as what was known before when absent. */
  holdMs?: number;
  slots: readonly number[];
  stats: SharedArrayBuffer;
  counts: SharedArrayBuffer;
  meter: SharedArrayBuffer;
  /** By name of a pool. */
  permits: Readonly<Record<string, SharedArrayBuffer>>;
}

/** A worker wants to know how to go there. */
export interface AskMessage {
  kind: "destination";
  destination: Destination;
}
