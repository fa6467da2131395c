/**
 * What waits for the events of each bus, compiled: the patterns of its rules and archives as one automaton, so that an
 * event costs what it matches and not what there is. A change is taken in by itself; the automaton is not made anew.
 */
import { setImmediate } from "node:timers/promises";
import { parsePattern, type EventPattern } from "../../kit/event-pattern/pattern.ts";
import { createMatcher, type Matcher } from "../../kit/event-pattern/matcher.ts";
import { rulePatternCharsMax } from "../../kit/event-pattern/limits.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store } from "../../store/store.ts";
import { destinationOfArn, findDestination } from "./destination-rows.ts";
import { changesSince, epochOf } from "./epochs.ts";
import { rulebooksMax, rulesPerTurn } from "./limits.ts";
import {
  archives,
  isNamed,
  isRule,
  ofBus,
  ofRule,
  rules,
  targets,
  type ArchiveRow,
  type BusRef,
  type ChangeRow,
  type RuleRow,
  type Target,
  type TargetRow,
} from "./tables.ts";

/** A rule that is enabled, with where its events go. */
export interface Subscriber {
  rule: RuleRow;
  targets: readonly Target[];
  /** Requests a second that API destinations among the targets take, by ARN. */
  rates: ReadonlyMap<string, number>;
}

/** What is done with an event: rules that match it hand it on, archives keep it. */
export interface Matches {
  subscribers: readonly Subscriber[];
  archives: readonly ArchiveRow[];
}

export interface Rulebook {
  /** Rules and archives whose patterns match the event (parsed JSON). */
  match(event: unknown): Matches;
}

export interface Rulebooks {
  /** The rules of a bus as they are on disk now. */
  of(ref: BusRef): Promise<Rulebook>;
}

type Kind = ChangeRow["kind"];
type Listener = { subscriber: Subscriber } | { archive: ArchiveRow };

interface Book extends Rulebook {
  epoch: number;
  /** Takes a listener in, in the place of the one of that name. */
  put(kind: Kind, name: string, listener: Listener | undefined): void;
}

/** Every event of the bus. */
const anything = '{"version": ["0"]}';

function patternOf(listener: Listener): string | undefined {
  if ("archive" in listener) return listener.archive.pattern ?? anything;
  const { state, pattern } = listener.subscriber.rule;
  return state === "DISABLED" ? undefined : (pattern ?? undefined);
}

function newBook(): Book {
  const matcher: Matcher<Listener> = createMatcher();
  const entries = new Map<string, { pattern: EventPattern; listener: Listener }>();
  return {
    epoch: 0,
    put(kind, name, listener) {
      const key = `${kind} ${name}`;
      const former = entries.get(key);
      if (former !== undefined) matcher.remove(former.pattern, former.listener);
      entries.delete(key);
      const text = listener === undefined ? undefined : patternOf(listener);
      if (listener === undefined || text === undefined) return;
      const pattern = parsePattern(text, { charsMax: rulePatternCharsMax });
      matcher.add(pattern, listener);
      entries.set(key, { pattern, listener });
    },
    match(event) {
      const found = matcher.match(event);
      return {
        subscribers: found.flatMap((listener) => ("subscriber" in listener ? [listener.subscriber] : [])),
        archives: found.flatMap((listener) => ("archive" in listener ? [listener.archive] : [])),
      };
    },
  };
}

async function ratesOf(tx: ReadTx, rows: readonly TargetRow[]): Promise<ReadonlyMap<string, number>> {
  const rates = new Map<string, number>();
  for (const arn of new Set(rows.map((row) => row.arn))) {
    const ref = destinationOfArn(arn);
    const destination = ref === undefined ? undefined : await findDestination(tx, ref);
    if (destination !== undefined) rates.set(arn, destination.per_second_max);
  }
  return rates;
}

/** Every rule of a bus, in the order of their names. */
async function readAll(store: Store, ref: BusRef, book: Book): Promise<void> {
  let after = "";
  for (;;) {
    const found = await store.read(async (tx) => {
      const page = await tx.all<RuleRow>(sql`select ${rules.columns} from ${rules.name}
        where ${ofBus(ref)} and name > ${after} order by name limit ${rulesPerTurn}`);
      const last = page.at(-1)?.name ?? after;
      const their = await tx.all<TargetRow>(sql`select ${targets.columns} from ${targets.name}
        where ${ofBus(ref)} and rule > ${after} and rule <= ${last} order by rule, id`);
      return { page, their, rates: await ratesOf(tx, their) };
    });
    const byRule = Map.groupBy(found.their, ({ rule }) => rule);
    for (const rule of found.page) {
      const targets = (byRule.get(rule.name) ?? []).map(({ target }) => target);
      const subscriber = { rule, targets, rates: found.rates };
      book.put("rule", rule.name, { subscriber });
    }
    if (found.page.length < rulesPerTurn) break;
    after = found.page.at(-1)?.name ?? after;
    // Others have their turn: a bus of thousands of rules takes seconds in all.
    await setImmediate();
  }
  const kept = await store.read((tx) =>
    tx.all<ArchiveRow>(sql`select ${archives.columns} from ${archives.name} where ${ofBus(ref)} order by name`),
  );
  for (const archive of kept) book.put("archive", archive.name, { archive });
}

/** The listener of a change, as it is now. */
async function readListener(tx: ReadTx, ref: BusRef, { kind, name }: ChangeRow): Promise<Listener | undefined> {
  if (kind === "rule") {
    const subscriber = await readSubscriber(tx, ref, name);
    return subscriber === undefined ? undefined : { subscriber };
  }
  const archive = await tx.one<ArchiveRow>(sql`select ${archives.columns} from ${archives.name}
    where ${isNamed({ ...ref, name })} and bus = ${ref.bus}`);
  return archive === undefined ? undefined : { archive };
}

export async function readSubscriber(tx: ReadTx, ref: BusRef, name: string): Promise<Subscriber | undefined> {
  const rule = await tx.one<RuleRow>(sql`select ${rules.columns} from ${rules.name} where ${isRule({ ...ref, name })}`);
  if (rule === undefined) return undefined;
  const rows = await tx.all<TargetRow>(
    sql`select ${targets.columns} from ${targets.name} where ${ofRule({ ...ref, name })} order by id`,
  );
  return { rule, targets: rows.map(({ target }) => target), rates: await ratesOf(tx, rows) };
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
    const latest = new Map(since.map((change) => [`${change.kind} ${change.name}`, change]));
    for (const change of latest.values()) {
      known.put(change.kind, change.name, await store.read((tx) => readListener(tx, ref, change)));
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
