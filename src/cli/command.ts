/** What a command is, and the failures that it may end with. */

export interface Command {
  /** One line for `mikan help`. */
  summary: string;
  /** How it is called, with its options. */
  usage: string;
  /** Resolves with the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** A failure that the user can mend: printed as one line, without a stack. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** A line to standard output. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
