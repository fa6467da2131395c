import { expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { createRetired, retiredMsMax, type Gone } from "./retired.ts";
import type { VersionRow } from "./tables.ts";

const key = { account: "000000000000", region: "us-east-1", name: "map" };
const ref = { ...key, qualifier: undefined };

function version(number: number): VersionRow {
  return {
    ...key,
    version: number === 0 ? "$LATEST" : String(number),
    number,
    revision_id: "",
    build_id: "",
    modified_ms: 0,
    code_blob: "",
    code_sha256: "",
    code_bytes: 0,
    settings: {
      runtime: "",
      handler: "",
      role: "",
      description: "",
      timeoutSeconds: 3,
      memoryMiB: 128,
      recorded: { architectures: [], ephemeralMiB: 512, tracing: "PassThrough", snapStart: "None" },
    },
    source_hash: null,
    token: null,
  };
}

const gone = (changes: Partial<Gone> = {}): Gone => ({
  ...key,
  versions: [version(0), version(1)],
  aliases: new Map([["live", "1"]]),
  statements: new Map([["", [{ Effect: "Allow", Principal: "*", Action: "*", Resource: "*" }]]]),
  reserved: 5,
  ...changes,
});

it("shows what is gone to requests that began before, and to nobody else", async () => {
  const clock = new FakeClock();
  const retired = createRetired(clock, () => {});
  const began = clock.now();
  await clock.advance(10);
  retired.add(gone());
  const names = (asOf: number | undefined, qualifier?: string) =>
    retired.version({ ...key, qualifier }, asOf)?.row.version;
  expect([names(began), names(began, "1"), names(began, "live")]).toEqual(["$LATEST", "1", "1"]);
  expect(retired.version(ref, began)?.reserved).toBe(5);
  expect(retired.statements(key, "", began)).toHaveLength(1);
  expect([names(began, "2"), names(undefined), names(clock.now() + 1)]).toEqual([undefined, undefined, undefined]);
  expect(retired.statements(key, "", clock.now() + 1)).toEqual([]);
  expect(retired.version({ ...ref, name: "other" }, began)).toBeUndefined();
});

it("forgets after 15 minutes, and says so", async () => {
  const clock = new FakeClock();
  const forgotten: string[] = [];
  const retired = createRetired(clock, ({ name }) => forgotten.push(name));
  const began = clock.now();
  retired.add(gone());
  await clock.advance(retiredMsMax - 1);
  expect(retired.version(ref, began)).toBeDefined();
  await clock.advance(1);
  expect(retired.version(ref, began)).toBeUndefined();
  expect(forgotten).toEqual(["map"]);
});

it("holds a bounded number, and forgets the oldest first", () => {
  const clock = new FakeClock();
  const forgotten: string[] = [];
  const retired = createRetired(clock, ({ name }) => forgotten.push(name));
  for (let i = 0; i < 2_502; i += 1) retired.add({ ...gone(), name: `f${i}` });
  expect(forgotten).toEqual(["f0", "f1"]);
  retired.stop();
  expect(clock.waiting).toBe(0);
});
