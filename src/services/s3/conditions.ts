/** Conditional requests and ranges, as pure rules. Source: RFC 9110 sections 13 and 14; S3 GetObject. */
import { fault } from "./faults.ts";

export interface Conditions {
  IfMatch?: string | undefined;
  IfNoneMatch?: string | undefined;
  IfModifiedSince?: Date | undefined;
  IfUnmodifiedSince?: Date | undefined;
}

function names(list: string, etag: string): boolean {
  return list.split(",").some((item) => {
    const tag = item.trim().replace(/^W\//, "").replaceAll('"', "");
    return tag === "*" || tag === etag;
  });
}

const failed = (condition: string) =>
  fault("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    Condition: condition,
  });

/** HTTP dates count seconds. */
const seconds = (ms: number) => Math.floor(ms / 1000);

/** Throws `PreconditionFailed` or `NotModified` when the object must not be sent. */
export function checkRead(conditions: Conditions, object: { etag: string; modified_ms: number }): void {
  const { IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince } = conditions;
  const modified = seconds(object.modified_ms);
  if (IfMatch !== undefined) {
    if (!names(IfMatch, object.etag)) throw failed("If-Match");
  } else if (IfUnmodifiedSince !== undefined && modified > seconds(IfUnmodifiedSince.getTime())) {
    throw failed("If-Unmodified-Since");
  }
  if (IfNoneMatch !== undefined) {
    if (names(IfNoneMatch, object.etag)) throw fault("NotModified", "Not Modified");
  } else if (IfModifiedSince !== undefined && modified <= seconds(IfModifiedSince.getTime())) {
    throw fault("NotModified", "Not Modified");
  }
}

/** Throws unless the object that is there now (or its absence) is the one that the writer expects. */
export function checkWrite({ IfMatch, IfNoneMatch }: Conditions, present: { etag: string } | undefined): void {
  if (IfNoneMatch !== undefined && present !== undefined && names(IfNoneMatch, present.etag))
    throw failed("If-None-Match");
  if (IfMatch === undefined) return;
  if (present === undefined) throw fault("NoSuchKey", "The specified key does not exist.");
  if (!names(IfMatch, present.etag)) throw failed("If-Match");
}

export interface Range {
  start: number;
  /** Exclusive. */
  end: number;
}

/** The bytes that a Range header asks of `sizeBytes`; undefined for the whole (absent, several ranges, or not understood). */
export function rangeOf(header: string | undefined, sizeBytes: number): Range | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  if (start >= sizeBytes || (first === "" && last === "0")) {
    throw fault("InvalidRange", "The requested range is not satisfiable", {
      RangeRequested: header,
      ActualObjectSize: sizeBytes,
    });
  }
  return { start, end };
}
