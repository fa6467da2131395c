/** A regular expression as a program: what waits for a character, where ways part, what is captured and what is asked. */
import { RegexRefused, type Assertion, type Node } from "./regex-syntax.ts";

export const opSet = 0;
/** Go on at x, or else at y. */
export const opSplit = 1;
export const opSave = 2;
export const opAssert = 3;
export const opMatch = 4;

export interface Instruction {
  op: number;
  /** Where it goes on; of a save, where it writes. */
  x: number;
  y: number;
  set?: Uint8Array;
  at?: Assertion;
}

/** Throws {@link RegexRefused} for what would have more than `instructionsMax` instructions. */
export function programOf(root: Node, instructionsMax: number): readonly Instruction[] {
  const writer = new Writer(instructionsMax);
  writer.write(root);
  writer.add({ op: opMatch, x: 0, y: 0 });
  return writer.program;
}

class Writer {
  readonly program: Instruction[] = [];
  readonly #instructionsMax: number;

  constructor(instructionsMax: number) {
    this.#instructionsMax = instructionsMax;
  }

  add(instruction: Instruction): Instruction {
    if (this.program.length >= this.#instructionsMax) throw new RegexRefused("the regular expression is too large");
    this.program.push(instruction);
    return instruction;
  }

  /** Writes `node` so that it begins at the program's end, and goes on at what is written next. */
  write(node: Node): void {
    const { program } = this;
    switch (node.kind) {
      case "set":
        this.add({ op: opSet, x: program.length + 1, y: 0, set: node.set });
        break;
      case "assert":
        this.add({ op: opAssert, x: program.length + 1, y: 0, at: node.at });
        break;
      case "group":
        this.add({ op: opSave, x: node.index * 2, y: 0 });
        this.write(node.of);
        this.add({ op: opSave, x: node.index * 2 + 1, y: 0 });
        break;
      case "sequence":
        for (const one of node.of) this.write(one);
        break;
      case "choice":
        this.#choice(node.of);
        break;
      default:
        this.#repeat(node);
    }
  }

  #choice(of: readonly Node[]): void {
    const ends: Instruction[] = [];
    for (const [i, one] of of.entries()) {
      if (i === of.length - 1) this.write(one);
      else {
        const split = this.add({ op: opSplit, x: this.program.length + 1, y: 0 });
        this.write(one);
        ends.push(this.add({ op: opSplit, x: 0, y: -1 }));
        split.y = this.program.length;
      }
    }
    for (const end of ends) end.x = this.program.length;
  }

  #repeat({ of, least, most, greedy }: Node & { kind: "repeat" }): void {
    for (let i = 0; i < least; i += 1) this.write(of);
    if (most === Infinity) {
      const loop = this.program.length;
      const leave = this.#split(greedy);
      this.write(of);
      this.add({ op: opSplit, x: loop, y: -1 });
      leave();
      return;
    }
    const leaves: (() => void)[] = [];
    for (let i = least; i < most; i += 1) {
      leaves.push(this.#split(greedy));
      this.write(of);
    }
    for (const leave of leaves) leave();
  }

  /** A split whose preferred way is the loop's body where it is greedy; what it gives sets the other way to here. */
  #split(greedy: boolean): () => void {
    const body = this.program.length + 1;
    const split = this.add({ op: opSplit, x: body, y: body });
    return () => {
      if (greedy) split.y = this.program.length;
      else split.x = this.program.length;
    };
  }
}
