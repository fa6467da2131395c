/** What happens where the lane of a subscription is full: its messages are given up, and those of others are not. */
import { expect, it } from "vitest";
import { Fault } from "../../base/errors.ts";
import type { Intent } from "../../kit/delivery.ts";
import type { Tx } from "../../store/store.ts";
import { createLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { FakeClock } from "../../base/clock.ts";
import { parcelOf, send, sequenceText } from "./parcels.ts";
import type { SubscriptionRow } from "./tables.ts";

const row: SubscriptionRow = {
  account: "000000000000",
  region: "us-east-1",
  topic_uid: "u",
  id: "i",
  topic: "orders",
  protocol: "https",
  endpoint: "https://example.com",
  endpoint_hash: "h",
  owner: "000000000000",
  attributes: { DeliveryPolicy: JSON.stringify({ throttlePolicy: { maxReceivesPerSecond: 7 } }) },
  filtered: false,
  confirmed: true,
  authenticated: true,
  guarded: false,
  token: null,
  expires_ms: null,
  created_ms: 0,
  step: null,
};
const arn = "arn:aws:sns:us-east-1:000000000000:orders:i";

/** What is enqueued, where this lane is full. */
async function enqueued(full: string, rest: object = {}): Promise<Intent[]> {
  const intents: Intent[] = [];
  const deps = {
    delivery: {
      async enqueue(_tx: Tx, intent: Intent) {
        if (intent.lane?.name === full) throw new Fault("ServiceUnavailable", "full");
        intents.push(intent);
      },
    },
    metrics: createMetrics(),
    log: createLog({ clock: new FakeClock(), level: "error", write: () => {} }),
  };
  const message = { id: "m", atMs: 0, text: "hello", ...rest };
  const call = { trace: { root: "r", sampled: false } };
  const parcel = parcelOf(row, message);
  // Nothing here looks into the transaction.
  await send(deps, {} as Tx, row, { attributes: {} }, { parcel, message }, call);
  return intents;
}

it("a subscription has a lane, with its own rate", async () => {
  expect(await enqueued("")).toMatchObject([
    { target: { operation: "Deliver" }, lane: { name: `sns:${arn}`, perSecondMax: 7 }, key: "m:i:Notification" },
  ]);
});

it("a group of a FIFO topic has one too, in the order of the sequence numbers", async () => {
  const [intent] = await enqueued("", { groupId: "g", sequence: sequenceText(3) });
  expect(intent?.lane).toEqual({ name: `sns:${arn}:g`, position: 3, perSecondMax: 7 });
});

it("what does not fit in goes to the dead-letter queue", async () => {
  expect(await enqueued(`sns:${arn}`)).toMatchObject([
    {
      target: { operation: "Bury" },
      lane: { name: `sns-dead:${arn}` },
      input: { input: { subscription: "i" }, error: { code: "ServiceUnavailable" }, attempts: 0 },
    },
  ]);
});
