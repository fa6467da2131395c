/**
 * Regular expressions as text: the subset that can be run in linear time, which is what Perl, RE2 and ECMAScript share
 * without looking around, references back, atomic groups, possessive quantifiers, recursion and Unicode classes.
 */

/** The expression is none, or has something that is not run; the message says what. */
export class RegexRefused extends Error {
  override readonly name = "RegexRefused";
}

/** A node of an expression. */
export type Node =
  | { kind: "set"; set: Uint8Array }
  | { kind: "assert"; at: Assertion }
  | { kind: "group"; index: number; of: Node }
  | { kind: "sequence" | "choice"; of: readonly Node[] }
  /** `most` is Infinity where there is no end. */
  | { kind: "repeat"; of: Node; least: number; most: number; greedy: boolean };

export type Assertion = "begin" | "end" | "word-edge" | "no-word-edge";

export interface Parsed {
  root: Node;
  /** Groups that capture. */
  groups: number;
}

/** Symbols: Latin-1, and one for everything beyond. */
export const symbols = 257;
/** What `{n,m}` may ask for. */
const repeatMax = 1000;
/** Groups inside groups. */
const depthMax = 100;

const setOf = (holds: (char: string, code: number) => boolean) =>
  Uint8Array.from({ length: symbols }, (_, code) => (holds(String.fromCharCode(code), code) ? 1 : 0));

const negated = (set: Uint8Array) => set.map((held) => 1 - held);

/** ASCII only, as in every engine without a Unicode flag. */
const kinds: Readonly<Record<string, Uint8Array>> = {
  d: setOf((char) => /[0-9]/.test(char)),
  w: setOf((char) => /[A-Za-z0-9_]/.test(char)),
  s: setOf((char) => /[\t\n\v\f\r ]/.test(char)),
};

const named: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  digit: /[0-9]/,
  lower: /[a-z]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t\n\v\f\r ]/,
  upper: /[A-Z]/,
  word: /[A-Za-z0-9_]/,
  xdigit: /[0-9A-Fa-f]/,
};

const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

/** Extensions in groups that are not run, by what follows `(?`. */
const refusedGroups: readonly (readonly [RegExp, string])[] = [
  [/^<?[=!]/, "looking ahead or behind"],
  [/^>/, "an atomic group"],
  [/^(?:R|[+-]?\d|&|P>)/, "recursion"],
  [/^P=/, "a reference back"],
];

/** Reads an expression. Throws {@link RegexRefused} for what is none, or not in the subset. */
export function parseRegex(text: string, { ignoreCase = false, dotAll = false } = {}): Parsed {
  const inline = text.startsWith("(?i)");
  return new Reader(text, inline ? 4 : 0, { ignoreCase: ignoreCase || inline, dotAll }).read();
}

class Reader {
  readonly #text: string;
  readonly #ignoreCase: boolean;
  readonly #dotAll: boolean;
  #at: number;
  #groups = 0;
  #depth = 0;

  constructor(text: string, at: number, { ignoreCase, dotAll }: { ignoreCase: boolean; dotAll: boolean }) {
    this.#text = text;
    this.#at = at;
    this.#ignoreCase = ignoreCase;
    this.#dotAll = dotAll;
  }

