import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import type { RouteConfig } from "../ports.ts";
import { asked, clusterOf, cookieField, secret } from "./balance.suite.ts";
import { compileChoice } from "./choice.ts";
import { createSeal } from "./seal.ts";

const hourMs = 3_600_000;

/** The choice of a route between clusters `a` and `b`. */
function route(weights: Record<string, number>) {
  const targets = Object.entries(weights).map(([clusterId, weight]) => ({ clusterId, weight }));
  const action = { kind: "forward" as const, targets, stickyMs: hourMs };
  const config: RouteConfig = { id: "r", conditions: [], action };
  const clusters = new Map(Object.keys(weights).map((id) => [id, clusterOf(1, {}, { id }).cluster]));
  let turns = 0;
  return compileChoice(config, action, { clusters, turnOf: () => () => turns++, seal: () => createSeal(secret) });
}

/** A client's cookies once it was given `b`. */
function cookiesOfB(clock: FakeClock, choose: ReturnType<typeof route>): string {
  for (;;) {
    const request = asked(clock);
    if (choose(request)?.config.id === "b") return cookieField(request.responseLines);
  }
}

describe("the cookie of a weighted route", () => {
  it("keeps the cluster that came first, over weights and workers", () => {
    const clock = new FakeClock();
    const cookie = cookiesOfB(clock, route({ a: 1, b: 1 }));
    const other = route({ a: 999, b: 1 });
    for (let i = 0; i < 10; i += 1) expect(other(asked(clock, [cookie]))?.config.id).toBe("b");
  });

  it("is set twice, and renewed with every answer", async () => {
    const clock = new FakeClock();
    const choose = route({ a: 99, b: 1 });
    let cookie = cookiesOfB(clock, choose);
    expect(cookie).toMatch(/^Cookie: AWSALBTG=[^;]{40,}; AWSALBTGCORS=[^;]{40,}$/);
    for (let i = 0; i < 4; i += 1) {
      await clock.advance(hourMs - 1);
      const request = asked(clock, [cookie]);
      expect(choose(request)?.config.id).toBe("b");
      cookie = cookieField(request.responseLines);
    }
  });

  it("ends: after its time, with a weight of 0, with the cluster", async () => {
    const clock = new FakeClock();
    const choose = route({ a: 99, b: 1 });
    const cookie = cookiesOfB(clock, choose);
    for (const changed of [route({ a: 1, b: 0 }), route({ a: 1, c: 0 })]) {
      const request = asked(clock, [cookie]);
      expect(changed(request)?.config.id).toBe("a");
      expect(request.reason).toBeUndefined();
      expect(choose(asked(clock, [cookieField(request.responseLines)]))?.config.id).toBe("a");
    }
    await clock.advance(hourMs);
    const late = asked(clock, [cookie]);
    expect(choose(late)?.config.id).toBe("a");
    expect(late.reason).toBeUndefined();
  });

  it.each([
    // Not every cookie has a character that would change: a padding that may be left out does.
    [
      "URL-encoded",
      (cookie: string) => cookie.replaceAll(/=([^;]*)/g, (_, value: string) => `=${encodeURIComponent(value)}%3D`),
    ],
    ["made up", () => "Cookie: AWSALBTG=b"],
    ["another cookie's", (cookie: string) => cookie.replaceAll(/TG(CORS)?=[^;]*/g, `TG=${place()}`)],
  ])("that is %s is named in the reason, and replaced", (_, spoil) => {
    const clock = new FakeClock();
    const choose = route({ a: 99, b: 1 });
    const request = asked(clock, [spoil(cookiesOfB(clock, choose))]);
    expect(choose(request)?.config.id).toBe("a");
    expect(request.reason).toBe("AWSALBTGCookieInvalid");
    expect(request.responseLines).toMatch(/^Set-Cookie: AWSALBTG=/);
  });

  it("is not set where nothing is to be kept", () => {
    const clock = new FakeClock();
    const only = asked(clock);
    expect(route({ a: 1 })(only)?.config.id).toBe("a");
    expect(only.responseLines).toBe("");
    const none = asked(clock);
    expect(route({ a: 0, b: 0 })(none)).toBeUndefined();
    expect(none.responseLines).toBe("");
  });
});

function place(): string {
  return createSeal(secret).close("AWSALB", { text: "b", expiresMs: Number.MAX_SAFE_INTEGER });
}
