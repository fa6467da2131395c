/**
 * The response cache of a route in one worker (RFC 9111, as a shared cache): answers from what is kept where that is
 * fresh enough for who asks, and sends on what is not. What may be kept is in `freshness.ts`.
 */
import type { Headers } from "../../base/http.ts";
import { answered, type Exchange } from "../exchange.ts";
import { flatHeaders, type RequestHead } from "../h1/request.ts";
import { linesOf } from "../h2/request.ts";
import type { CachePolicy } from "../policies.ts";
import type { RequestRecord } from "../record.ts";
import { keptHead } from "../resilience/retries.ts";
import { Fetch, type Onward } from "./fetch.ts";
import { dateOf, tagsOf, valueOf } from "./fields.ts";
import { ageMsOf, coversError, hasValidator, useOf, wantedOf, type Wanted } from "./freshness.ts";
import type { Errand } from "./keeper.ts";
import { Refresh, type RefreshDeps } from "./refresh.ts";
import { Store, type Entry } from "./store.ts";
import { Waiting } from "./waiting.ts";

/** Requests in the background of one route in one worker; one more is left to the next who asks. */
const refreshesMax = 64;

/** Requests of one route in one worker that wait for others; one more asks by itself. */
const waitingMax = 4_096;

/** Methods without effects (RFC 9110 section 9.2.1). */
const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const conditions: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

/** A request as the cache sees it. */
interface Asked {
  request: RequestRecord;
  /** Good for as long as it is needed. */
  head: RequestHead;
  fields: Headers;
  wanted: Wanted;
  key: string;
  onward: Onward;
  /** Monotonic milliseconds until which it may wait for others. */
  untilMs: number;
}

export class RouteCache {
  readonly #policy: CachePolicy;
  readonly #deps: RefreshDeps;
  readonly #store: Store;
  readonly #refreshing = new Set<string>();
  /** By key: who waits for the request that fetches it. */
  readonly #fetching = new Map<string, Set<Waiting>>();
  #waiting = 0;

  constructor(policy: CachePolicy, deps: RefreshDeps) {
    this.#policy = policy;
    this.#deps = deps;
    this.#store = new Store(policy);
  }

  /** Answers `request`, or gives it to `onward`. */
  handle(request: RequestRecord, onward: Onward): Exchange {
    const { head } = request;
    const { method } = head;
    if (!safe.has(method)) {
      this.#invalidateAfter(request);
      return onward(request);
    }
    // What is doubtful in form could be read as another request by who answers it.
    const plain = head.framing === "none" && head.upgrade === undefined && head.verdict === undefined;
    if (!plain || method === "OPTIONS") return onward(request);
    const fields = flatHeaders(head);
    const wanted = wantedOf(fields);
    if (wanted === undefined) return onward(request);
    const key = this.#keyOf(request);
    return this.#answer({ request, head, fields, wanted, key, onward, untilMs: this.#nowMs + this.#policy.coalesceMs });
  }

