/**
 * What RFC 9111 (and 5861) says of a shared cache, row by row, and what this one does. The groups are those of the public
 * http-cache-tests suite (cache-tests.fyi). `allowed` marks the rows where the RFC allows a reuse that this cache leaves out,
 * with the reason.
 */

/** `reused`: the second request is answered without asking; `asked`: it goes on; `confirmed`: it goes on, with a condition. */
export type Outcome = "reused" | "asked" | "confirmed";

export interface CacheRow {
  group: string;
  what: string;
  /** Of the first answer. */
  status?: number;
  fields: Record<string, string | string[]>;
  /** Of the first request, and of the second; both where they are the same. */
  first?: Record<string, string>;
  second?: Record<string, string>;
  method?: string;
  expected: Outcome;
  allowed?: string;
}

const soon = () => new Date(Date.now() + 3_600_000).toUTCString();
const past = () => new Date(Date.now() - 3_600_000).toUTCString();
const tagged = { ETag: '"1"' };
const fresh = { "Cache-Control": "max-age=3600" };
const staleNow = { "Cache-Control": "max-age=10", Age: "20" };

const none = "Nothing is guessed where an answer says nothing of its own freshness.";
const unguessed = [200, 203, 204, 404, 410].map((status): CacheRow => ({
  group: "heuristic freshness",
  what: `${status} with an old Last-Modified alone`,
  status,
  fields: { "Last-Modified": new Date(0).toUTCString() },
  expected: "asked",
  allowed: none,
}));

