/** Which bytes may stand where in an HTTP/1.1 message (RFC 9110 section 5, RFC 9112 section 3), as one table of flags. */

export const isToken = 1;
export const isTarget = 2;
export const isValue = 4;
export const isDigit = 8;
export const isPlainName = 16;

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

function flagsOf(byte: number): number {
  const char = String.fromCharCode(byte);
  let flags = 0;
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char)) flags |= isToken;
  // Wider than RFC 3986 (browsers send `|`, `"` and braces as they are), but never a fragment, a space or a raw 8-bit byte.
  if (byte > SP && byte < 127 && char !== "#") flags |= isTarget;
  if (byte === HTAB || (byte >= SP && byte !== 127)) flags |= isValue;
  if (/[0-9]/.test(char)) flags |= isDigit;
  if (/[-A-Za-z0-9]/.test(char)) flags |= isPlainName;
  return flags;
}

/** Flags of each byte. */
export const flags: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => flagsOf(byte));

function every(text: string, flag: number): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 255 || ((flags[code] as number) & flag) === 0) return false;
  }
  return true;
}

/** True for a token of RFC 9110: what a method or a field name must be. */
export function tokenText(text: string): boolean {
  return text !== "" && every(text, isToken);
}

/** True for what may stand in a field value: no control character but HTAB, nothing beyond Latin-1. */
export function valueText(text: string): boolean {
  return every(text, isValue);
}

/** True for names of `-A-Za-z0-9` only. */
export function plainName(text: string): boolean {
  return every(text, isPlainName);
}
