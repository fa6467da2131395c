/** Object lock: a bucket's configuration, and the retention and legal hold of its versions. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, upsert } from "../../store/tables.ts";
import { ownBucket } from "./buckets.ts";
import { fault } from "./faults.ts";
import { checkUntil, isProtected, lockedBy, noLocks, type LockMode } from "./locks.ts";
import type { Settings } from "./settings-of.ts";
import { ofKey, settingOf, settings, versions } from "./tables.ts";
import { readableVersion } from "./versions.ts";

/** Source: S3 API reference, "DefaultRetention"; S3 answers more with InvalidArgument. */
const daysMax = 36_500;
const yearsMax = 100;

interface ObjectRef {
  Bucket: string;
  Key: string;
  VersionId?: string | undefined;
}

const malformed = () =>
  fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema");

interface AskedRetention {
  Mode?: string | undefined;
  Days?: number | undefined;
  Years?: number | undefined;
}

/** The retention that versions of a bucket get when nobody says otherwise, checked. */
export function usualRetention(asked: AskedRetention | undefined): Settings["objectLock"]["retention"] {
  if (asked === undefined) return null;
  const { Mode, Days, Years } = asked;
  if ((Mode !== "GOVERNANCE" && Mode !== "COMPLIANCE") || (Days === undefined) === (Years === undefined)) {
    throw malformed();
  }
  if ((Days ?? Years ?? 0) <= 0)
    throw fault("InvalidArgument", "Default retention period must be a positive integer value");
  if ((Days ?? 0) > daysMax || (Years ?? 0) > yearsMax) {
    throw fault("InvalidArgument", "Default retention period too large");
  }
  return { mode: Mode, days: Days ?? null, years: Years ?? null };
}

export function lockingOperations({ store, clock }: Deps) {
  const lockable = async (tx: ReadTx, input: ObjectRef, call: Call) => {
    const bucket = await ownBucket(tx, input.Bucket, call);
    if ((await settingOf(tx, bucket, "objectLock")) === undefined) throw noLocks();
    return { bucket, version: await readableVersion(tx, bucket, input) };
  };
  const change = (input: ObjectRef, call: Call, next: (headers: Record<string, string>) => Record<string, string>) =>
    store.tx(async (tx) => {
      const { bucket, version } = await lockable(tx, input, call);
      const headers = next(version.headers);
      await tx.run(sql`update ${versions.name} set ${assign(versions, { headers })}
        where ${ofKey(bucket, version.key)} and rank = ${version.rank}`);
      return {};
    });

  return {
    async PutObjectLockConfiguration(input, call) {
      const asked = input.ObjectLockConfiguration;
      if (asked?.ObjectLockEnabled !== "Enabled") throw malformed();
      const value = { retention: usualRetention(asked.Rule?.DefaultRetention) };
      const modifiedMs = clock.now();
      return store.tx(async (tx) => {
        const { account, region, name: bucket } = await ownBucket(tx, input.Bucket, call);
        const place = { account, region, bucket };
        const versioning = await settingOf(tx, { ...place, name: bucket, created_ms: 0, token: null }, "versioning");
        if (versioning?.Status !== "Enabled") {
          throw fault(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
          );
        }
        await tx.run(upsert(settings, { ...place, name: "objectLock", value, modified_ms: modifiedMs }));
        return {};
      });
    },

    async GetObjectLockConfiguration(input, call) {
      const lock = await store.read(async (tx) => settingOf(tx, await ownBucket(tx, input.Bucket, call), "objectLock"));
      if (lock === undefined) {
        throw fault(
          "ObjectLockConfigurationNotFoundError",
          "Object Lock configuration does not exist for this bucket",
          { BucketName: input.Bucket },
        );
      }
      const { retention } = lock;
      const period = retention?.days == null ? { Years: retention?.years ?? 0 } : { Days: retention.days };
      return {
        ObjectLockConfiguration: {
          ObjectLockEnabled: "Enabled",
          ...(retention === null ? {} : { Rule: { DefaultRetention: { Mode: retention.mode, ...period } } }),
        },
      };
    },

    async PutObjectRetention(input, call) {
      const { Mode, RetainUntilDate } = input.Retention ?? {};
      if ((Mode === undefined) !== (RetainUntilDate === undefined)) throw malformed();
      const nowMs = clock.now();
      if (RetainUntilDate !== undefined) checkUntil(RetainUntilDate, nowMs);
      const bypass = input.BypassGovernanceRetention ?? false;
      return change(input, call, ({ ObjectLockMode, ObjectLockRetainUntilDate, ...others }) => {
        const present = { ObjectLockMode, ObjectLockRetainUntilDate };
        if (weakens(present, { Mode, until: RetainUntilDate }, { bypass, nowMs })) throw isProtected();
        if (Mode === undefined || RetainUntilDate === undefined) return others;
        return { ...others, ObjectLockMode: Mode, ObjectLockRetainUntilDate: RetainUntilDate.toISOString() };
      });
    },
    GetObjectRetention: (input, call) =>
      store.read(async (tx) => {
        const { headers } = (await lockable(tx, input, call)).version;
        const { ObjectLockMode, ObjectLockRetainUntilDate } = headers;
        if (ObjectLockMode === undefined || ObjectLockRetainUntilDate === undefined) throw noLock();
        return {
          Retention: { Mode: ObjectLockMode as LockMode, RetainUntilDate: new Date(ObjectLockRetainUntilDate) },
        };
      }),

    async PutObjectLegalHold(input, call) {
      const Status = input.LegalHold?.Status;
      if (Status === undefined) throw malformed();
      return change(input, call, (headers) => ({ ...headers, ObjectLockLegalHoldStatus: Status }));
    },
    GetObjectLegalHold: (input, call) =>
      store.read(async (tx) => {
        const Status = (await lockable(tx, input, call)).version.headers["ObjectLockLegalHoldStatus"];
        if (Status === undefined) throw noLock();
        return { LegalHold: { Status: Status as "ON" } };
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

const noLock = () =>
  fault("NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration");

/** A lock in force may be made longer by anybody; anything else needs the right to bypass it, and compliance has none. */
function weakens(
  present: { ObjectLockMode: string | undefined; ObjectLockRetainUntilDate: string | undefined },
  next: { Mode: string | undefined; until: Date | undefined },
  { bypass, nowMs }: { bypass: boolean; nowMs: number },
): boolean {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = present;
  if (mode === undefined || until === undefined) return false;
  const headers = { ObjectLockMode: mode, ObjectLockRetainUntilDate: until };
  if (lockedBy({ headers }, { bypass, nowMs }) === undefined) return false;
  const longer = next.until !== undefined && next.until.getTime() >= Date.parse(until);
  return !(longer && next.Mode === mode);
}