export const cacheRows: readonly CacheRow[] = [
  ...[200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501].map((status): CacheRow => ({
    group: "status",
    what: `${status} with max-age`,
    status,
    fields: fresh,
    expected: "reused",
  })),
  ...[500, 502, 503, 504].map((status): CacheRow => ({
    group: "status",
    what: `${status} with max-age`,
    status,
    fields: fresh,
    expected: "asked",
    allowed: "Errors of a server are not kept, whatever they say.",
  })),
  {
    group: "status",
    what: "206, of a request for a part",
    status: 206,
    fields: { ...fresh, "Content-Range": "bytes 0-1/3" },
    first: { range: "bytes=0-1" },
    second: { range: "bytes=0-1" },
    expected: "asked",
    allowed: "Parts are not kept.",
  },

  { group: "freshness", what: "max-age", fields: fresh, expected: "reused" },
  { group: "freshness", what: "max-age=0", fields: { "Cache-Control": "max-age=0" }, expected: "asked" },
  { group: "freshness", what: "max-age in capitals", fields: { "Cache-Control": "MaX-aGe=3600" }, expected: "reused" },
  { group: "freshness", what: "max-age in quotes", fields: { "Cache-Control": 'max-age="3600"' }, expected: "reused" },
  {
    group: "freshness",
    what: "max-age that is no number",
    fields: { "Cache-Control": "max-age=a" },
    expected: "asked",
  },
  { group: "freshness", what: "a negative max-age", fields: { "Cache-Control": "max-age=-3600" }, expected: "asked" },
  { group: "freshness", what: "a fraction", fields: { "Cache-Control": "max-age=3600.0" }, expected: "asked" },
  {
    group: "freshness",
    what: "two max-ages that differ",
    fields: { "Cache-Control": "max-age=3600, max-age=1800" },
    expected: "asked",
  },
  {
    group: "freshness",
    what: "max-age beyond 2^31",
    fields: { "Cache-Control": "max-age=99999999999" },
    expected: "reused",
  },
  {
    group: "freshness",
    what: "s-maxage before max-age",
    fields: { "Cache-Control": "max-age=0, s-maxage=60" },
    expected: "reused",
  },
  {
    group: "freshness",
    what: "s-maxage=0 before max-age",
    fields: { "Cache-Control": "max-age=60, s-maxage=0" },
    expected: "asked",
  },
  {
    group: "freshness",
    what: "an unknown directive beside",
    fields: { "Cache-Control": "max-age=60, foo=bar" },
    expected: "reused",
  },
  {
    group: "freshness",
    what: "max-age in a second line",
    fields: { "Cache-Control": ["foo", "max-age=60"] },
    expected: "reused",
  },
  { group: "freshness", what: "nothing at all", fields: {}, expected: "asked" },
  ...unguessed,

  { group: "expires", what: "in an hour", fields: { Expires: soon() }, expected: "reused" },
  { group: "expires", what: "an hour ago", fields: { Expires: past() }, expected: "asked" },
  { group: "expires", what: "0", fields: { Expires: "0" }, expected: "asked" },
  { group: "expires", what: "no date", fields: { Expires: "next year" }, expected: "asked" },
  { group: "expires", what: "now, and max-age", fields: { Expires: past(), ...fresh }, expected: "reused" },
  {
    group: "expires",
    what: "later, and max-age=0",
    fields: { Expires: soon(), "Cache-Control": "max-age=0" },
    expected: "asked",
  },
  {
    group: "expires",
    what: "as RFC 850 wrote dates",
    fields: { Expires: "Saturday, 18-Aug-40 02:01:18 GMT" },
    expected: "reused",
  },

  { group: "age", what: "beyond the lifetime", fields: { ...staleNow }, expected: "asked" },
  { group: "age", what: "within it", fields: { ...fresh, Age: "1800" }, expected: "reused" },
  { group: "age", what: "that is no number", fields: { ...fresh, Age: "abc" }, expected: "reused" },
  {
    group: "age",
    what: "by the Date of long ago",
    fields: { ...fresh, Date: new Date(0).toUTCString() },
    expected: "asked",
  },

  { group: "directives", what: "no-store", fields: { "Cache-Control": "max-age=60, no-store" }, expected: "asked" },
  { group: "directives", what: "private", fields: { "Cache-Control": "max-age=60, private" }, expected: "asked" },
  {
    group: "directives",
    what: "no-cache without a validator",
    fields: { "Cache-Control": "max-age=60, no-cache" },
    expected: "asked",
  },
  {
    group: "directives",
    what: "no-cache with one",
    fields: { "Cache-Control": "max-age=60, no-cache", ...tagged },
    expected: "confirmed",
  },
  {
    group: "directives",
    what: "must-revalidate while fresh",
    fields: { "Cache-Control": "max-age=60, must-revalidate" },
    expected: "reused",
  },
  {
    group: "directives",
    what: "Pragma of an answer means nothing",
    fields: { ...fresh, Pragma: "no-cache" },
    expected: "reused",
  },
  {
    group: "directives",
    what: "Set-Cookie",
    fields: { ...fresh, "Set-Cookie": "a=b" },
    expected: "asked",
    allowed: "A cookie is for one client.",
  },

  {
    group: "vary",
    what: "the same value",
    fields: { ...fresh, Vary: "Foo" },
    first: { foo: "1" },
    second: { foo: "1" },
    expected: "reused",
  },
  {
    group: "vary",
    what: "another value",
    fields: { ...fresh, Vary: "Foo" },
    first: { foo: "1" },
    second: { foo: "2" },
    expected: "asked",
  },
  {
    group: "vary",
    what: "a value, and none",
    fields: { ...fresh, Vary: "Foo" },
    first: { foo: "1" },
    second: {},
    expected: "asked",
  },
  { group: "vary", what: "none, twice", fields: { ...fresh, Vary: "Foo" }, expected: "reused" },
  {
    group: "vary",
    what: "one of two differs",
    fields: { ...fresh, Vary: "Foo, Bar" },
    first: { foo: "1", bar: "1" },
    second: { foo: "1", bar: "2" },
    expected: "asked",
  },
  { group: "vary", what: "*", fields: { ...fresh, Vary: "*" }, expected: "asked" },
  { group: "vary", what: "* among others", fields: { ...fresh, Vary: "Foo, *" }, expected: "asked" },

  { group: "conditional", what: "stale, with ETag", fields: { ...staleNow, ...tagged }, expected: "confirmed" },
  {
    group: "conditional",
    what: "stale, with Last-Modified",
    fields: { ...staleNow, "Last-Modified": past() },
    expected: "confirmed",
  },
  { group: "conditional", what: "stale, without either", fields: staleNow, expected: "asked" },
  { group: "conditional", what: "a weak tag", fields: { ...staleNow, ETag: 'W/"1"' }, expected: "confirmed" },

  { group: "request", what: "no-cache", fields: fresh, second: { "cache-control": "no-cache" }, expected: "asked" },
  {
    group: "request",
    what: "no-cache, with a validator kept",
    fields: { ...fresh, ...tagged },
    second: { "cache-control": "no-cache" },
    expected: "confirmed",
  },
  { group: "request", what: "no-store", fields: fresh, second: { "cache-control": "no-store" }, expected: "asked" },
  { group: "request", what: "max-age=0", fields: fresh, second: { "cache-control": "max-age=0" }, expected: "asked" },
  {
    group: "request",
    what: "max-age within the age",
    fields: { ...fresh, Age: "1800" },
    second: { "cache-control": "max-age=600" },
    expected: "asked",
  },
  {
    group: "request",
    what: "min-fresh that is left",
    fields: fresh,
    second: { "cache-control": "min-fresh=10" },
    expected: "reused",
  },
  {
    group: "request",
    what: "min-fresh that is not left",
    fields: fresh,
    second: { "cache-control": "min-fresh=7200" },
    expected: "asked",
  },
  {
    group: "request",
    what: "max-stale",
    fields: staleNow,
    second: { "cache-control": "max-stale=600" },
    expected: "asked",
    allowed: "What is stale is given out only as its owner says.",
  },
  {
    group: "request",
    what: "only-if-cached, and it is",
    fields: fresh,
    second: { "cache-control": "only-if-cached" },
    expected: "reused",
  },
  { group: "request", what: "Pragma: no-cache", fields: fresh, second: { pragma: "no-cache" }, expected: "asked" },
  {
    group: "request",
    what: "Pragma: no-cache beside Cache-Control",
    fields: fresh,
    second: { pragma: "no-cache", "cache-control": "max-age=600" },
    expected: "reused",
  },
  {
    group: "request",
    what: "a part of what is kept",
    fields: fresh,
    second: { range: "bytes=0-1" },
    expected: "asked",
    allowed: "Parts are left to the endpoint.",
  },

  {
    group: "authorization",
    what: "max-age alone",
    fields: fresh,
    first: { authorization: "x" },
    second: { authorization: "x" },
    expected: "asked",
  },
  ...["public", "s-maxage=60", "must-revalidate"].map((directive): CacheRow => ({
    group: "authorization",
    what: directive,
    fields: { "Cache-Control": `max-age=60, ${directive}` },
    first: { authorization: "x" },
    second: { authorization: "y" },
    expected: "reused",
  })),
  {
    group: "authorization",
    what: "kept without, asked for with",
    fields: fresh,
    first: {},
    second: { authorization: "x" },
    expected: "asked",
    allowed: "What is not public is not given to who shows credentials.",
  },

  {
    group: "stale",
    what: "within stale-while-revalidate",
    fields: { "Cache-Control": "max-age=10, stale-while-revalidate=600", Age: "20" },
    expected: "reused",
  },
  {
    group: "stale",
    what: "past it",
    fields: { "Cache-Control": "max-age=10, stale-while-revalidate=5", Age: "20" },
    expected: "asked",
  },
  {
    group: "stale",
    what: "within it, and must-revalidate",
    fields: { "Cache-Control": "max-age=10, stale-while-revalidate=600, must-revalidate", Age: "20" },
    expected: "asked",
  },
  {
    group: "stale",
    what: "within it, and s-maxage beside",
    fields: { "Cache-Control": "s-maxage=10, stale-while-revalidate=600", Age: "20" },
    expected: "reused",
  },

  { group: "method", what: "HEAD of what a GET left", fields: fresh, method: "HEAD", expected: "reused" },
  { group: "method", what: "POST", fields: fresh, method: "POST", expected: "asked" },
  { group: "method", what: "OPTIONS", fields: fresh, method: "OPTIONS", expected: "asked" },
];
