/** The handshake with endpoints whose owner must agree: they are sent a token, and whoever gives it back confirms. */
import { hash } from "node:crypto";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { fault, invalid, noTopic } from "./faults.ts";
import { findTopic } from "./lookup.ts";
import { arnOf, topicArn, topicRef } from "./names.ts";
import { parcelOf, send, type MessageType } from "./parcels.ts";
import { isSubscription, ofTopic, subscriptions as table, type SubscriptionRow } from "./tables.ts";

const texts: Readonly<Record<Exclude<MessageType, "Notification">, (arn: string, topic: string) => string>> = {
  SubscriptionConfirmation: (_arn, topic) =>
    `You have chosen to subscribe to the topic ${topic}.\nTo confirm the subscription, visit the SubscribeURL included in this message.`,
  UnsubscribeConfirmation: (arn) =>
    `You have chosen to deactivate subscription ${arn}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.`,
};

/** Sends the endpoint what it needs to confirm, or to take its end back. */
export async function askToConfirm(
  deps: SnsDeps,
  tx: Tx,
  row: SubscriptionRow,
  call: Pick<Call, "trace">,
  type: Exclude<MessageType, "Notification"> = "SubscriptionConfirmation",
): Promise<void> {
  const topic = await findTopic(tx, { ...row, name: row.topic });
  if (topic === undefined || row.token === null) return;
  // The same for each run of the transaction.
  const message = {
    id: uuidOf(hash("sha256", `${row.id} ${row.token} ${type}`)),
    atMs: deps.clock.now(),
    text: texts[type](arnOf(row), topicArn(topic)),
  };
  const parcel = { ...parcelOf(row, message, type), token: row.token };
  await send(deps, tx, row, topic, { parcel, message }, call);
}

const uuidOf = (hex: string) =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");

export interface Confirmation {
  topicArn: string;
  token: string;
  guarded: boolean;
  /** Signed by somebody. */
  authenticated: boolean;
}

export function confirming({ store, clock, topics }: SnsDeps) {
  return async (given: Confirmation): Promise<string> => {
    const ref = topicRef("TopicArn", given.topicArn);
    const now = clock.now();
    if (!/^[0-9a-f]{1,256}$/.test(given.token)) throw invalid("Token");
    return store.tx(async (tx) => {
      const topic = await findTopic(tx, ref);
      if (topic === undefined) throw noTopic();
      const row = await tx.one<SubscriptionRow>(sql`select ${table.columns} from ${table.name}
        where ${ofTopic(topic)} and token = ${given.token}`);
      if (row === undefined) throw invalid("Token");
      // A token that was good stays so: the same answer for who confirms twice.
      if (row.confirmed) return arnOf(row);
      if (row.expires_ms !== null && row.expires_ms <= now) throw fault("NotFoundException", "Token has expired");
      const change = {
        confirmed: true,
        authenticated: given.authenticated,
        guarded: given.guarded,
        expires_ms: null,
      };
      await tx.run(sql`update ${table.name} set ${assign(table, change)} where ${isSubscription(row)}`);
      topics.forgetAfter(tx, ref);
      return arnOf(row);
    });
  };
}

export function confirmingOperations(deps: SnsDeps) {
  const confirm = confirming(deps);
  return {
    async ConfirmSubscription({ TopicArn, Token, AuthenticateOnUnsubscribe }) {
      const guarded = AuthenticateOnUnsubscribe === "true";
      return {
        SubscriptionArn: await confirm({ topicArn: TopicArn, token: Token, guarded, authenticated: true }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