  #answer(asked: Asked): Exchange {
    const { request, head, fields, wanted, key, onward } = asked;
    const { listener } = request;
    const found = this.#store.find(key, fields);
    const authorized = valueOf(fields, "authorization") !== undefined;
    const entry = authorized && found?.freshness.public === false ? undefined : found;
    const use = entry === undefined ? "ask" : useOf(entry.freshness, wanted, this.#nowMs);
    const errand: Errand = { policy: this.#policy, store: this.#store, key, fields, entry };
    if (entry !== undefined && use !== "ask") {
      listener.counts.add(use === "give" ? "cacheHits" : "cacheStale", 1);
      // Before it is answered: then its head is its connection's again.
      if (use === "give-stale") this.#refresh(request, errand, onward);
      return this.#give(request, fields, entry);
    }
    if (wanted.onlyIfCached) return request.refuse(504, "only-if-cached");
    const shares = !authorized && this.#shares(asked, entry);
    if (shares && this.#fetching.has(key) && this.#waiting < waitingMax) return this.#wait(asked);
    listener.counts.add("cacheMisses", 1);
    // Its answer has no body to keep.
    if (head.method === "HEAD") return onward(request);
    if (shares && !this.#fetching.has(key)) errand.settled = this.#leadFor(key);
    return new Fetch(request, entry === undefined ? keptHead(head) : askingHead(head, fields, entry), errand, {
      confirmed: (renewed) => {
        listener.counts.add("cacheRevalidated", 1);
        this.#give(request, fields, renewed);
      },
      failed: () => {
        if (entry === undefined || !coversError(entry.freshness, wanted, this.#nowMs)) return false;
        listener.counts.add("cacheStale", 1);
        this.#give(request, fields, entry);
        return true;
      },
    }).begin(onward);
  }

  /** Whether what comes for this request may be what others want too, and there is time to wait for it. */
  #shares({ head, wanted, untilMs }: Asked, entry: Entry | undefined): boolean {
    if (head.method !== "GET" || wanted.validated || wanted.ageMsMax === 0) return false;
    return entry?.freshness.validatesAlways !== true && untilMs > this.#nowMs;
  }

  /** Has the request wait for the one that fetches its key: what that brings is looked up as anything that is kept. */
  #wait(asked: Asked): Exchange {
    const { request, key, untilMs } = asked;
    const waiting = this.#fetching.get(key);
    // The connection's scanner is at other work by the time it goes on.
    const kept = { ...asked, head: keptHead(asked.head) };
    const one = new Waiting({
      request,
      untilMs,
      ...this.#deps,
      resume: (again) => this.#answer(again ? kept : { ...kept, untilMs: 0 }),
      left: () => {
        this.#waiting -= 1;
        waiting?.delete(one);
      },
    });
    this.#waiting += 1;
    request.listener.counts.add("cacheWaits", 1);
    waiting?.add(one);
    return one;
  }

  /** Others may wait for a request that begins; gives the one to call when it is known what comes of it. */
  #leadFor(key: string): (cut: boolean) => void {
    const waiting = new Set<Waiting>();
    this.#fetching.set(key, waiting);
    return (cut) => {
      if (this.#fetching.get(key) !== waiting) return;
      this.#fetching.delete(key);
      // Where its client left, the first of them asks in its place. Else there is nothing more to wait for: one by one,
      // those whose answer cannot be kept would each wait for all before them.
      for (const one of waiting) one.release(cut);
    };
  }

  /** Asks about what is kept while it is given out, unless that is being done. */
  #refresh(request: RequestRecord, errand: Errand, onward: Onward): void {
    const { entry, fields, key } = errand;
    const variant = `${key}\n${JSON.stringify(entry?.vary ?? [])}`;
    if (entry === undefined || this.#refreshing.has(variant) || this.#refreshing.size >= refreshesMax) return;
    this.#refreshing.add(variant);
    const { counts } = request.listener;
    new Refresh(request, askingHead(request.head, fields, entry), errand, this.#deps, (confirmed) => {
      this.#refreshing.delete(variant);
      if (confirmed) counts.add("cacheRevalidated", 1);
    }).begin(onward);
  }

  #give(request: RequestRecord, asked: Headers, entry: Entry): Exchange {
    const unchanged = entry.status === 200 && holds(asked, entry);
    const status = unchanged ? 304 : entry.status;
    const age = Math.floor(ageMsOf(entry.freshness, this.#nowMs) / 1000);
    const bodiless = status === 304 || status === 204;
    const length = bodiless ? "" : `Content-Length: ${entry.body.length}\r\n`;
    request.status = status;
    // Over before the client can know that it is.
    request.end();
    request.client.reply({
      status,
      lines: `${keptLines(entry.fields, unchanged)}Age: ${age}\r\n${length}${request.responseLines}`,
      body: bodiless || request.head.method === "HEAD" ? "" : entry.body,
    });
    return answered;
  }

  /** What an unsafe method may have changed is forgotten once it has an answer that is no error (RFC 9111 section 4.4). */
  #invalidateAfter(request: RequestRecord): void {
    const key = this.#keyOf(request);
    request.onEnd(() => {
      if (request.status < 400) this.#store.invalidate(key);
    });
  }

  #keyOf({ head, path, query }: RequestRecord): string {
    const { queryParameters } = this.#policy;
    // The scheme is the listener's, as the cache is.
    if (queryParameters === undefined) return `${head.host}${head.target}`;
    const chosen = query.split("&").filter((part) => queryParameters.includes(part.split("=", 1)[0] ?? ""));
    return `${head.host}${path}?${chosen.toSorted().join("&")}`;
  }

  get #nowMs(): number {
    return this.#deps.clock.monotonicMs();
  }
}

/** Whether the client has what is kept (RFC 9110 section 13.2.2). */
function holds(asked: Headers, { fields }: Entry): boolean {
  const tags = valueOf(asked, "if-none-match");
  if (tags !== undefined) {
    const [tag] = tagsOf(valueOf(fields, "etag") ?? "");
    return tags.trim() === "*" || (tag !== undefined && tagsOf(tags).includes(tag));
  }
  const since = dateOf(valueOf(asked, "if-modified-since"));
  const modified = dateOf(valueOf(fields, "last-modified"));
  return since !== undefined && modified !== undefined && modified <= since;
}

/** The lines of an entry; those that describe its body stay away from a 304 (RFC 9110 section 15.4.5). */
function keptLines(fields: Headers, unchanged: boolean): string {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    const ofBody = /^content-(?!location$)/i.test(name);
    if (!unchanged || !ofBody) lines += `${name}: ${fields[i + 1] ?? ""}\r\n`;
  }
  return lines;
}

/** The head of a GET that asks whether `entry` is still right, in place of what its client has. */
function askingHead(head: RequestHead, fields: Headers, { fields: kept }: Entry): RequestHead {
  const asking = hasValidator(kept)
    ? fields.filter((_, i) => !conditions.has((fields[i - (i % 2)] ?? "").toLowerCase()))
    : [...fields];
  const tag = valueOf(kept, "etag");
  const modified = valueOf(kept, "last-modified");
  if (tag !== undefined) asking.push("If-None-Match", tag);
  if (modified !== undefined) asking.push("If-Modified-Since", modified);
  const { text, spans } = linesOf(`GET ${head.target} HTTP/1.1\r\n`, asking);
  return { ...head, method: "GET", text, spans, count: asking.length / 2 };
}
