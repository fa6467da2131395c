/** The two kinds of failure in the house: a fault is the caller's answer, a bug is ours and is logged with its stack. */

/** Extra members of a fault, as the error's schema names them (`{ Reason: "..." }`); unknown members are not sent. */
export type FaultMembers = Readonly<Record<string, unknown>>;

/**
 * An answer that says no: it goes to the caller in the shape of its protocol.
 * `code` is the error's name in the service's schema (`QueueDoesNotExist`) or one of the common errors; the status and
 * the wire code come from that schema (wire/), never from where it is thrown. Services throw it through `kit`'s typed
 * `faults()`.
 */
export class Fault extends Error {
  readonly code: string;
  readonly members: FaultMembers;

  constructor(code: string, message: string, members: FaultMembers = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "Fault";
    this.code = code;
    this.members = members;
  }
}

/** True for a fault, whichever copy of this module made it; with `code`, only for that one. */
export function isFault(error: unknown, code?: string): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}

/** A promise the code made to itself and broke. Answered `InternalFailure`, logged with its stack. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** Throws a {@link Bug} unless `condition` holds. For what can only be false when Mikan itself is wrong. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}

/** The value, or a {@link Bug} that says which one was missing. Replaces `!`. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new Bug(`${what} is missing`);
  return value;
}

/** The error of a `catch (error: unknown)` as an `Error`, for `cause` and logs. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The `code` of a system error (`ENOENT`, `EADDRINUSE`), or undefined. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
