/** Typed faults: a service throws by the names its client knows, and by the errors common to all services. */
import { Fault, type FaultMembers } from "../base/errors.ts";
import type { ExceptionName } from "./handlers.ts";

/**
 * Errors that AWS answers without modelling them. Their status is in wire's catalogue.
 * Source: "Common errors" of each service's API reference.
 */
export type CommonFault =
  | "AccessDenied"
  | "AccessDeniedException"
  | "InternalFailure"
  | "InvalidParameterCombination"
  | "InvalidParameterValue"
  | "MissingParameter"
  | "NotImplemented"
  | "RequestEntityTooLarge"
  | "ServiceUnavailable"
  | "Throttling"
  | "ThrottlingException"
  | "ValidationError"
  | "ValidationException";

/**
 * Makes the `fault` of a service.
 *
 * @example
 * const fault = faults<typeof import("@aws-sdk/client-sqs")>();
 * throw fault("QueueDoesNotExist", "The specified queue does not exist.");
 */
export function faults<M, Unmodelled extends string = never>() {
  return (
    code: ExceptionName<M> | CommonFault | Unmodelled,
    message: string,
    members?: FaultMembers,
    options?: ErrorOptions,
  ): Fault => new Fault(code, message, members, options);
}
