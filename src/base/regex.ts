/**
 * Regular expressions that cannot blow up: every character of the text costs at most one step for each instruction of the
 * expression, whatever either says. `RegExp` backtracks, and a text that a client chose could hold a thread for hours.
 * A machine of Thompson's with Pike's captures: all ways through the expression go on at once, in order of preference.
 */
import { parseRegex, RegexRefused, symbols, type Assertion, type Node } from "./regex-syntax.ts";

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

/** What one character can cost at worst. */
const instructionsMax = 4_000;

const opSet = 0;
/** Go on at x, or else at y. */
const opSplit = 1;
const opSave = 2;
const opAssert = 3;
const opMatch = 4;

interface Instruction {
  op: number;
  /** Where it goes on; of a save, where it writes. */
  x: number;
  y: number;
  set?: Uint8Array;
  at?: Assertion;
}

/**
 * Compiles `text`. Throws {@link RegexRefused} for what is no expression, is not in the subset of `regex-syntax.ts`, or
 * would be too large once its repetitions are written out.
 *
 * @example
 * compileRegex("^/api/(.+)$").exec("/api/users"); // [0, 10, 5, 10]
 */
export function compileRegex(text: string, options: { ignoreCase?: boolean } = {}): Regex {
  const { root, groups } = parseRegex(text, options.ignoreCase);
  const program: Instruction[] = [];
  write(root, program);
  add(program, { op: opMatch, x: 0, y: 0 });
  const machine = new Machine(program, groups);
  return {
    groups,
    test: (subject) => machine.run(subject, false) !== undefined,
    exec: (subject) => machine.run(subject, true),
  };
}

function add(program: Instruction[], instruction: Instruction): number {
  if (program.length >= instructionsMax) throw new RegexRefused("the regular expression is too large");
  return program.push(instruction) - 1;
}

/** Writes `node` so that it begins at the program's end, and goes on at what is written next. */
function write(node: Node, program: Instruction[]): void {
  switch (node.kind) {
    case "set": {
      const at = add(program, { op: opSet, x: 0, y: 0, set: node.set });
      instructionAt(program, at).x = at + 1;
      break;
    }
    case "assert": {
      const at = add(program, { op: opAssert, x: 0, y: 0, at: node.at });
      instructionAt(program, at).x = at + 1;
      break;
    }
    case "group":
      add(program, { op: opSave, x: node.index * 2, y: 0 });
      write(node.of, program);
      add(program, { op: opSave, x: node.index * 2 + 1, y: 0 });
      break;
    case "sequence":
      for (const one of node.of) write(one, program);
      break;
    case "choice":
      writeChoice(node.of, program);
      break;
    default:
      writeRepeat(node, program);
  }
}

const instructionAt = (program: readonly Instruction[], at: number) => program[at] as Instruction;

function writeChoice(of: readonly Node[], program: Instruction[]): void {
  const ends: number[] = [];
  for (const [i, one] of of.entries()) {
    if (i === of.length - 1) write(one, program);
    else {
      const split = add(program, { op: opSplit, x: 0, y: 0 });
      instructionAt(program, split).x = split + 1;
      write(one, program);
      ends.push(add(program, { op: opSplit, x: 0, y: -1 }));
      instructionAt(program, split).y = program.length;
    }
  }
  for (const end of ends) instructionAt(program, end).x = program.length;
}

/** A split whose preferred way is the loop's body where it is greedy. */
function writeSplit(program: Instruction[], greedy: boolean): (out: number) => void {
  const split = add(program, { op: opSplit, x: 0, y: 0 });
  const instruction = instructionAt(program, split);
  if (greedy) instruction.x = split + 1;
  else instruction.y = split + 1;
  return (out) => {
    if (greedy) instruction.y = out;
    else instruction.x = out;
  };
}

function writeRepeat({ of, least, most, greedy }: Node & { kind: "repeat" }, program: Instruction[]): void {
  for (let i = 0; i < least; i += 1) write(of, program);
  if (most === Infinity) {
    const loop = program.length;
    const leave = writeSplit(program, greedy);
    write(of, program);
    add(program, { op: opSplit, x: loop, y: -1 });
    leave(program.length);
    return;
  }
  const leaves: ((out: number) => void)[] = [];
  for (let i = least; i < most; i += 1) {
    leaves.push(writeSplit(program, greedy));
    write(of, program);
  }
  for (const leave of leaves) leave(program.length);
}

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
