/** Lifecycles: a bucket's rules, and the worker that follows them. */
import type { Job } from "../../base/scheduler.ts";
import { serviceCall } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { deleteObject } from "./deletion.ts";
import { fault } from "./faults.ts";
import { abandoned, rulesOf, toldRule, verdictOf, type Verdict } from "./lifecycle-rules.ts";
import { lockedBy } from "./locks.ts";
import type { Cause, Events } from "./notifications.ts";
import type { LifecycleRule } from "./settings-of.ts";
import { putSetting, readSetting, removeSetting } from "./settings.ts";
import { findBucket, inBucket, settings, uploads, type Bucket, type Upload, type Version } from "./tables.ts";
import { dropUpload } from "./uploads.ts";
import { versionsFrom } from "./version-listing.ts";
import { findVersion, removeVersion, versionRandomBytes } from "./versions.ts";
import type { From } from "./grouping.ts";

/** Versions looked at in one round; between rounds others have their turn. */
const roundVersions = 500;
/** Deletions of one transaction. */
const batchDeletions = 100;
/** AWS runs its rules once a day; ten minutes after a midnight is soon enough, and a scan of all versions is not free. */
const everyMs = 10 * 60_000;
/** An upload that has ended is remembered this long, for clients that ask for its end again. */
const completedMs = 24 * 3600_000;

