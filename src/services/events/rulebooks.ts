/**
 * What waits for the events of each bus, compiled: the patterns of its rules and archives as one automaton, so that an
 * event costs what it matches and not what there is. A change is taken in by itself; the automaton is not made anew.
 */
import { parsePattern, type EventPattern } from "../../kit/event-pattern/pattern.ts";
import { createMatcher, type Matcher } from "../../kit/event-pattern/matcher.ts";
import { rulePatternCharsMax } from "../../kit/event-pattern/limits.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store } from "../../store/store.ts";
import { changesSince, epochOf } from "./epochs.ts";
import { chunkRows, rulebooksMax } from "./limits.ts";
import {
  isRule,
  ofBus,
  ofRule,
  rules,
  targets,
  type BusRef,
  type RuleRow,
  type Target,
  type TargetRow,
} from "./tables.ts";

/** A rule that is enabled, with where its events go. */
export interface Subscriber {
  rule: RuleRow;
  targets: readonly Target[];
}

export interface Rulebook {
  /** Rules whose patterns match the event (parsed JSON). */
  match(event: unknown): readonly Subscriber[];
}

export interface Rulebooks {
  /** The rules of a bus as they are on disk now. */
  of(ref: BusRef): Promise<Rulebook>;
}

interface Book extends Rulebook {
  epoch: number;
  put(name: string, subscriber: Subscriber | undefined): void;
}

function newBook(): Book {
  const matcher: Matcher<Subscriber> = createMatcher();
  const entries = new Map<string, { pattern: EventPattern; subscriber: Subscriber }>();
  return {
    epoch: 0,
    put(name, subscriber) {
      const former = entries.get(name);
      if (former !== undefined) matcher.remove(former.pattern, former.subscriber);
      entries.delete(name);
      const text = subscriber?.rule.pattern;
      if (subscriber === undefined || text == null || subscriber.rule.state === "DISABLED") return;
      const pattern = parsePattern(text, { charsMax: rulePatternCharsMax });
      matcher.add(pattern, subscriber);
      entries.set(name, { pattern, subscriber });
    },
    match: (event) => matcher.match(event),
  };
}

/** Every rule of a bus, in the order of their names. */
async function readAll(store: Store, ref: BusRef, book: Book): Promise<void> {
  let after = "";
  for (;;) {
    const found = await store.read(async (tx) => {
      const page = await tx.all<RuleRow>(sql`select ${rules.columns} from ${rules.name}
        where ${ofBus(ref)} and name > ${after} order by name limit ${chunkRows}`);
      const last = page.at(-1)?.name ?? after;
      const their = await tx.all<TargetRow>(sql`select ${targets.columns} from ${targets.name}
        where ${ofBus(ref)} and rule > ${after} and rule <= ${last} order by rule, id`);
      return { page, their };
    });
    const byRule = Map.groupBy(found.their, ({ rule }) => rule);
    for (const rule of found.page) {
      book.put(rule.name, { rule, targets: (byRule.get(rule.name) ?? []).map(({ target }) => target) });
    }
    if (found.page.length < chunkRows) return;
    after = found.page.at(-1)?.name ?? after;
  }
}

export async function readSubscriber(tx: ReadTx, ref: BusRef, name: string): Promise<Subscriber | undefined> {
  const rule = await tx.one<RuleRow>(sql`select ${rules.columns} from ${rules.name} where ${isRule({ ...ref, name })}`);
  if (rule === undefined) return undefined;
  const rows = await tx.all<TargetRow>(
    sql`select ${targets.columns} from ${targets.name} where ${ofRule({ ...ref, name })} order by id`,
  );
  return { rule, targets: rows.map(({ target }) => target) };
}

export function createRulebooks({ store }: Pick<Deps, "store">): Rulebooks {
  const books = new Map<string, Book>();
  /** Books that are being brought up to date: once for all who wait. */
  const underWay = new Map<string, Promise<Book>>();
  const keyOf = ({ account, region, bus }: BusRef) => `${account} ${region} ${bus}`;

  const follow = async (ref: BusRef, former: Book | undefined): Promise<Book> => {
    const known = former ?? newBook();
    const { now, since } = await store.read(async (tx) => ({
      now: await epochOf(tx, ref),
      since: former === undefined ? undefined : await changesSince(tx, ref, known.epoch),
    }));
    if (since === undefined) {
      const book = newBook();
      // What changes meanwhile is of a later epoch, and taken in by the next look.
      await readAll(store, ref, book);
      book.epoch = now;
      return book;
    }
    for (const name of new Set(since.map((change) => change.name))) {
      known.put(name, await store.read((tx) => readSubscriber(tx, ref, name)));
    }
    known.epoch = now;
    return known;
  };

  return {
    async of(ref) {
      const key = keyOf(ref);
      const epoch = await store.read((tx) => epochOf(tx, ref));
      const known = books.get(key);
      if (known !== undefined && known.epoch >= epoch) return known;
      // Who waits for one that began before its own change must look once more.
      for (let running = underWay.get(key); running !== undefined; running = underWay.get(key)) {
        const book = await running;
        if (book.epoch >= epoch) return book;
      }
      const following = follow(ref, books.get(key)).finally(() => underWay.delete(key));
      underWay.set(key, following);
      const book = await following;
      books.delete(key);
      books.set(key, book);
      const [oldest] = books.keys();
      if (books.size > rulebooksMax && oldest !== undefined) books.delete(oldest);
      return book;
    },
  };
}
