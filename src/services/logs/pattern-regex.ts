/**
 * The regular expressions of filter patterns: without groups, so that an expression is a choice of sequences. They are run
 * as an automaton that is made while it reads: a character costs one step, and no expression makes it try again.
 * Source: CloudWatch Logs guide, "Supported regular expressions (regex) syntax".
 */
import { malformed } from "./pattern-source.ts";

/** Characters that stand for themselves; more than these only with a backslash. */
const plain = /[A-Za-z0-9:_#=@/;,\- ]/;
const escapable = /[:_#=@/;,\-^$?[\]{}|\\*+. ]/;
/** Symbols of the automaton: ASCII, and one for all that is not. */
const beyond = 128;
const symbols = beyond + 1;
/** What `{n,m}` may ask for. */
const repeatMax = 100;
/** Places in all sequences together: what one character can cost at worst. */
const placesMax = 150;
/** States that are kept; a message that needs more is read to its end without keeping any. */
const statesMax = 256;

/** One character of a sequence. */
interface Place {
  /** By symbol. */
  set: Uint8Array;
  optional: boolean;
  /** It may stand again and again. */
  loops: boolean;
}

interface Program {
  /** The places of all sequences; undefined ends one. */
  places: readonly (Place | undefined)[];
  /** For each end: it counts at the end of the message only. */
  anchoredEnds: ReadonlySet<number>;
  /** Where sequences begin that may only begin a message, and where those that may begin anywhere. */
  anchored: readonly number[];
  floating: readonly number[];
}

interface State {
  places: readonly number[];
  /** It has matched, whatever follows. */
  matched: boolean;
  /** It has if nothing follows. */
  matchedAtEnd: boolean;
  next: (State | undefined)[];
}

/** @throws Fault InvalidParameterException for what the page above does not have. */
export function compileRegex(text: string, keptMax = statesMax): (message: string) => boolean {
  return automaton(parse(text), keptMax);
}

function parse(text: string): Program {
  const places: (Place | undefined)[] = [];
  const anchoredEnds = new Set<number>();
  const anchored: number[] = [];
  const floating: number[] = [];
  let at = 0;
  for (;;) {
    const atStart = text[at] === "^";
    if (atStart) at += 1;
    (atStart ? anchored : floating).push(places.length);
    at = parseSequence(text, at, places);
    if (text[at] === "$") {
      anchoredEnds.add(places.length);
      at += 1;
    }
    places.push(undefined);
    if (places.length > placesMax) throw malformed();
    if (at >= text.length) return { places, anchoredEnds, anchored, floating };
    if (text[at] !== "|") throw malformed();
    at += 1;
  }
}

/** Reads up to `|`, `$` or the end. */
function parseSequence(text: string, from: number, places: (Place | undefined)[]): number {
  let at = from;
  while (at < text.length && text[at] !== "|" && text[at] !== "$") {
    const { set, end } = parseAtom(text, at);
    const { least, most, end: after } = parseQuantifier(text, end);
    const loops = most === undefined;
    const required = loops && least > 0 ? least - 1 : least;
    for (let i = 0; i < required; i += 1) places.push({ set, optional: false, loops: false });
    if (loops) places.push({ set, optional: least === 0, loops });
    else for (let i = least; i < most; i += 1) places.push({ set, optional: true, loops: false });
    if (places.length > placesMax) throw malformed();
    at = after;
  }
  return at;
}

const quantifier = /([?*+])|\{(\d{1,3})(?:(,)(\d{1,3})?)?\}/y;

function parseQuantifier(text: string, at: number): { least: number; most: number | undefined; end: number } {
  quantifier.lastIndex = at;
  const match = quantifier.exec(text);
  if (match === null) return { least: 1, most: 1, end: at };
  const [whole, sign, lower, comma, upper] = match;
  const end = at + whole.length;
  // Nothing may be repeated twice.
  if (/[?*+{]/.test(text[end] ?? "")) throw malformed();
  if (sign === "?") return { least: 0, most: 1, end };
  if (sign !== undefined) return { least: sign === "*" ? 0 : 1, most: undefined, end };
  const least = Number(lower);
  const most = comma === undefined ? least : upper === undefined ? undefined : Number(upper);
  if (least > repeatMax || (most !== undefined && (most > repeatMax || most < least))) throw malformed();
  return { least, most, end };
}

function parseAtom(text: string, at: number): { set: Uint8Array; end: number } {
  const char = text[at] ?? "";
  if (char === "[") return parseClass(text, at + 1);
  if (char === ".") return { set: setOf(() => true), end: at + 1 };
  if (char === "\\") return parseEscape(text, at + 1);
  if (!plain.test(char)) throw malformed();
  return { set: only(char.charCodeAt(0)), end: at + 1 };
}

const setOf = (holds: (symbol: number) => boolean) =>
  Uint8Array.from({ length: symbols }, (_, i) => (holds(i) ? 1 : 0));
const only = (code: number) => setOf((symbol) => symbol === code);

const kinds: Readonly<Record<string, RegExp>> = { d: /\d/, s: /\s/, w: /\w/ };

/** What follows a backslash: a kind of character, a code, or a character that means something else without. */
function parseEscape(text: string, at: number): { set: Uint8Array; end: number } {
  const char = text[at] ?? "";
  const kind = kinds[char.toLowerCase()];
  if (kind !== undefined) {
    const wanted = char === char.toLowerCase();
    const set = setOf((symbol) => (symbol < beyond && kind.test(String.fromCharCode(symbol))) === wanted);
    return { set, end: at + 1 };
  }
  if (char === "x") {
    const code = /^[0-7][0-9A-Fa-f]$/.test(text.slice(at + 1, at + 3))
      ? Number.parseInt(text.slice(at + 1, at + 3), 16)
      : -1;
    if (code < 0) throw malformed();
    return { set: only(code), end: at + 3 };
  }
  if (char === "" || !escapable.test(char)) throw malformed();
  return { set: only(char.charCodeAt(0)), end: at + 1 };
}

/** A class, from after its bracket. */
function parseClass(text: string, from: number): { set: Uint8Array; end: number } {
  let at = from;
  const negated = text[at] === "^";
  if (negated) at += 1;
  const set = new Uint8Array(symbols);
  const first = at;
  while (text[at] !== "]" || at === first) {
    const low = parseMember(text, at);
    at = low.end;
    const high = text[at] === "-" && text[at + 1] !== "]" ? parseMember(text, at + 1) : low;
    if (high !== low) at = high.end;
    const [lowest, highest] = [low.set.indexOf(1), high.set.indexOf(1)];
    if (high === low) for (let i = 0; i < symbols; i += 1) set[i] = Math.max(set[i] ?? 0, low.set[i] ?? 0);
    // Ends of a range are characters, not kinds of them.
    else if (lowest > highest || low.set.lastIndexOf(1) !== lowest || high.set.lastIndexOf(1) !== highest) {
      throw malformed();
    } else set.fill(1, lowest, highest + 1);
  }
  return { set: negated ? set.map((held) => 1 - held) : set, end: at + 1 };
}

/** In a class only `\`, `]` and `[` mean more than themselves. */
function parseMember(text: string, at: number): { set: Uint8Array; end: number } {
  const char = text[at] ?? "";
  if (char === "\\") return parseEscape(text, at + 1);
  if (!plain.test(char) && !/[$?{}|*+.^]/.test(char)) throw malformed();
  return { set: only(char.charCodeAt(0)), end: at + 1 };
}

function automaton(program: Program, keptMax: number): (message: string) => boolean {
  const states = new Map<string, State>();

  const stateOf = (places: ReadonlySet<number>): State => {
    const sorted = [...places].sort((a, b) => a - b);
    const key = sorted.join();
    const seen = states.get(key);
    if (seen !== undefined) return seen;
    const ends = sorted.filter((at) => program.places[at] === undefined);
    const matched = ends.some((at) => !program.anchoredEnds.has(at));
    const made: State = { places: sorted, matched, matchedAtEnd: ends.length > 0, next: [] };
    states.set(key, made);
    return made;
  };
  const walk = walker(program);

  const step = (state: State, symbol: number): State => {
    const reached = new Set<number>();
    for (const at of state.places) {
      const place = program.places[at];
      if (place?.set[symbol] !== 1) continue;
      enter(program, at + 1, reached);
      if (place.loops) enter(program, at, reached);
    }
    for (const at of program.floating) enter(program, at, reached);
    return stateOf(reached);
  };

  return (message) => {
    const begin = new Set<number>();
    for (const at of [...program.anchored, ...program.floating]) enter(program, at, begin);
    let state = stateOf(begin);
    // As in Java, `$` is before a line's end too, with which Lambda's messages end.
    const end = message.endsWith("\n") ? message.length - 1 : message.length;
    for (let i = 0; i < message.length; i += 1) {
      if (state.matched || (i === end && state.matchedAtEnd)) return true;
      if (state.places.length === 0) return false;
      const symbol = Math.min(message.charCodeAt(i), beyond);
      const known = state.next[symbol];
      // Where every character makes a new state, keeping them costs more than it saves.
      if (known === undefined && states.size >= keptMax) return walk(state.places, message, i, end);
      state = known ?? (state.next[symbol] = step(state, symbol));
    }
    return state.matchedAtEnd;
  };
}

/** Goes on from a set of places without keeping states: a character costs as many steps as there are places. */
function walker(program: Program) {
  /** By place: the character for which it was entered last. */
  const entered = new Int32Array(program.places.length + 1);
  return (from: readonly number[], message: string, start: number, end: number): boolean => {
    let here = from;
    entered.fill(-1);
    const isEnd = (at: number, atEnd: boolean) =>
      program.places[at] === undefined && (atEnd || !program.anchoredEnds.has(at));
    for (let i = start; i < message.length; i += 1) {
      if (here.some((at) => isEnd(at, i === end))) return true;
      const symbol = Math.min(message.charCodeAt(i), beyond);
      const next: number[] = [];
      const add = (first: number) => {
        for (let at = first; entered[at] !== i; at += 1) {
          entered[at] = i;
          next.push(at);
          if (program.places[at]?.optional !== true) return;
        }
      };
      for (const at of here) {
        const place = program.places[at];
        if (place?.set[symbol] !== 1) continue;
        add(at + 1);
        if (place.loops) add(at);
      }
      program.floating.forEach(add);
      here = next;
    }
    return here.some((at) => isEnd(at, true));
  };
}

/** A place, and those behind it that it lets be reached by being optional. */
function enter({ places }: Program, from: number, into: Set<number>): void {
  for (let at = from; !into.has(at); at += 1) {
    into.add(at);
    if (places[at]?.optional !== true) return;
  }
}
