/** What a service is: a name, its tables, and what it makes of the dependencies it is handed. */
import type { Clock } from "../base/clock.ts";
import type { Ids } from "../base/ids.ts";
import type { Job, Scheduler } from "../base/scheduler.ts";
import type { Compute } from "../compute/ports.ts";
import type { Edge } from "../edge/ports.ts";
import type { Migration, Schema } from "../store/tables.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { PolicyDocument } from "./authorize.ts";
import type { Call } from "./call.ts";
import type { KeyOf } from "./credentials.ts";
import type { Delivery } from "./delivery.ts";
import type { Peers } from "./peers.ts";
import type { Resource } from "./resource.ts";
import type { Secrets } from "./secrets.ts";
import type { Sessions } from "./sessions.ts";

/** Everything a service may use. Handed in once, when the node starts. */
export interface Deps {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  metrics: Metrics;
  scheduler: Scheduler;
  peers: Peers;
  delivery: Delivery;
  edge: Edge;
  compute: Compute;
  /** Keys for code that calls the APIs as a role. */
  sessions: Pick<Sessions, "issue">;
  /** Seals what must not stand in the store as it is. */
  secrets: Secrets;
  /** Directory for what can be made again from the store: unpacked code. Per service. */
  cacheDir: string;
  /** Where clients reach the APIs. */
  publicUrl: () => string;
  /** `scheme://host` of links and certificates in messages of SNS, where it is not {@link publicUrl}. */
  linkUrl?: string;
  /** Executions of functions at once, of an account in a region. Default: AWS's 1,000. */
  lambdaConcurrency?: number;
  /** A resource type of any service that is open, for CloudFormation. */
  resourceType(type: string): Resource | undefined;
  /** Opens the services that make these resource types, as far as there are any. */
  openTypes(types: Iterable<string>): Promise<void>;
}

// The dispatcher holds handlers of every service in one map; each service types its own with `satisfies Handlers<...>`.
export type Operation = (input: never, call: Call) => Promise<object>;

export interface Service {
  operations: Readonly<Record<string, Operation>>;
  /** Operations that only the house may call, by peers or delivery: no client can name them. */
  internal?: Readonly<Record<string, Operation>>;
  /** Operations that may wait long for something to come: they have places of their own, and no other call waits behind them. */
  apart?: readonly string[];
  resources?: readonly Resource[];
  workers?: readonly Job[];
  /** ARNs that an operation touches; the dispatcher asks `authorize` about them first. */
  arnsOf?: Readonly<Record<string, (input: never, call: Call) => readonly string[]>>;
  /** The resource policy of one of the service's ARNs. */
  policyOf?(arn: string, call: Call): Promise<PolicyDocument | undefined>;
  /** Access keys that this service has made. */
  keyOf?: KeyOf;
  /** Does a row of this service name the blob? What no service names is swept by the node; no service sweeps. */
  namesBlob?(id: string): Promise<boolean>;
  /** After migrations and before the first request: take up what was left, build snapshots. */
  start?(): Promise<void>;
  /** Before the engines and the store close. */
  stop?(): Promise<void>;
}

export interface ServiceDefinition {
  /** AWS's signing name, and the folder: `sqs`. */
  name: string;
  migrations: readonly Migration[];
  create(deps: Deps): Service;
}

/** Declares a service. Adding one is its folder and a line in `services/index.ts`. */
export function defineService(definition: ServiceDefinition): ServiceDefinition {
  return definition;
}

/** The schema of a service's tables, for `store.migrate`. */
export function schemaOf({ name, migrations }: ServiceDefinition): Schema {
  return { owner: name, migrations };
}
