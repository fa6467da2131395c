import { describe, expect, it } from "vitest";
import { checkRead, checkWrite, rangeOf } from "./conditions.ts";
import { checkBucketName, checkKey } from "./limits.ts";

const object = { etag: "abc", modified_ms: Date.UTC(2026, 0, 1, 0, 0, 0, 500) };
const before = new Date(Date.UTC(2025, 11, 31));
const sameSecond = new Date(Date.UTC(2026, 0, 1));

describe("conditions on reading", () => {
  it.each([
    [{ IfMatch: '"abc"' }, "sent"],
    [{ IfMatch: "*" }, "sent"],
    [{ IfMatch: '"x", "abc"' }, "sent"],
    [{ IfMatch: '"x"' }, "PreconditionFailed"],
    [{ IfNoneMatch: '"abc"' }, "NotModified"],
    [{ IfNoneMatch: '"x"' }, "sent"],
    [{ IfModifiedSince: sameSecond }, "NotModified"],
    [{ IfModifiedSince: before }, "sent"],
    [{ IfUnmodifiedSince: before }, "PreconditionFailed"],
    [{ IfUnmodifiedSince: sameSecond }, "sent"],
    // A matching tag wins over a date. Source: S3 GetObject, "Additional Considerations about Request Headers".
    [{ IfMatch: '"abc"', IfUnmodifiedSince: before }, "sent"],
    [{ IfNoneMatch: '"abc"', IfModifiedSince: before }, "NotModified"],
  ])("%j: %s", (conditions, outcome) => {
    const check = () => checkRead(conditions, object);
    if (outcome === "sent") expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: outcome }));
  });
});

describe("conditions on writing", () => {
  it("keep an object that is there, and demand the one expected", () => {
    expect(() => checkWrite({ IfNoneMatch: "*" }, object)).toThrow(
      expect.objectContaining({ code: "PreconditionFailed" }),
    );
    expect(() => checkWrite({ IfNoneMatch: "*" }, undefined)).not.toThrow();
    expect(() => checkWrite({ IfMatch: '"abc"' }, object)).not.toThrow();
    expect(() => checkWrite({ IfMatch: '"x"' }, object)).toThrow(
      expect.objectContaining({ code: "PreconditionFailed" }),
    );
    expect(() => checkWrite({ IfMatch: '"x"' }, undefined)).toThrow(expect.objectContaining({ code: "NoSuchKey" }));
  });
});

describe("ranges of ten bytes", () => {
  it.each([
    ["bytes=0-4", { start: 0, end: 5 }],
    ["bytes=5-", { start: 5, end: 10 }],
    ["bytes=-3", { start: 7, end: 10 }],
    ["bytes=-30", { start: 0, end: 10 }],
    ["bytes=8-20", { start: 8, end: 10 }],
    ["bytes=4-2", undefined],
    ["bytes=-", undefined],
    ["bytes=0-1,3-4", undefined],
    ["items=0-1", undefined],
    [undefined, undefined],
  ])("%s", (header, range) => {
    expect(rangeOf(header, 10)).toEqual(range);
  });

  it.each(["bytes=10-", "bytes=10-12", "bytes=-0"])("%s cannot be satisfied", (header) => {
    expect(() => rangeOf(header, 10)).toThrow(expect.objectContaining({ code: "InvalidRange" }));
  });
});

describe("names", () => {
  it.each(["abc", "my.bucket-1", "a".repeat(63)])("%s is a bucket", (name) => {
    expect(() => checkBucketName(name)).not.toThrow();
  });
  it.each(["ab", "Abc", "a_b", "-ab", "ab-", "a..b", "a.-b", "192.168.1.1", "xn--abc", "abc-s3alias", "a".repeat(64)])(
    "%s is none",
    (name) => {
      expect(() => checkBucketName(name)).toThrow(expect.objectContaining({ code: "InvalidBucketName" }));
    },
  );
  it("bounds keys by bytes", () => {
    expect(() => checkKey("é".repeat(512))).not.toThrow();
    expect(() => checkKey("é".repeat(513))).toThrow(expect.objectContaining({ code: "KeyTooLongError" }));
  });
});
