/** Query strings and forms: pairs of names and values, percent-decoded. */
import { Fault } from "../base/errors.ts";
import { parametersMax } from "./limits.ts";

export type Pair = readonly [name: string, value: string];

/** Decodes `%41`; throws a fault when the text is not percent-encoded UTF-8. */
export function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw new Fault("InvalidURI", "Couldn't parse the specified URI.", {}, { cause });
  }
}

/** Pairs of a query string or form, still encoded; those without `=` have an empty value. Empty pieces are left out. */
export function rawPairs(text: string): Pair[] {
  if (text === "") return [];
  const pieces = text.split("&", parametersMax + 1);
  if (pieces.length > parametersMax) throw new Fault("MalformedInput", `More than ${parametersMax} parameters`);
  const pairs: Pair[] = [];
  for (const piece of pieces) {
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    pairs.push(equals === -1 ? [piece, ""] : [piece.slice(0, equals), piece.slice(equals + 1)]);
  }
  return pairs;
}

const plusDecode = (text: string) => percentDecode(text.includes("+") ? text.replaceAll("+", " ") : text);

/** Pairs of a query string or form, decoded; `+` is a space. */
export function decodePairs(text: string): Pair[] {
  return rawPairs(text).map(([name, value]) => [plusDecode(name), plusDecode(value)]);
}

/** Encodes as SigV4 and RFC 3986 want it: everything but `A-Za-z0-9-_.~`. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
