/** Key sets: fetched when a rule names them, kept fresh, bounded, and told to the edge when they change. */
import { expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createKeySets } from "./key-sets.ts";

const endpoint = "https://idp.example.com/keys";
const key = (kid: string, more: object = {}) => ({ kty: "RSA", kid, n: "AQAB", e: "AQAB", ...more });

function bench() {
  const clock = new FakeClock();
  const answers = { status: 200, text: JSON.stringify({ keys: [key("a")] }) };
  const asked: string[] = [];
  let changes = 0;
  const sets = createKeySets({
    clock,
    log: silentLog,
    async changed() {
      changes += 1;
    },
    async get(url) {
      asked.push(url);
      const { status, text } = answers;
      return { status, body: new Blob([text]).stream() };
    },
  });
  const run = () => sets.job.run(new AbortController().signal);
  return {
    clock,
    answers,
    asked,
    sets,
    run,
    changes: () => changes,
    kids: () => sets.keysOf(endpoint).map(({ kid }) => kid),
  };
}

it("are fetched once, and again when they are old; only news are told", async () => {
  const { clock, answers, asked, sets, run, changes, kids } = bench();
  await sets.want([endpoint, endpoint]);
  await sets.want([endpoint]);
  expect([asked.length, kids()]).toEqual([1, ["a"]]);
  await run();
  expect(asked.length).toBe(1);
  await clock.advance(5 * 60_000);
  await run();
  expect([asked.length, changes()]).toEqual([2, 0]);
  answers.text = JSON.stringify({ keys: [key("a"), key("b")] });
  await clock.advance(5 * 60_000);
  await run();
  expect([changes(), kids()]).toEqual([1, ["a", "b"]]);
});

it("stay as they were while the endpoint fails, which is asked again soon", async () => {
  const { clock, answers, asked, sets, run, kids } = bench();
  await sets.want([endpoint]);
  answers.status = 503;
  await clock.advance(5 * 60_000);
  await run();
  await clock.advance(30_000);
  answers.status = 200;
  answers.text = JSON.stringify({ keys: [key("c")] });
  await run();
  expect([asked.length, kids()]).toEqual([3, ["c"]]);
});

it("are forgotten with the last rule that names them", async () => {
  const { sets, kids } = bench();
  await sets.want([endpoint]);
  await sets.want([]);
  expect(kids()).toEqual([]);
});

it.each<[string, string, readonly string[]]>([
  ["no JSON", "<html>", []],
  ["no set", "[]", []],
  ["a set without keys", "{}", []],
  ["more than 150 KB", JSON.stringify({ keys: [key("x".repeat(150 * 1024))] }), []],
  ["more than ten keys", JSON.stringify({ keys: Array.from({ length: 11 }, (_, i) => key(String(i))) }), []],
  [
    "keys for other purposes",
    JSON.stringify({
      keys: [key("enc", { use: "enc" }), key("es", { kty: "EC" }), key("512", { alg: "RS512" }), key("ok"), 7],
    }),
    ["ok"],
  ],
])("of %s", async (_, text, expected) => {
  const { answers, sets, kids } = bench();
  answers.text = text;
  await sets.want([endpoint]);
  expect(kids()).toEqual(expected);
});
