/**
 * Names that some server could take for one of the two fields that frame a message: by trimming, by treating other
 * characters as the hyphen, or by folding letters beyond ASCII. Attackers write them so that one server frames a request
 * by them and the next does not.
 */

/** The two fields that frame. */
export type FramingName = "transfer-encoding" | "content-length";

/** The shortest name that can look like one: as long as the shorter of the two. */
export const lookalikeBytesMin = "content-length".length;

/** Letters that upper-casing turns into ASCII ones: the long s and the dotless i, as the bytes of their UTF-8. */
const folded: Record<string, string> = { s: "(?:s|\xc5\xbf)", i: "(?:i|\xc4\xb1)" };

/** Around the name anything but letters and digits; within it white space and controls; for the hyphen any one character. */
function patternOf(name: FramingName): RegExp {
  const letters = Array.from(name, (char) =>
    char === "-" ? "[^][^0-9a-z]*" : `${folded[char] ?? char}[\\0-\\x20]*`,
  ).join("");
  return new RegExp(`^[^0-9a-z]*${letters}[^0-9a-z]*$`, "i");
}

const patterns: readonly (readonly [FramingName, RegExp])[] = [
  ["transfer-encoding", patternOf("transfer-encoding")],
  ["content-length", patternOf("content-length")],
];

/** The framing field that `name` is, or looks like; a character per byte. */
export function framingNameOf(name: string): FramingName | undefined {
  if (name.length < lookalikeBytesMin) return undefined;
  // White space of any length is one: the patterns have several ways to match each of its characters.
  const text = name.replace(/[\0-\x20]+/g, " ");
  return patterns.find(([framing, pattern]) => name.length >= framing.length && pattern.test(text))?.[0];
}

/** Letters that such a name can begin and end with, or a character that is no letter or digit. */
const edgeFlags = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte).toLowerCase();
  const neither = /[^0-9a-z]/.test(char);
  return (neither || char === "t" || char === "c" ? 1 : 0) | (neither || char === "g" || char === "h" ? 2 : 0);
});

/** Whether `name`, in lower case, looks like one of the two and is neither. Cheap for names that do not. */
export function isLookalikeName(name: string): boolean {
  if (name.length < lookalikeBytesMin || name === "content-length" || name === "transfer-encoding") return false;
  const first = edgeFlags[name.charCodeAt(0)] ?? 3;
  const last = edgeFlags[name.charCodeAt(name.length - 1)] ?? 3;
  return (first & 1) !== 0 && (last & 2) !== 0 && framingNameOf(name) !== undefined;
}

/** Whether the name `bytes[start..end)`, which is neither of the two, looks like one. Cheap for those that do not. */
export function isLookalike(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < lookalikeBytesMin) return false;
  const first = edgeFlags[bytes[start] as number] as number;
  const last = edgeFlags[bytes[end - 1] as number] as number;
  if ((first & 1) === 0 || (last & 2) === 0) return false;
  return framingNameOf(bytes.toString("latin1", start, end)) !== undefined;
}
