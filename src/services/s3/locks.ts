/** Object lock, pure: which versions may not be removed, and until when. Source: S3 user guide, "Locking objects with Object Lock". */
import { fault } from "./faults.ts";
import type { Settings } from "./settings-of.ts";
import type { Version } from "./tables.ts";

const dayMs = 24 * 3600_000;

export type LockMode = "GOVERNANCE" | "COMPLIANCE";

/** What a request says of its object's lock. */
export interface AskedLock {
  ObjectLockMode?: string | undefined;
  ObjectLockRetainUntilDate?: Date | undefined;
  ObjectLockLegalHoldStatus?: string | undefined;
}

/** Headers of a version that hold its lock, by the names of members. */
export const lockHeaders = ["ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"] as const;

export function noLocks() {
  return fault("InvalidRequest", "Bucket is missing Object Lock Configuration");
}

export function checkUntil(until: Date, nowMs: number): void {
  if (until.getTime() > nowMs) return;
  throw fault("InvalidArgument", "The retain until date must be in the future!", {
    ArgumentName: "x-amz-object-lock-retain-until-date",
  });
}

/** The headers of a new version: the request's lock, else the bucket's usual one. */
export function lockOf(asked: AskedLock, lock: Settings["objectLock"] | undefined, nowMs: number) {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: hold } = asked;
  const headers: Record<string, string> = {};
  if (lock === undefined) {
    if (mode !== undefined || until !== undefined || hold !== undefined) throw noLocks();
    return headers;
  }
  if ((mode === undefined) !== (until === undefined)) {
    throw fault(
      "InvalidArgument",
      "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
      { ArgumentName: "x-amz-object-lock-mode" },
    );
  }
  if (hold !== undefined) headers["ObjectLockLegalHoldStatus"] = hold;
  if (mode !== undefined && until !== undefined) {
    checkUntil(until, nowMs);
    headers["ObjectLockMode"] = mode;
    headers["ObjectLockRetainUntilDate"] = until.toISOString();
  } else if (lock.retention !== null) {
    headers["ObjectLockMode"] = lock.retention.mode;
    headers["ObjectLockRetainUntilDate"] = new Date(endOf(lock.retention, nowMs)).toISOString();
  }
  return headers;
}

function endOf({ days, years }: { days: number | null; years: number | null }, nowMs: number): number {
  if (years === null) return nowMs + (days ?? 0) * dayMs;
  const end = new Date(nowMs);
  end.setUTCFullYear(end.getUTCFullYear() + years);
  return end.getTime();
}

/** Why a version may not be removed, or undefined when it may. */
export function lockedBy(
  { headers }: Pick<Version, "headers">,
  { bypass, nowMs }: { bypass: boolean; nowMs: number },
): "hold" | LockMode | undefined {
  if (headers["ObjectLockLegalHoldStatus"] === "ON") return "hold";
  const until = headers["ObjectLockRetainUntilDate"];
  if (until === undefined || Date.parse(until) <= nowMs) return undefined;
  if (headers["ObjectLockMode"] === "COMPLIANCE") return "COMPLIANCE";
  return bypass ? undefined : "GOVERNANCE";
}

export const isProtected = () => fault("AccessDenied", "Access Denied because object protected by object lock.");
