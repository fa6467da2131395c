/** The service's faults: most of what CloudFormation refuses is a `ValidationError` with a sentence. */
import type { Fault } from "../../base/errors.ts";
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-cloudformation")>();

/** The fault of a bad template, parameter or state. */
export function invalid(message: string, options?: ErrorOptions): Fault {
  return fault("ValidationError", message, {}, options);
}

/** The fault of a template that uses what Mikan does not run yet: by name, never ignored. */
export function unsupported(what: string): Fault {
  return fault("NotImplemented", unsupportedMessage(what));
}

export function unsupportedMessage(what: string): string {
  return `Mikan does not implement ${what} in CloudFormation templates yet.`;
}
