/** Appends of many callers in one statement: `insert ... select from unnest`, an array per column, and never many at once. */
import { asError } from "../../base/errors.ts";
import { StoreBusy, StoreFailure } from "../errors.ts";
import { JsonValue, type SqlValue } from "../sql.ts";
import { parameters, type Table } from "../tables.ts";
import { checkValue } from "../values.ts";
import { rerun, type BodyDeps } from "./bodies.ts";
import { columnTypes } from "./ddl.ts";
import type { Sessions } from "./session.ts";

/** While two are under way the next gathers callers; a third would only make the statements shorter. */
const flightsMax = 2;
/** Rows of one statement, apart from a single caller's own. */
const statementRowsMax = 1_000;

/** One caller's rows, as cells in the order of the table's columns. */
interface Pending {
  into: Table;
  rows: SqlValue[][];
  resolve(): void;
  reject(error: Error): void;
}

const textOf = new WeakMap<Table, string>();

function insertText(into: Table): string {
  const known = textOf.get(into);
  if (known !== undefined) return known;
  const names = Object.keys(into.definition);
  const arrays = Object.values(into.definition).map(({ kind }, index) => `$${index + 1}::${columnTypes[kind]}[]`);
  const text = `insert into ${into.tableName} (${names.join(", ")}) select * from unnest(${arrays.join(", ")})`;
  textOf.set(into, text);
  return text;
}

function cell(value: SqlValue): SqlValue {
  checkValue(value);
  return value instanceof JsonValue ? value.text : value;
}

export class Appends {
  readonly #deps: BodyDeps;
  readonly #sessions: Sessions;
  #waiting: Pending[] = [];
  #flights = 0;

  /** `sessions` must be serializable: what a body counted may not change behind it. */
  constructor(deps: BodyDeps, sessions: Sessions) {
    this.#deps = deps;
    this.#sessions = sessions;
  }

  /** The caller of this was admitted, so what waits here is bounded. */
  append(into: Table, rows: readonly Record<string, unknown>[]): Promise<void> {
    const names = Object.keys(into.definition);
    const cells = rows.map((row) => parameters(into, names, row).map(cell));
    if (cells.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ into, rows: cells, resolve, reject });
      this.#take();
    });
  }

  #take(): void {
    while (this.#flights < flightsMax && this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      this.#flights += 1;
      void this.#write(batch).then(() => {
        this.#flights -= 1;
        this.#take();
      });
    }
  }

  /** The callers of one table, from the one that waits longest. */
  #nextBatch(): Pending[] {
    const batch: Pending[] = [];
    const others: Pending[] = [];
    let rows = 0;
    for (const pending of this.#waiting) {
      const fits = rows === 0 || rows + pending.rows.length <= statementRowsMax;
      const table = batch[0]?.into ?? pending.into;
      if (fits && pending.into === table) {
        batch.push(pending);
        rows += pending.rows.length;
      } else {
        others.push(pending);
      }
    }
    this.#waiting = others;
    return batch;
  }

  /** Never rejects. A statement that fails for one caller's rows is tried again in halves, until the one is alone. */
  async #write(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#insert(batch);
    } catch (error) {
      if (batch.length === 1 || error instanceof StoreFailure || error instanceof StoreBusy) {
        for (const pending of batch) pending.reject(asError(error));
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await this.#write(batch.slice(0, half));
      await this.#write(batch.slice(half));
      return;
    }
    for (const pending of batch) pending.resolve();
  }

  async #insert(batch: readonly Pending[]): Promise<void> {
    const into = (batch[0] as Pending).into;
    const rows = batch.flatMap((pending) => pending.rows);
    const values = Object.keys(into.definition).map((_, column) => rows.map((cells) => cells[column]));
    const text = insertText(into);
    await rerun(this.#deps, () => this.#sessions.use((session) => session.execute({ text, values })));
  }
}
