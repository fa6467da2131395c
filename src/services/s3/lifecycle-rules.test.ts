import { describe, expect, it } from "vitest";
import { abandoned, dueMs, expiryOf, rulesOf, toldRule, verdictOf, type Candidate } from "./lifecycle-rules.ts";

const day = 24 * 3600_000;
const t0 = Date.UTC(2026, 0, 1, 10);
const rules = (...asked: Parameters<typeof rulesOf>[0]) => rulesOf(asked, () => "named");
const candidate = (changes: Partial<Candidate> = {}): Candidate => ({
  key: "logs/a",
  sizeBytes: 100,
  tags: {},
  modifiedMs: t0,
  supersededMs: null,
  deleteMarker: false,
  newerNoncurrent: 0,
  alone: true,
  ...changes,
});

describe("lifecycle rules", () => {
  it("count whole days, to the midnight after them", () => {
    expect(dueMs(t0, 1)).toBe(Date.UTC(2026, 0, 3));
    expect(dueMs(Date.UTC(2026, 0, 1), 1)).toBe(Date.UTC(2026, 0, 2));
  });

  it("expire what they match, when its time has come", () => {
    const [expiring] = [rules({ Status: "Enabled", Prefix: "logs/", Expiration: { Days: 1 } })];
    const due = Date.UTC(2026, 0, 3);
    expect(verdictOf(expiring, candidate(), due - 1)).toBe("keep");
    expect(verdictOf(expiring, candidate(), due)).toBe("expire");
    expect(verdictOf(expiring, candidate({ key: "other" }), due)).toBe("keep");
    expect(verdictOf(rules({ Status: "Disabled", Prefix: "", Expiration: { Days: 1 } }), candidate(), due)).toBe(
      "keep",
    );
    const dated = rules({ Status: "Enabled", Prefix: "", Expiration: { Date: new Date(due) } });
    expect(verdictOf(dated, candidate(), due)).toBe("expire");
    const And = { Prefix: "logs/", Tags: [{ Key: "a", Value: "1" }], ObjectSizeGreaterThan: 99 };
    const filtered = rules({ Status: "Enabled", Filter: { And }, Expiration: { Days: 1 } });
    expect(verdictOf(filtered, candidate(), due)).toBe("keep");
    expect(verdictOf(filtered, candidate({ tags: { a: "1" } }), due)).toBe("expire");
    expect(verdictOf(filtered, candidate({ tags: { a: "1" }, sizeBytes: 99 }), due)).toBe("keep");
  });

  it("remove old versions but the newest few, and markers that hide nothing", () => {
    const old = rules({
      Status: "Enabled",
      Filter: {},
      NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 2 },
    });
    const noncurrent = (newerNoncurrent: number) => candidate({ supersededMs: t0, newerNoncurrent, alone: false });
    expect(verdictOf(old, noncurrent(1), t0 + 9 * day)).toBe("keep");
    expect(verdictOf(old, noncurrent(2), t0 + 9 * day)).toBe("remove");
    expect(verdictOf(old, noncurrent(2), t0)).toBe("keep");
    const markers = rules({ Status: "Enabled", Filter: {}, Expiration: { ExpiredObjectDeleteMarker: true } });
    expect(verdictOf(markers, candidate({ deleteMarker: true }), t0)).toBe("remove");
    expect(verdictOf(markers, candidate({ deleteMarker: true, alone: false }), t0)).toBe("keep");
    expect(verdictOf(markers, candidate(), t0 + 9 * day)).toBe("keep");
  });

  it("give up uploads", () => {
    const abort = rules({ Status: "Enabled", Prefix: "", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } });
    expect(abandoned(abort, "k", t0, t0 + day)).toBe(false);
    expect(abandoned(abort, "k", t0, t0 + 3 * day)).toBe(true);
  });

  it("are told as they were given", () => {
    const given = [
      { ID: "a", Status: "Enabled" as const, Prefix: "x", Expiration: { Days: 3 } },
      {
        ID: "b",
        Status: "Disabled" as const,
        Filter: { Tag: { Key: "k", Value: "v" } },
        Expiration: { Date: new Date(0) },
      },
      {
        ID: "c",
        Status: "Enabled" as const,
        Filter: { Prefix: "" },
        NoncurrentVersionExpiration: { NoncurrentDays: 4 },
      },
    ];
    expect(rules(...given).map(toldRule)).toEqual(given);
  });

  it("keep transitions, and tell of the first expiry", () => {
    const given = {
      ID: "a b",
      Status: "Enabled" as const,
      Filter: { Prefix: "logs/" },
      Expiration: { Days: 9 },
      Transitions: [{ StorageClass: "GLACIER" as const, Days: 1 }],
      NoncurrentVersionTransitions: [{ StorageClass: "DEEP_ARCHIVE" as const, NoncurrentDays: 2 }],
    };
    const kept = rules(given, { ID: "later", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 30 } });
    expect(kept.slice(0, 1).map(toldRule)).toEqual([given]);
    expect(expiryOf(kept, candidate())).toBe('expiry-date="Sun, 11 Jan 2026 00:00:00 GMT", rule-id="a%20b"');
    expect(expiryOf(kept, candidate({ key: "x" }))).toContain('rule-id="later"');
    expect(expiryOf([], candidate())).toBeUndefined();
  });

  it.each([
    [{ Status: "Enabled" as const, Prefix: "" }, "InvalidRequest"],
    [{ Status: "Enabled" as const, Expiration: { Days: 1 } }, "MalformedXML"],
    [{ Status: "Enabled" as const, Prefix: "", Expiration: { Days: 0 } }, "InvalidArgument"],
    [{ Status: "Enabled" as const, Prefix: "", Expiration: { Date: new Date(t0) } }, "InvalidArgument"],
    [
      { Status: "Enabled" as const, Prefix: "", Transitions: [{ Days: 1, StorageClass: "STANDARD_IA" as const }] },
      "InvalidArgument",
    ],
  ])("refuse %j", (asked, code) => {
    expect(() => rules(asked)).toThrow(expect.objectContaining({ code }));
  });
});