  read(): Parsed {
    const root = this.#choice();
    if (this.#at < this.#text.length) throw new RegexRefused("a closing parenthesis has no opening one");
    return { root, groups: this.#groups };
  }

  #choice(): Node {
    const of = [this.#sequence()];
    while (this.#take("|")) of.push(this.#sequence());
    const [only] = of;
    return of.length === 1 && only !== undefined ? only : { kind: "choice", of };
  }

  #sequence(): Node {
    const of: Node[] = [];
    while (this.#at < this.#text.length && this.#next !== "|" && this.#next !== ")") of.push(this.#repeated());
    return { kind: "sequence", of };
  }

  get #next(): string {
    return this.#text.charAt(this.#at);
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #repeated(): Node {
    const of = this.#atom();
    const bounds = this.#bounds();
    if (bounds === undefined) return of;
    if (of.kind === "assert") throw new RegexRefused("an anchor cannot be repeated");
    const greedy = !this.#take("?");
    if (greedy && this.#next === "+") throw new RegexRefused("possessive quantifiers are not supported");
    if (this.#bounds() !== undefined) throw new RegexRefused("a quantifier follows another");
    return { kind: "repeat", of, ...bounds, greedy };
  }

  #bounds(): { least: number; most: number } | undefined {
    if (this.#take("*")) return { least: 0, most: Infinity };
    if (this.#take("+")) return { least: 1, most: Infinity };
    if (this.#take("?")) return { least: 0, most: 1 };
    const braces = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.#text.slice(this.#at, this.#at + 12));
    // Braces that count nothing are characters, as in Perl.
    if (braces === null) return undefined;
    const [whole, lower, comma, upper] = braces;
    this.#at += whole.length;
    const least = Number(lower);
    const most = comma === undefined ? least : upper === undefined ? Infinity : Number(upper);
    if (least > repeatMax || (most !== Infinity && most > repeatMax)) {
      throw new RegexRefused(`a repetition can be of at most ${repeatMax}`);
    }
    if (most < least) throw new RegexRefused("a repetition's bounds are out of order");
    return { least, most };
  }

  #atom(): Node {
    const char = this.#next;
    this.#at += 1;
    switch (char) {
      case "^":
        return { kind: "assert", at: "begin" };
      case "$":
        return { kind: "assert", at: "end" };
      case ".":
        return { kind: "set", set: setOf((one) => this.#dotAll || one !== "\n") };
      case "(":
        return this.#group();
      case "[":
        return this.#set(this.#class());
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw new RegexRefused("a quantifier has nothing to repeat");
      default:
        return this.#set(setOf((one) => one === char));
    }
  }

  #set(set: Uint8Array): Node {
    if (!this.#ignoreCase) return { kind: "set", set };
    const held = (char: string) => set[char.charCodeAt(0)] === 1;
    const folded = setOf((char, code) =>
      code < 128 ? held(char.toLowerCase()) || held(char.toUpperCase()) : set[code] === 1,
    );
    return { kind: "set", set: folded };
  }

  #group(): Node {
    let index = 0;
    if (this.#take("?")) {
      const rest = this.#text.slice(this.#at, this.#at + 64);
      const refused = refusedGroups.find(([begins]) => begins.test(rest));
      if (refused !== undefined) throw new RegexRefused(`${refused[1]} is not supported`);
      const name = /^P?<[A-Za-z_]\w*>/.exec(rest)?.[0];
      if (name !== undefined) {
        this.#at += name.length;
        index = this.#groups += 1;
      } else if (!this.#take(":")) {
        throw new RegexRefused(`the group '(?${rest.slice(0, 2)}' is not supported`);
      }
    } else if (this.#next === "*") {
      throw new RegexRefused("verbs are not supported");
    } else {
      index = this.#groups += 1;
    }
    if ((this.#depth += 1) > depthMax) throw new RegexRefused(`groups can be ${depthMax} deep at most`);
    const of = this.#choice();
    if (!this.#take(")")) throw new RegexRefused("a parenthesis is not closed");
    this.#depth -= 1;
    return index === 0 ? of : { kind: "group", index, of };
  }

  #escape(): Node {
    const char = this.#next;
    if (char === "b" || char === "B" || char === "A" || char === "z") {
      this.#at += 1;
      const at = { b: "word-edge", B: "no-word-edge", A: "begin", z: "end" } as const;
      return { kind: "assert", at: at[char] };
    }
    if (/[1-9kg]/.test(char)) throw new RegexRefused("references back are not supported");
    return this.#set(this.#escapedSet());
  }

  /** What follows a backslash, in a class or outside. */
  #escapedSet(): Uint8Array {
    const char = this.#next;
    this.#at += 1;
    const kind = kinds[char.toLowerCase()];
    if (kind !== undefined) return char === char.toLowerCase() ? kind : negated(kind);
    if (char === "p" || char === "P") throw new RegexRefused("Unicode character classes are not supported");
    if (char === "x") {
      const digits = /^[0-9A-Fa-f]{2}/.exec(this.#text.slice(this.#at, this.#at + 2))?.[0];
      if (digits === undefined) throw new RegexRefused("\\x needs two hexadecimal digits");
      this.#at += 2;
      return setOf((_, code) => code === Number.parseInt(digits, 16));
    }
    const control = controls[char];
    if (control !== undefined) return setOf((_, code) => code === control);
    if (char === "" || /[A-Za-z0-9]/.test(char)) throw new RegexRefused(`'\\${char}' is not supported`);
    return setOf((one) => one === char);
  }

  /** A class, from after its bracket. */
  #class(): Uint8Array {
    const set = new Uint8Array(symbols);
    const not = this.#take("^");
    let first = true;
    while (first || this.#next !== "]") {
      if (this.#at >= this.#text.length) throw new RegexRefused("a bracket is not closed");
      this.#classItem(set);
      first = false;
    }
    this.#at += 1;
    return not ? negated(set) : set;
  }

  #classItem(set: Uint8Array): void {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (posix !== null) {
      const [whole, not, name = ""] = posix;
      const kind = named[name];
      if (kind === undefined) throw new RegexRefused(`there is no class '${whole}'`);
      this.#at += whole.length;
      for (let i = 0; i < symbols; i += 1) {
        if ((i < 128 && kind.test(String.fromCharCode(i))) !== (not === "^")) set[i] = 1;
      }
      return;
    }
    const low = this.#classSet();
    const isRange = this.#next === "-" && this.#text.charAt(this.#at + 1) !== "]" && this.#at + 1 < this.#text.length;
    if (!isRange) {
      for (let i = 0; i < symbols; i += 1) if (low[i] === 1) set[i] = 1;
      return;
    }
    this.#at += 1;
    const from = onlyOf(low);
    const to = onlyOf(this.#classSet());
    if (from < 0 || to < from) throw new RegexRefused("a range in brackets is out of order");
    set.fill(1, from, to + 1);
  }

  #classSet(): Uint8Array {
    const char = this.#next;
    this.#at += 1;
    if (char !== "\\") return setOf((one) => one === char);
    if (this.#next === "b") {
      this.#at += 1;
      return setOf((_, code) => code === 8);
    }
    return this.#escapedSet();
  }
}

/** The one symbol of a set; -1 where there are others. */
function onlyOf(set: Uint8Array): number {
  const at = set.indexOf(1);
  return at >= 0 && !set.includes(1, at + 1) ? at : -1;
}
