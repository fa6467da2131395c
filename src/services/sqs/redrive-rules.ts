/** Whether a queue may have the dead-letter queue that its policy names. Source: API reference, SetQueueAttributes. */
import type { ReadTx } from "../../store/store.ts";
import { fault } from "./faults.ts";
import { findRow } from "./lookup.ts";
import { queueArn, refOfArn } from "./names.ts";
import { readRedriveAllowPolicy } from "./redrive.ts";
import type { QueueRow } from "./tables.ts";

const refused = (arn: string, reason: string) =>
  fault("InvalidParameterValue", `Value ${arn} for parameter RedrivePolicy is invalid. Reason: ${reason}`);

export async function checkDeadLetterQueue(tx: ReadTx, source: QueueRow): Promise<void> {
  const arn = source.dead_letter_arn;
  if (arn === null) return;
  const ref = refOfArn(arn);
  if (ref === undefined || ref.account !== source.account || ref.region !== source.region) {
    throw refused(arn, "Dead-letter queue must be in same account and region as the source.");
  }
  const target = await findRow(tx, ref);
  if (target === undefined) throw refused(arn, "Dead letter target does not exist.");
  if (target.is_fifo !== source.is_fifo) {
    throw refused(arn, "Dead-letter queue must be same type of queue as the source.");
  }
  const allow = target.attributes["RedriveAllowPolicy"];
  const { permission = "allowAll", sources = [] } =
    (allow === undefined ? undefined : readRedriveAllowPolicy(allow)) ?? {};
  if (permission === "allowAll" || (permission === "byQueue" && sources.includes(queueArn(source)))) return;
  throw refused(arn, "Queue is not allowed to use this dead-letter queue by its redrive allow policy.");
}
