import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { at } from "./egress.suite.ts";
import { createNames, type Answer } from "./names.ts";
import { compileRules, Forbidden, type Address } from "./rules.ts";

type Next = Answer | Error | Promise<Answer>;

function asking(answers: Next[]) {
  const clock = new FakeClock();
  let asked = 0;
  const names = createNames({
    clock,
    async resolve() {
      asked += 1;
      const next = answers.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error("no answer");
      return next;
    },
  });
  const first = async (name = "a") => (await names.find(name)).addresses[0]?.address;
  return { clock, names, first, asked: () => asked };
}

const held = (address: string, ttlSeconds: number): Answer => ({ ...at(address), ttlSeconds });

describe("names", () => {
  it("hold as long as the DNS says, and are asked for once at a time", async () => {
    const { clock, names, first, asked } = asking([held("10.0.0.1", 10), held("10.0.0.2", 10)]);
    expect([await Promise.all([first(), first()]), asked()]).toEqual([["10.0.0.1", "10.0.0.1"], 1]);
    await clock.advance(9_000);
    expect([await names.find("a"), asked()]).toMatchObject([{ freshMs: 1_000 }, 1]);
    await clock.advance(2_000);
    expect([await first(), asked()]).toEqual(["10.0.0.2", 2]);
  });

  it("are served stale while the DNS fails, and asked for again after a while, for a day", async () => {
    const { clock, names, first, asked } = asking([held("10.0.0.1", 10), new Error("servfail"), held("10.0.0.2", 10)]);
    await first();
    await clock.advance(11_000);
    expect(await first()).toBe("10.0.0.1");
    expect([await first(), asked()]).toEqual(["10.0.0.1", 2]);
    await clock.advance(6_000);
    expect([await first(), asked()]).toEqual(["10.0.0.2", 3]);
    await clock.advance(25 * 60 * 60_000);
    await expect(names.find("a")).rejects.toThrow("no answer");
  });

  it("are not waited for longer than 1.8 s where something is known", async () => {
    const { clock, names, first } = asking([held("10.0.0.1", 10), new Promise(() => {})]);
    await first();
    await clock.advance(11_000);
    let found: string | undefined;
    const asked = names.find("a").then(({ addresses }) => {
      found = addresses[0]?.address;
    });
    await clock.advance(1_700);
    expect(found).toBeUndefined();
    await clock.advance(200);
    await asked;
    expect(found).toBe("10.0.0.1");
  });

  it("that are gone are gone", async () => {
    const { clock, names, first } = asking([
      held("10.0.0.1", 10),
      Object.assign(new Error("queryA ENOTFOUND a"), { code: "ENOTFOUND" }),
      new Error("servfail"),
    ]);
    await first();
    await clock.advance(11_000);
    await expect(names.find("a")).rejects.toThrow("ENOTFOUND");
    await expect(names.find("a")).rejects.toThrow("servfail");
  });

  it("are IPv4 where there is any, in one order, and 8 at most", async () => {
    const many = Array.from({ length: 30 }, (_, i) => `10.0.1.${i + 10}`);
    const { names } = asking([
      at("2001:db8::1", "10.0.0.2", "10.0.0.1"),
      at("2001:db8::2", "2001:db8::1"),
      at(...many),
    ]);
    const found = async (name: string) => (await names.find(name)).addresses.map(({ address }) => address);
    expect(await found("a")).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(await found("b")).toEqual(["2001:db8::1", "2001:db8::2"]);
    expect(await found("c")).toEqual(many.slice(0, 8));
    expect(await found("192.0.2.7")).toEqual(["192.0.2.7"]);
  });
});

describe("the rules", () => {
  const of = (...addresses: string[]): readonly Address[] => at(...addresses).addresses;
  const left = (settings: Parameters<typeof compileRules>[0], name: string, ...addresses: string[]) => {
    const rules = compileRules(settings);
    rules.checkName(name);
    return rules.permitted(name, of(...addresses)).map(({ address }) => address);
  };

  it.each(["169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"])(
    "keep %s out",
    (address) => {
      expect(() => left({}, "a", address)).toThrow(Forbidden);
      expect(left({}, "a", address, "10.0.0.1")).toEqual(["10.0.0.1"]);
      expect(left({ allowLinkLocal: true }, "a", address)).toEqual([address]);
    },
  );

  it("let in what a list allows, and nothing else then", () => {
    const allow = ["api.example.com", "*.example.org", "10.0.0.0/8", "169.254.169.254"];
    expect(left({ allow }, "api.example.com", "192.0.2.1")).toEqual(["192.0.2.1"]);
    expect(left({ allow }, "a.b.example.org", "192.0.2.1")).toEqual(["192.0.2.1"]);
    expect(left({ allow }, "elsewhere.test", "10.1.2.3", "192.0.2.1")).toEqual(["10.1.2.3"]);
    expect(left({ allow }, "elsewhere.test", "169.254.169.254")).toEqual(["169.254.169.254"]);
    for (const name of ["example.org", "www.api.example.com", "elsewhere.test"]) {
      expect(() => left({ allow }, name, "192.0.2.1")).toThrow(Forbidden);
    }
    // No address could help: nobody asks for one.
    expect(() => compileRules({ allow: ["a.test"] }).checkName("b.test")).toThrow("b.test is not on the list");
  });

  it("refuse names and blocks, whatever is allowed", () => {
    const settings = { allow: ["*.example.com", "10.0.0.0/8"], refuse: ["internal.example.com", "10.0.0.0/24", "::1"] };
    expect(() => left(settings, "internal.example.com", "192.0.2.1")).toThrow(Forbidden);
    expect(left(settings, "a.example.com", "10.0.0.1", "10.0.1.1")).toEqual(["10.0.1.1"]);
    expect(() => left({ refuse: ["127.0.0.0/8", "::1"] }, "localhost", "127.0.0.1", "::1")).toThrow(Forbidden);
  });

  it.each(["a b", "*", "10.0.0.0/33", "a..b", "*.*.a", "https://a"])("are not %s", (entry) => {
    expect(() => compileRules({ refuse: [entry] })).toThrow(RangeError);
  });
});
