/**
 * Regular expressions that cannot blow up: every character of the text costs at most one step for each instruction of the
 * expression, whatever either says. `RegExp` backtracks, and a text that a client chose could hold a thread for hours.
 * Whether there is a match is an automaton's answer (`regex-automaton.ts`); where it is, that of a machine of Thompson's
 * with Pike's captures: all ways through the expression go on at once, in order of preference.
 */
import { automatonOf } from "./regex-automaton.ts";
import { opAssert, opMatch, opSave, opSplit, programOf, type Instruction } from "./regex-program.ts";
import { parseRegex, symbols, type Assertion } from "./regex-syntax.ts";

export { RegexRefused } from "./regex-syntax.ts";

export interface Regex {
  /** Groups that capture. */
  readonly groups: number;
  /** The expression matches somewhere in `text`. */
  test(text: string): boolean;
  /**
   * Where the first match is: start and end of the whole, then of each group, -1 for a group that took no part. As in
   * Perl the leftmost match is the one, and of those the one that the expression prefers. Undefined without a match.
   */
  exec(text: string): readonly number[] | undefined;
}

export interface RegexOptions {
  ignoreCase?: boolean;
  /** `.` is any character, the end of a line too. */
  dotAll?: boolean;
  /** What one character can cost at worst; 4,000 where it is not said. */
  instructionsMax?: number;
  /** States that {@link Regex.test} keeps; a text that needs more is read without any. 256 where it is not said. */
  statesMax?: number;
}

/**
 * Compiles `text`. Throws {@link RegexRefused} for what is no expression, is not in the subset of `regex-syntax.ts`, or
 * would be too large once its repetitions are written out.
 *
 * @example
 * compileRegex("^/api/(.+)$").exec("/api/users"); // [0, 10, 5, 10]
 */
export function compileRegex(text: string, options: RegexOptions = {}): Regex {
  const { instructionsMax = 4_000, statesMax = 256, ...syntax } = options;
  const { root, groups } = parseRegex(text, syntax);
  const program = programOf(root, instructionsMax);
  const machine = new Machine(program, groups);
  const automaton = automatonOf(program, statesMax);
  return {
    groups,
    test: (subject) => automaton?.(subject) ?? machine.run(subject, false) !== undefined,
    exec: (subject) => machine.run(subject, true),
  };
}

const instructionAt = (program: readonly Instruction[], at: number) => program[at] as Instruction;

/** Threads of one step, in order of preference. */
interface Threads {
  count: number;
  pcs: Int32Array;
  /** By instruction: the step that it was put in last. */
  seen: Int32Array;
  /** By place in `pcs`: what was captured. */
  captures: (readonly number[])[];
}

class Machine {
  readonly #program: readonly Instruction[];
  readonly #slots: number;
  /** It can begin at the text's begin only. */
  readonly #anchored: boolean;
  #now: Threads;
  #next: Threads;
  /** Instructions to look at, with what was captured on the way there. */
  readonly #stack: { pc: number; captured: readonly number[] }[] = [];

  constructor(program: readonly Instruction[], groups: number) {
    this.#program = program;
    this.#slots = (groups + 1) * 2;
    this.#anchored = program[0]?.at === "begin";
    const threads = (): Threads => ({
      count: 0,
      pcs: new Int32Array(program.length),
      seen: new Int32Array(program.length).fill(-1),
      captures: [],
    });
    this.#now = threads();
    this.#next = threads();
  }

  run(text: string, capturing: boolean): readonly number[] | undefined {
    const none: readonly number[] = capturing ? Array.from({ length: this.#slots }, () => -1) : [];
    let matched: readonly number[] | undefined;
    this.#clear();
    for (let at = 0; at <= text.length; at += 1) {
      const now = this.#now;
      // One more way begins at each character until there is a match: what begins further left is preferred.
      if (matched === undefined) this.#enter(now, 0, text, at, capturing ? noting(none, 0, at) : none, capturing);
      // Nothing goes on, and nothing can begin any more.
      if (now.count === 0 && (matched !== undefined || this.#anchored)) break;
      const next = this.#next;
      next.count = 0;
      const code = at < text.length ? Math.min(text.charCodeAt(at), symbols - 1) : -1;
      for (let i = 0; i < now.count; i += 1) {
        const instruction = instructionAt(this.#program, now.pcs[i] as number);
        const captured = now.captures[i] as readonly number[];
        if (instruction.op === opMatch) {
          if (!capturing) return captured;
          matched = noting(captured, 1, at);
          // The ways after this one are less preferred.
          break;
        }
        if (code >= 0 && instruction.set?.[code] === 1) {
          this.#enter(next, instruction.x, text, at + 1, captured, capturing);
        }
      }
      this.#now = next;
      this.#next = now;
    }
    return matched;
  }

  #clear(): void {
    for (const threads of [this.#now, this.#next]) {
      threads.count = 0;
      threads.seen.fill(-1);
    }
  }

  /** Puts all instructions into `threads` that can be reached from `from` without taking a character. */
  #enter(
    threads: Threads,
    from: number,
    text: string,
    at: number,
    captured: readonly number[],
    capturing: boolean,
  ): void {
    const stack = this.#stack;
    stack.push({ pc: from, captured });
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const { pc } = top;
      if (threads.seen[pc] === at) continue;
      threads.seen[pc] = at;
      const { op, x, y, at: assertion } = instructionAt(this.#program, pc);
      if (op === opSplit) {
        if (y >= 0) stack.push({ pc: y, captured: top.captured });
        stack.push({ pc: x, captured: top.captured });
      } else if (op === opSave) {
        stack.push({ pc: pc + 1, captured: capturing ? noting(top.captured, x, at) : top.captured });
      } else if (op === opAssert) {
        if (assertion !== undefined && holds(assertion, text, at)) stack.push({ pc: x, captured: top.captured });
      } else {
        threads.pcs[threads.count] = pc;
        threads.captures[threads.count] = top.captured;
        threads.count += 1;
      }
    }
  }
}

function noting(captured: readonly number[], slot: number, value: number): readonly number[] {
  const copy = captured.slice();
  copy[slot] = value;
  return copy;
}

function holds(assertion: Assertion, text: string, at: number): boolean {
  if (assertion === "begin") return at === 0;
  if (assertion === "end") return at === text.length;
  const edge = isWord(text, at - 1) !== isWord(text, at);
  return edge === (assertion === "word-edge");
}

function isWord(text: string, at: number): boolean {
  return /\w/.test(text.charAt(at));
}
