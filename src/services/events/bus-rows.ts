/** Buses as rows: the default one is always there. */
import type { Call } from "../../kit/call.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { admit } from "./access.ts";
import { noBus } from "./faults.ts";
import { busRef, defaultBus } from "./names.ts";
import { buses, isIn, type BusRef, type BusRow } from "./tables.ts";

const untouched = ({ account, region, bus }: BusRef): BusRow => ({
  account,
  region,
  name: bus,
  description: null,
  settings: {},
  policy: null,
  tags: {},
  created_ms: 0,
  modified_ms: 0,
  token: null,
});

export async function findBus(tx: ReadTx, ref: BusRef): Promise<BusRow | undefined> {
  const row = await tx.one<BusRow>(
    sql`select ${buses.columns} from ${buses.name} where ${isIn(ref)} and name = ${ref.bus}`,
  );
  return row ?? (ref.bus === defaultBus ? untouched(ref) : undefined);
}

export const refOf = ({ account, region, name }: BusRow): BusRef => ({ account, region, bus: name });

/** The bus that a caller names, and may do `operation` with. */
export async function openBus(tx: ReadTx, name: string | undefined, operation: string, call: Call): Promise<BusRow> {
  const ref = busRef(name, call);
  const row = await findBus(tx, ref);
  if (row === undefined) throw noBus(ref.bus);
  admit(row, operation, call);
  return row;
}
