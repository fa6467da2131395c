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

/** Requests in the background of one route in one worker; one more is left to the next who asks. */
const refreshesMax = 64;

/** Methods without effects (RFC 9110 section 9.2.1). */
const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const conditions: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

export class RouteCache {
  readonly #policy: CachePolicy;
  readonly #deps: RefreshDeps;
  readonly #store: Store;
  readonly #refreshing = new Set<string>();

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
    return wanted === undefined ? onward(request) : this.#answer(request, fields, wanted, onward);
  }

  #answer(request: RequestRecord, fields: Headers, wanted: Wanted, onward: Onward): Exchange {
    const { head, listener } = request;
    const key = this.#keyOf(request);
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
    listener.counts.add("cacheMisses", 1);
    // Its answer has no body to keep.
    if (head.method === "HEAD") return onward(request);
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
