/** One answer on its way past the cache: gathered while it goes on, and kept when it has come whole. */
import type { Headers } from "../../base/http.ts";
import { flatHeaders } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import type { RequestRecord } from "../record.ts";
import { valueOf } from "./fields.ts";
import { freshnessOf, hasValidator, type Arrival, type Freshness } from "./freshness.ts";
import type { CachePolicy } from "../policies.ts";
import { variesBy, type Entry, type Store, type Ticket } from "./store.ts";

/** Fields of one connection or one message (RFC 9111 section 3.1), and those that are computed for each answer. */
const notKept: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "trailer",
  "upgrade",
  "proxy-authenticate",
  "proxy-authentication-info",
  "content-length",
  "age",
]);
/** What a 304 says of them is of the message that it is, not of what is kept (RFC 9111 section 3.2). */
const notUpdated: ReadonlySet<string> = new Set(["content-encoding", "content-type", "content-range"]);

/** What a fetch is for. */
export interface Errand {
  policy: CachePolicy;
  store: Store;
  key: string;
  /** The fields of the request. */
  fields: Headers;
  /** What is kept of it, and is asked about. */
  entry: Entry | undefined;
  /** Told, perhaps more than once, when it is known what comes of it; `cut` when its client left before that. */
  settled?(cut: boolean): void;
}

export class Keeper {
  readonly #errand: Errand;
  readonly #request: RequestRecord;
  readonly #ticket: Ticket;
  readonly #askedMs: number;
  #kept: Omit<Entry, "body"> | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #over = false;

  constructor(errand: Errand, request: RequestRecord) {
    this.#errand = errand;
    this.#request = request;
    this.#ticket = errand.store.fetching(errand.key);
    this.#askedMs = request.listener.plane.clock.monotonicMs();
  }

  /**
   * Where the endpoint says that what is kept is still right: that, as new, with what the endpoint says of it now
   * (RFC 9111 section 4.3.4). Undefined for any other answer.
   */
  confirmed(head: ResponseHead): Entry | undefined {
    const { entry } = this.#errand;
    // Without a validator of ours it answers the client's own question.
    if (head.status !== 304 || entry === undefined || !hasValidator(entry.fields)) return undefined;
    const said = this.#endToEnd(head);
    const names = new Set(namesOf(said).filter((name) => !notUpdated.has(name)));
    const fields = [...without(entry.fields, names), ...without(said, notUpdated)];
    const freshness = this.#freshness(entry.status, fields, head);
    if (freshness === undefined) this.#errand.store.forget(entry.key);
    const renewed: Entry = { ...entry, fields, freshness: freshness ?? entry.freshness };
    if (freshness !== undefined && this.#ticket.valid) this.#errand.store.put(renewed, this.#errand.fields);
    this.end(undefined);
    return renewed;
  }

  /** An answer begins that goes on. */
  begin(head: ResponseHead): void {
    const { key, fields: request, policy } = this.#errand;
    // Where only the end of the connection ends it, nobody knows that it is whole.
    const whole = head.framing !== "eof" && head.contentLength <= policy.entryBytesMax;
    const fields = this.#endToEnd(head);
    const freshness = whole ? this.#freshness(head.status, fields, head) : undefined;
    const vary = variesBy(fields, request);
    if (freshness !== undefined && vary !== undefined) {
      this.#kept = { key, status: head.status, fields, freshness, vary };
      return;
    }
    if (head.status < 500) this.#replace();
    this.#errand.settled?.(false);
  }

  /** The answer takes the place of what is kept, and cannot be kept itself. */
  #replace(): void {
    const { store, key, entry } = this.#errand;
    if (entry !== undefined) store.forget(key);
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#kept === undefined) return;
    const length = end - start;
    const { policy, store } = this.#errand;
    if (this.#bytes + length > policy.entryBytesMax || !store.reserve(length)) {
      this.#kept = undefined;
      this.#drop();
      this.#replace();
      this.#errand.settled?.(false);
      return;
    }
    this.#bytes += length;
    // The bytes are used again after the call.
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** It is over: whole, or (without trailers) cut off, by its client where `left`. Later calls do nothing. */
  end(trailers: Headers | undefined, left = false): void {
    if (this.#over) return;
    this.#over = true;
    const { store, key, fields } = this.#errand;
    // Trailers are not kept, so an answer with some would not be the same again.
    if (this.#kept !== undefined && trailers?.length === 0 && this.#ticket.valid) {
      store.put({ ...this.#kept, body: Buffer.concat(this.#pieces) }, fields);
    }
    this.#kept = undefined;
    this.#drop();
    store.fetched(key, this.#ticket);
    this.#errand.settled?.(left);
  }

  #drop(): void {
    this.#errand.store.release(this.#bytes);
    this.#bytes = 0;
    this.#pieces = [];
  }

  #freshness(status: number, fields: Headers, head: ResponseHead): Freshness | undefined {
    const { clock } = this.#request.listener.plane;
    const monotonicMs = clock.monotonicMs();
    const arrival: Arrival = { nowMs: clock.now(), monotonicMs, delayMs: monotonicMs - this.#askedMs };
    const age = valueOf(flatHeaders(head), "age");
    const withAge = age === undefined ? fields : [...fields, "Age", age];
    const freshness = freshnessOf(status, withAge, this.#errand.policy, arrival);
    const authorized = valueOf(this.#errand.fields, "authorization") !== undefined;
    return authorized && freshness?.public !== true ? undefined : freshness;
  }

  #endToEnd(head: ResponseHead): Headers {
    // Those that its listener sets are hidden among them, and come anew with each answer.
    const names = new Set([...notKept, ...head.connectionOptions]);
    const fields = without(flatHeaders(head), names);
    return head.hasDate ? fields : [...fields, "Date", this.#request.listener.plane.dateText()];
  }
}

function namesOf(fields: Headers): string[] {
  return fields.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
}

function without(fields: Headers, names: ReadonlySet<string>): Headers {
  return fields.filter((_, i) => !names.has((fields[i - (i % 2)] ?? "").toLowerCase()));
}
