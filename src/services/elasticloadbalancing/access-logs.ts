/**
 * Access logs of load balancers on their way to a bucket, every five minutes. Source: Application Load Balancers guide,
 * "Access logs for your Application Load Balancer" and "Enable access logs".
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { parseArn } from "../../base/arn.ts";
import { asError, isFault } from "../../base/errors.ts";
import type { Job } from "../../base/scheduler.ts";
import { serviceCall, type Call, type Principal } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { createSpool, type Parcel } from "./access-log-spool.ts";
import { loadBalancerFullName, type LoadBalancerKey } from "./arns.ts";
import { regionAccounts } from "./log-accounts.ts";
import { fault } from "./refusals.ts";
import { loadBalancers, type LoadBalancer } from "./tables.ts";

const compress = promisify(gzip);
/** AWS's. */
const everyMs = 5 * 60_000;
/** Who writes the logs. Regions opened before August 2022 use an account of AWS's instead. */
const deliveryPrincipal = "logdelivery.elasticloadbalancing.amazonaws.com";
/** Node of a load balancer, in the names of its files. */
const nodeAddress = "127.0.0.1";

type AccessLogDeps = Pick<
  Deps,
  "store" | "edge" | "peers" | "clock" | "ids" | "log" | "metrics" | "publicUrl" | "cacheDir"
>;

/** Where the logs of a load balancer go. */
export interface LogPlace {
  bucket: string;
  /** Without a slash at either end; may be empty. */
  prefix: string;
}

export interface AccessLogs {
  /** Writes AWS's test file. Throws `InvalidConfigurationRequest` when the bucket does not let it. */
  check(row: Pick<LoadBalancer, "account" | "region">, place: LogPlace, call: Call): Promise<void>;
  readonly job: Job;
  start(): void;
  /** Delivers what there is. */
  stop(): Promise<void>;
}

/** Where logs go, by the attributes of a load balancer; undefined where they go nowhere. */
export function logPlaceOf(attributes: Readonly<Record<string, string>>): LogPlace | undefined {
  const bucket = attributes["access_logs.s3.bucket"] ?? "";
  if (attributes["access_logs.s3.enabled"] !== "true" || bucket === "") return undefined;
  return { bucket, prefix: (attributes["access_logs.s3.prefix"] ?? "").replace(/^\/+|\/+$/g, "") };
}

/** `prefix/AWSLogs/123456789012/` */
function rootOf({ prefix }: LogPlace, account: string): string {
  return `${prefix === "" ? "" : `${prefix}/`}AWSLogs/${account}/`;
}

/** The key of a file whose last line was written before `endMs`. */
export function logKey(row: LoadBalancerKey, place: LogPlace, endMs: number, random: string): string {
  const { account, region } = row;
  const time = new Date(endMs).toISOString();
  const end = `${time.slice(0, 16).replaceAll(/[-:]/g, "")}Z`;
  const name = loadBalancerFullName(row).replaceAll("/", ".");
  const node = row.type === "network" ? "" : `${nodeAddress}_`;
  return (
    `${rootOf(place, account)}elasticloadbalancing/${region}/${time.slice(0, 10).replaceAll("-", "/")}/` +
    `${account}_elasticloadbalancing_${region}_${name}_${end}_${node}${random}.log.gz`
  );
}

export function createAccessLogs(deps: AccessLogDeps): AccessLogs {
  const { store, edge, peers, clock, ids, log, metrics } = deps;
  const spool = createSpool(join(deps.cacheDir, "access-logs"));
  let end: (() => void) | undefined;

  /** A bucket's policy names the delivery service, or the account of AWS's that stood for it before. */
  const put = async (row: Pick<LoadBalancer, "account" | "region">, Bucket: string, Key: string, Body: Uint8Array) => {
    const input = { Bucket, Key, Body };
    const call = serviceCall(deps, row.account, row.region, {
      kind: "service",
      service: deliveryPrincipal,
      sourceAccount: row.account,
    });
    try {
      await peers.s3.PutObject(input, call);
    } catch (error) {
      const principal = accountPrincipal(row.region);
      if (!isFault(error, "AccessDenied") || principal === undefined) throw error;
      await peers.s3.PutObject(input, { ...call, principal });
    }
  };
  const rowOf = async (arn: string): Promise<LoadBalancer | undefined> => {
    const parsed = parseArn(arn);
    const [, , , id] = parsed?.resource.split("/") ?? [];
    if (parsed === undefined || id === undefined) return undefined;
    const { account, region } = parsed;
    return store.read((tx) =>
      tx.one<LoadBalancer>(sql`select ${loadBalancers.columns} from ${loadBalancers.name}
        where account = ${account} and region = ${region} and id = ${id}`),
    );
  };
  const deliver = async (parcel: Parcel) => {
    const row = await rowOf(parcel.loadBalancerId);
    const place = row && logPlaceOf(row.attributes);
    // Nobody wants it any more.
    if (row === undefined || place === undefined) return spool.done(parcel);
    try {
      const body = await compress(await readFile(parcel.path));
      await put(row, place.bucket, logKey(row, place, clock.now(), ids.hex(4)), body);
      await spool.done(parcel);
      metrics.counter("access_log_files").add();
    } catch (cause) {
      // It stays, and is tried again with the next.
      const error = asError(cause);
      log.warn("an access log could not be delivered", { loadBalancer: parcel.loadBalancerId, ...place, error });
    }
    return undefined;
  };
  const round = async () => {
    for (const parcel of await spool.parcels()) await deliver(parcel);
    const dropped = spool.dropped();
    if (dropped === 0) return;
    metrics.counter("access_log_spool_dropped").add(dropped);
    log.warn("lines of access logs were dropped: the disk is slow, or the bucket takes none", { dropped });
  };

  return {
    async check(row, place, { signal }) {
      signal.throwIfAborted();
      const text = `Enable AccessLog for ELB at ${new Date(clock.now()).toISOString()}`;
      try {
        await put(row, place.bucket, `${rootOf(place, row.account)}ELBAccessLogTestFile`, Buffer.from(text));
      } catch (error) {
        if (!isFault(error)) throw error;
        throw fault(
          "InvalidConfigurationRequestException",
          error.code === "NoSuchBucket"
            ? `Bucket '${place.bucket}' does not exist`
            : `Access Denied for bucket: ${place.bucket}. Please check S3bucket permission`,
        );
      }
    },
    job: { name: "elasticloadbalancing:access-logs", everyMs, run: round },
    start() {
      end = edge.onAccessLog((batch) => spool.take(batch));
    },
    async stop() {
      end?.();
      await round();
    },
  };
}

function accountPrincipal(region: string): Principal | undefined {
  const account = regionAccounts[region];
  if (account === undefined) return undefined;
  return { kind: "user", account, accessKeyId: "elasticloadbalancing", arn: `arn:aws:iam::${account}:root` };
}
