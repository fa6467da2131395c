/** The field names that the engine itself understands, told apart from their bytes without making a string. */

/** Ids of the known fields; 0 is any other. */
export const field = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  expect: 5,
  te: 6,
  trailer: 7,
  upgrade: 8,
  keepAlive: 9,
  proxyConnection: 10,
  forwardedFor: 11,
  forwardedProto: 12,
  forwardedPort: 13,
  date: 14,
  server: 15,
  userAgent: 16,
} as const;

/** Ids are less than this. */
export const fieldIds = 17;

const names: Record<string, number> = {
  host: field.host,
  connection: field.connection,
  "content-length": field.contentLength,
  "transfer-encoding": field.transferEncoding,
  expect: field.expect,
  te: field.te,
  trailer: field.trailer,
  upgrade: field.upgrade,
  "keep-alive": field.keepAlive,
  "proxy-connection": field.proxyConnection,
  "x-forwarded-for": field.forwardedFor,
  "x-forwarded-proto": field.forwardedProto,
  "x-forwarded-port": field.forwardedPort,
  date: field.date,
  server: field.server,
  "user-agent": field.userAgent,
};

/** Fields that belong to one connection and are never passed on (RFC 9110 section 7.6.1). */
export const hopByHop: ReadonlySet<number> = new Set([
  field.connection,
  field.transferEncoding,
  field.te,
  field.upgrade,
  field.keepAlive,
  field.proxyConnection,
]);

const inTrailers: ReadonlySet<string> = new Set(["date", "server", "user-agent"]);

/** Fields that frame or route a message, which therefore have no place in a trailer section. */
export const neverTrailer: ReadonlySet<string> = new Set([
  ...Object.keys(names).filter((name) => !inTrailers.has(name)),
  "authorization",
  "content-encoding",
  "content-range",
  "content-type",
  "set-cookie",
]);

interface Candidate {
  bytes: Uint8Array;
  id: number;
}

/** Known names by length: at most four to compare, mostly none. */
const byLength: Candidate[][] = [];
for (const [name, id] of Object.entries(names)) {
  (byLength[name.length] ??= []).push({ bytes: Buffer.from(name, "latin1"), id });
}
for (let length = 0; length < byLength.length; length += 1) byLength[length] ??= [];

/** The id of the field whose name is `bytes[start..end)`, in any case. */
export function fieldId(bytes: Uint8Array, start: number, end: number): number {
  const candidates = byLength[end - start];
  if (candidates === undefined) return field.other;
  for (let c = 0; c < candidates.length; c += 1) {
    const { bytes: name, id } = candidates[c] as Candidate;
    let i = 0;
    // 0x20 makes letters lower case, and turns no other token byte into a letter or "-".
    while (i < name.length && ((bytes[start + i] as number) | 0x20) === name[i]) i += 1;
    if (i === name.length) return id;
  }
  return field.other;
}

/** The id of a field by its name in lower case. */
export function fieldIdOf(name: string): number {
  return names[name] ?? field.other;
}

/** Whether `text[start..end)` is `name`, which is in lower case, in any case. Makes no string, as most fields are others. */
export function isNamed(text: string, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i += 1) {
    const code = text.charCodeAt(start + i);
    const lower = code >= 65 && code <= 90 ? code | 0x20 : code;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}
