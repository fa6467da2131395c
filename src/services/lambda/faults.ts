/** Lambda's faults, and the answers that several families of operations give in the same words. */
import type { Fault, FaultMembers } from "../../base/errors.ts";
import { faults } from "../../kit/faults.ts";

type Lambda = typeof import("@aws-sdk/client-lambda");

/** These never leave the house: they tell the outbox that an attempt at an event failed, or that none will be made. */
type Inside = "FunctionFailed" | "ZeroReservedConcurrency";

const make = faults<Lambda, Inside>();

/** Every error of Lambda that is the caller's says so in its member `Type`. */
export const fault = (
  code: Parameters<typeof make>[0],
  message: string,
  members: FaultMembers = {},
  options?: ErrorOptions,
): Fault => make(code, message, { Type: "User", ...members }, options);

export const functionNotFound = (arn: string) => fault("ResourceNotFoundException", `Function not found: ${arn}`);

export const invalid = (message: string, options?: ErrorOptions) =>
  fault("InvalidParameterValueException", message, {}, options);

/** What changes what a function does and is not run: refused by name, never taken in silence. */
export const notYet = (member: string) =>
  fault("NotImplemented", `Mikan does not implement ${member} for functions yet.`);

/** RevisionId of a function or an alias; a policy's answer names another operation. */
export function checkRevision(given: string | undefined, latest: string, where = "GetFunction/GetAlias"): void {
  if (given === undefined || given === latest) return;
  throw fault(
    "PreconditionFailedException",
    `The Revision Id provided does not match the latest Revision Id. Call the ${where} API to retrieve the latest Revision Id`,
  );
}
