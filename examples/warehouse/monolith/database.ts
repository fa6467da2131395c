/**
 * The one datastore that both teams share: four connections, and a transaction that takes its time, as one does whose
 * rows others want too. Who finds all connections taken waits; who finds too many waiting is turned away.
 */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

export type Row = Record<string, SQLOutputValue>;

export interface Transaction {
  one(text: string, ...values: SQLInputValue[]): Row | undefined;
  run(text: string, ...values: SQLInputValue[]): number;
}

export interface Database {
  /** Rejects with {@link DatabaseBusy} when too many wait already. */
  transaction<T>(work: (transaction: Transaction) => T): Promise<T>;
  close(): void;
}

export class DatabaseBusy extends Error {
  override readonly name = "DatabaseBusy";
}

const connections = 4;
const waitingMax = 16;
/** Locks, round trips, the disk of a machine that does more than this. */
const transactionMs = 20;

const schema = `
  create table products (sku text primary key, name text not null, stock integer not null);
  create table shipments (id text primary key, sku text not null, quantity integer not null);
  create table orders (id text primary key, sku text not null, quantity integer not null);
`;

export function openDatabase(): Database {
  const database = new DatabaseSync(":memory:");
  database.exec(schema);
  const waiting: (() => void)[] = [];
  let taken = 0;

  const connect = async () => {
    if (taken < connections) {
      taken += 1;
      return;
    }
    if (waiting.length >= waitingMax) throw new DatabaseBusy(`${waiting.length} transactions wait for a connection`);
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
  };
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) taken -= 1;
    else next();
  };

  const transaction: Transaction = {
    one: (text, ...values) => database.prepare(text).get(...values),
    run: (text, ...values) => Number(database.prepare(text).run(...values).changes),
  };

  return {
    async transaction(work) {
      await connect();
      try {
        await sleep(transactionMs);
        database.exec("begin");
        try {
          const value = work(transaction);
          database.exec("commit");
          return value;
        } catch (error) {
          database.exec("rollback");
          throw error;
        }
      } finally {
        release();
      }
    },
    close: () => database.close(),
  };
}
