/** Events that go from one bus to another. */
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { admit } from "./access.ts";
import { findBus } from "./bus-rows.ts";
import type { Handover } from "./delivering.ts";
import type { EventsDeps } from "./deps.ts";
import { readEvent } from "./envelope.ts";
import { fault, noBus } from "./faults.ts";
import type { Ingestion } from "./ingestion.ts";
import { busOfArn } from "./names.ts";

/** Source: user guide, "Sending and receiving events between event buses": an event goes over one border only. */
export function forwarding(ingestion: Ingestion) {
  return async ({ store }: EventsDeps, { parcel, call }: Handover): Promise<void> => {
    const { target, rule, event, traceHeader, hopped } = parcel;
    if (hopped)
      throw fault("HopLimit", "The event came from another event bus already, and is not sent to a third one.");
    const bus = must(busOfArn(target.Arn), "a bus's ARN");
    const row = await store.read((tx) => findBus(tx, bus));
    if (row === undefined) throw noBus(bus.bus);
    admit(row, "PutEvents", senderOf(rule.account, call));
    const rest = traceHeader === undefined ? {} : { traceHeader };
    await ingestion.take([{ bus, envelope: readEvent(event), trace: call.trace, hopped: true, ...rest }]);
  };
}

/** Without a role it is the rule's account that sends. */
function senderOf(account: string, { principal }: Call): Pick<Call, "account" | "principal"> {
  if (principal.kind !== "service") return { account: principal.account, principal };
  return { account, principal: { kind: "user", account, accessKeyId: account } };
}
