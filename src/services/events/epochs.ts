/** The number of a bus's rules as they are: it is raised by every change, and read before every event. */
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { changesKept } from "./limits.ts";
import { changes, epochs, ofBus, type BusRef, type ChangeRow } from "./tables.ts";

/** 0 for a bus that never had a rule. */
export async function epochOf(tx: ReadTx, ref: BusRef): Promise<number> {
  const row = await tx.one<{ epoch: number }>(sql`select epoch from ${epochs.name} where ${ofBus(ref)}`);
  return row?.epoch ?? 0;
}

/** Notes what changed, in the transaction of the change. */
export async function raiseEpoch(tx: Tx, ref: BusRef, kind: "rule" | "archive", name: string): Promise<void> {
  const { account, region, bus } = ref;
  const epoch = (await epochOf(tx, ref)) + 1;
  await tx.run(upsert(epochs, { account, region, bus, epoch }));
  await tx.run(insert(changes, { account, region, bus, epoch, kind, name }));
  await tx.run(sql`delete from ${changes.name} where ${ofBus(ref)} and epoch <= ${epoch - changesKept}`);
}

/** What changed after an epoch; undefined where not all of it is known any more. */
export async function changesSince(tx: ReadTx, ref: BusRef, since: number): Promise<ChangeRow[] | undefined> {
  const now = await epochOf(tx, ref);
  if (now - since > changesKept) return undefined;
  return tx.all<ChangeRow>(sql`select ${changes.columns} from ${changes.name}
    where ${ofBus(ref)} and epoch > ${since} order by epoch`);
}