export function lifecycleOperations(deps: Deps) {
  return {
    async PutBucketLifecycleConfiguration(input, call) {
      const rules = rulesOf(input.LifecycleConfiguration?.Rules ?? [], () => deps.ids.uuid());
      await putSetting(deps, input.Bucket, "lifecycle", rules, call);
      return {};
    },
    async GetBucketLifecycleConfiguration(input, call) {
      const rules = await readSetting(deps, input.Bucket, "lifecycle", call);
      if (rules !== undefined) return { Rules: rules.map(toldRule) };
      throw fault("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", {
        BucketName: input.Bucket,
      });
    },
    async DeleteBucketLifecycle(input, call) {
      await removeSetting(deps, input.Bucket, "lifecycle", call);
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

interface Doomed {
  version: Version;
  verdict: Exclude<Verdict, "keep">;
}

/** Where the pass over all buckets is. */
interface Pass {
  /** Buckets that are still to be looked at; undefined before the first. */
  buckets: string[];
  bucket: string | undefined;
  from: From<number>;
  /** Of the key that the last round ended in. */
  key: string;
  newerNoncurrent: number;
}

const newPass = (buckets: string[]): Pass => ({
  buckets,
  bucket: undefined,
  from: { key: "", place: "at" },
  key: "",
  newerNoncurrent: 0,
});

export type LifecycleDeps = Pick<Deps, "store" | "clock" | "ids" | "publicUrl">;

export function lifecycleJob(deps: LifecycleDeps, events: Events): Job {
  const { store, clock, ids } = deps;
  let pass: Pass | undefined;

  const bucketsWithRules = () =>
    store.read((tx) =>
      tx.all<{ bucket: string }>(sql`select bucket from ${settings.name} where name = ${"lifecycle"} order by bucket`),
    );

  const causeOf = ({ account, region }: Bucket): Cause =>
    serviceCall(deps, account, region, { kind: "service", service: "s3.amazonaws.com" });

  const carryOut = async (bucket: Bucket, doomed: readonly Doomed[], now: number) => {
    const cause = causeOf(bucket);
    const expiry: Events = {
      happened: (tx, bucket, name, version, cause) =>
        events.happened(
          tx,
          bucket,
          name === "ObjectRemoved:DeleteMarkerCreated"
            ? "LifecycleExpiration:DeleteMarkerCreated"
            : "LifecycleExpiration:Delete",
          version,
          cause,
        ),
    };
    for (let at = 0; at < doomed.length; at += batchDeletions) {
      const batch = doomed
        .slice(at, at + batchDeletions)
        .map((one) => ({ ...one, random: ids.hex(versionRandomBytes) }));
      await store.tx(async (tx) => {
        for (const { version, verdict, random } of batch) {
          // It may have been replaced since it was looked at.
          const still = await findVersion(tx, bucket, version.key, version.version_id);
          if (still?.rank !== version.rank || still.modified_ms !== version.modified_ms) continue;
          if (verdict === "expire" && still.superseded_ms !== null) continue;
          if (verdict === "remove" && lockedBy(still, { bypass: false, nowMs: now }) !== undefined) continue;
          if (verdict === "remove") await removeForGood(tx, bucket, still, { expiry, cause });
          else await deleteObject(tx, expiry, { target: { Key: version.key }, bucket, nowMs: now, random, cause });
        }
      });
    }
  };

  const giveUpUploads = async (bucket: Bucket, rules: readonly LifecycleRule[], now: number) => {
    if (rules.every(({ abortDays }) => abortDays === null)) return;
    await store.tx(async (tx) => {
      const open = await tx.all<Upload>(sql`select ${uploads.columns} from ${uploads.name} where ${inBucket(bucket)}
        and completed is null order by created_ms limit ${roundVersions}`);
      for (const upload of open) {
        if (abandoned(rules, upload.key, upload.created_ms, now)) await dropUpload(tx, upload);
      }
    });
  };

  /** One page of a bucket's versions; true when there are more. */
  const look = async (bucket: Bucket, rules: readonly LifecycleRule[], current: Pass, now: number) => {
    const rows = await store.read((tx) => versionsFrom(tx, bucket, current.from, roundVersions + 1));
    const doomed: Doomed[] = [];
    for (const [i, version] of rows.slice(0, roundVersions).entries()) {
      const first = version.key !== current.key;
      if (first) current.newerNoncurrent = 0;
      current.key = version.key;
      current.from = { key: version.key, place: "behind", sub: version.rank };
      const verdict = verdictOf(rules, candidateOf(version, current.newerNoncurrent, rows[i + 1]?.key), now);
      if (version.superseded_ms !== null) current.newerNoncurrent += 1;
      if (verdict !== "keep") doomed.push({ version, verdict });
    }
    await carryOut(bucket, doomed, now);
    return rows.length > roundVersions;
  };

  return {
    name: "s3:lifecycle",
    everyMs,
    async run() {
      const now = clock.now();
      if (pass === undefined) {
        pass = newPass((await bucketsWithRules()).map(({ bucket }) => bucket));
        await store.tx((tx) =>
          tx.run(sql`delete from ${uploads.name} where completed is not null and created_ms < ${now - completedMs}`),
        );
      }
      const name = pass.bucket ?? pass.buckets[0];
      if (name === undefined) {
        pass = undefined;
        return { more: false };
      }
      const found = await store.read(async (tx) => {
        const bucket = await findBucket(tx, name);
        const row = await tx.one<{ value: LifecycleRule[] }>(
          sql`select value from ${settings.name} where bucket = ${name} and name = ${"lifecycle"}`,
        );
        return bucket === undefined || row === undefined ? undefined : { bucket, rules: row.value };
      });
      let more = false;
      if (found !== undefined) {
        if (pass.bucket === undefined) await giveUpUploads(found.bucket, found.rules, now);
        more = await look(found.bucket, found.rules, pass, now);
      }
      pass = more ? { ...pass, bucket: name } : newPass(pass.buckets.filter((other) => other !== name));
      return { more: true };
    },
  };
}

async function removeForGood(
  tx: Tx,
  bucket: Bucket,
  version: Version,
  { expiry, cause }: { expiry: Events; cause: Cause },
) {
  await removeVersion(tx, bucket, version);
  await expiry.happened(tx, bucket, "ObjectRemoved:Delete", version, cause);
}

function candidateOf(version: Version, newerNoncurrent: number, nextKey: string | undefined) {
  return {
    key: version.key,
    sizeBytes: version.size_bytes,
    tags: version.tags ?? {},
    modifiedMs: version.modified_ms,
    supersededMs: version.superseded_ms,
    deleteMarker: version.delete_marker,
    newerNoncurrent,
    alone: version.superseded_ms === null && nextKey !== version.key,
  };
}
