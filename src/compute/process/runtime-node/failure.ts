/** Errors in the shape in which AWS's Node.js runtime reports and logs them. */
import { isNativeError } from "node:util/types";

export interface Failure {
  errorType: string;
  errorMessage: string;
  trace: string[];
}

/** An error of the runtime itself; its type is `Runtime.` and the name of what went wrong. */
export class RuntimeError extends Error {
  constructor(kind: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = `Runtime.${kind}`;
  }
}

/** Errors of other realms (`node:vm`) and look-alikes count too. */
function isErrorLike(value: unknown): value is Error {
  if (isNativeError(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const { name, message, stack } = value as Partial<Error>;
  return typeof name === "string" && typeof message === "string" && typeof stack === "string";
}

export function toFailure(error: unknown): Failure {
  try {
    if (isErrorLike(error)) {
      return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n") };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    // A getter or toString of the function's own that throws: AWS's words for it.
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
      trace: [],
    };
  }
}

/** Enough for any stack; a message of megabytes is cut, and says so by its length. */
const messageLengthMax = 64 * 1024;
const failureLengthMax = 1024 * 1024;

export function failureText(failure: Failure): string {
  const text = JSON.stringify(failure);
  if (text.length <= failureLengthMax) return text;
  return JSON.stringify({ ...failure, errorMessage: failure.errorMessage.slice(0, messageLengthMax), trace: [] });
}

function withHiddenMembers(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { name, message, stack } = value;
  const code = "code" in value ? value.code : undefined;
  return Object.assign({ errorType: name, errorMessage: message, code }, value, { stack: (stack ?? "").split("\n") });
}

/** The error as the log shows it. Starts with a tab, as AWS's does. */
export function toLogText(error: unknown): string {
  try {
    return `\t${JSON.stringify(error, withHiddenMembers)}`;
  } catch {
    // Circular or hostile members: the plain form has none.
    return `\t${failureText(toFailure(error))}`;
  }
}
