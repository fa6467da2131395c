import { describe, expect, it } from "vitest";
import { backoffMs, isRepeatable, wantsRetry, type Outcome } from "./retries.ts";

const answered = (status: number): Outcome => ({ status, reason: undefined });
const failed = (reason: string): Outcome => ({ status: 502, reason });

describe("a request may be sent again", () => {
  it.each([
    ["GET", "reset", true],
    ["PUT", "reset", true],
    ["DELETE", "per-try-timeout", true],
    ["POST", "reset", false],
    ["PATCH", "idle-timeout", false],
    ["POST", "connect-refused", true],
    ["POST", "connect-timeout", true],
    ["POST", "no-endpoints", true],
    ["POST", "breaker-requests", true],
    ["GET", "client-closed", false],
    ["GET", "bad-body", false],
    ["GET", "request-timeout", false],
  ])("%s after %s: %s", (method, reason, expected) => {
    expect(isRepeatable(failed(reason), method)).toBe(expected);
  });

  it("after an answer only where twice is as once", () => {
    expect(isRepeatable(answered(503), "GET")).toBe(true);
    expect(isRepeatable(answered(503), "POST")).toBe(false);
  });
});

describe("a policy wants a retry", () => {
  it.each([
    ["connect-failure", failed("connect-refused"), true],
    ["connect-failure", failed("reset"), false],
    ["connect-failure", failed("no-endpoints"), false],
    ["unsent", failed("no-endpoints"), true],
    ["unsent", failed("reset"), false],
    ["reset", failed("reset"), true],
    ["reset", failed("per-try-timeout"), true],
    ["reset", failed("connect-refused"), false],
    ["gateway-error", answered(502), true],
    ["gateway-error", answered(504), true],
    ["gateway-error", answered(500), false],
    ["gateway-error", failed("reset"), false],
    ["5xx", answered(500), true],
    ["5xx", failed("connect-refused"), true],
    ["5xx", answered(404), false],
    ["retriable-4xx", answered(409), true],
    ["retriable-4xx", answered(429), false],
  ] as const)("%s on %j: %s", (condition, outcome, expected) => {
    expect(wantsRetry({ on: [condition], statuses: [] }, outcome)).toBe(expected);
  });

  it("on a status of its list, when an endpoint gave it", () => {
    expect(wantsRetry({ on: [], statuses: [429] }, answered(429))).toBe(true);
    expect(wantsRetry({ on: [], statuses: [502] }, failed("reset"))).toBe(false);
  });
});

describe("the wait before a retry", () => {
  const ceilings = (kind: "exponential" | "fibonacci") =>
    [1, 2, 3, 4, 5, 6].map((retry) => backoffMs({ kind, baseMs: 25, maxMs: 250 }, retry, 1));

  it("has a ceiling that doubles, or grows by Fibonacci's numbers, to a limit", () => {
    expect(ceilings("exponential")).toEqual([25, 75, 175, 250, 250, 250]);
    expect(ceilings("fibonacci")).toEqual([25, 50, 75, 125, 200, 250]);
  });

  it("is anything from nothing to its ceiling", () => {
    const backoff = { kind: "exponential", baseMs: 100, maxMs: 1000 } as const;
    expect([0, 0.5, 0.999].map((random) => backoffMs(backoff, 2, random))).toEqual([0, 150, expect.closeTo(299.7)]);
  });
});
