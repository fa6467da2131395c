/**
 * Whether an expression matches somewhere, one step for each character: the ways through its program that go on at once
 * are a state, made when it is first met and kept.
 */
import { opAssert, opMatch, opSave, opSplit, type Instruction } from "./regex-program.ts";
import { symbols } from "./regex-syntax.ts";

interface State {
  /** Instructions that wait for a character. */
  pcs: readonly number[];
  /** It has matched, whatever follows. */
  matched: boolean;
  /** It has if nothing follows. */
  matchedAtEnd: boolean;
  next: (State | undefined)[];
}

/** Undefined: there would be more states than are kept. */
export type Automaton = (text: string) => boolean | undefined;

/** Undefined for a program that looks at words' edges: those depend on more than where it is. */
export function automatonOf(program: readonly Instruction[], statesMax: number): Automaton | undefined {
  if (program.some(({ at }) => at === "word-edge" || at === "no-word-edge")) return undefined;
  const states = new Map<string, State>();
  const anchored = program[0]?.at === "begin";

  /** The state of what `froms` lead to; `place` is that of the next character. */
  const stateOf = (froms: readonly number[], place: { begin: boolean }): State => {
    const { pcs, matched } = reached(program, froms, { ...place, end: false });
    const matchedAtEnd = matched || reached(program, froms, { ...place, end: true }).matched;
    const key = `${matched},${matchedAtEnd},${pcs.join()}`;
    const seen = states.get(key);
    if (seen !== undefined) return seen;
    const made: State = { pcs, matched, matchedAtEnd, next: [] };
    states.set(key, made);
    return made;
  };
  const begin = stateOf([0], { begin: true });
  const step = ({ pcs }: State, symbol: number): State => {
    const froms = pcs.flatMap((pc) => {
      const { set, x } = program[pc] as Instruction;
      return set?.[symbol] === 1 ? [x] : [];
    });
    // A match may begin at any character.
    return stateOf([...froms, 0], { begin: false });
  };

  return (text) => {
    let state = begin;
    for (let i = 0; i < text.length; i += 1) {
      if (state.matched) return true;
      if (anchored && state.pcs.length === 0) return false;
      const symbol = Math.min(text.charCodeAt(i), symbols - 1);
      const known = state.next[symbol];
      if (known === undefined && states.size >= statesMax) return undefined;
      state = known ?? (state.next[symbol] = step(state, symbol));
    }
    return state.matchedAtEnd;
  };
}

/** The instructions that wait for a character, in order, of those that `froms` lead to without one; and whether the end is. */
function reached(
  program: readonly Instruction[],
  froms: readonly number[],
  holds: { begin: boolean; end: boolean },
): { pcs: number[]; matched: boolean } {
  const seen = new Set<number>();
  const pcs: number[] = [];
  let matched = false;
  const stack = [...froms];
  for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
    if (seen.has(pc)) continue;
    seen.add(pc);
    const { op, x, y, at } = program[pc] as Instruction;
    if (op === opMatch) matched = true;
    else if (op === opSave) stack.push(pc + 1);
    else if (op === opSplit) stack.push(...(y >= 0 ? [x, y] : [x]));
    else if (op !== opAssert) pcs.push(pc);
    else if (at === "end" ? holds.end : holds.begin) stack.push(x);
  }
  return { pcs: pcs.sort((a, b) => a - b), matched };
}
