/** The faults of Secrets Manager, and the ones that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-secrets-manager")>();

export const invalid = (message: string) => fault("InvalidParameterException", message);
export const badRequest = (message: string) => fault("InvalidRequestException", message);
export const noSecret = () => fault("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
export const noValue = (what: string) =>
  fault("ResourceNotFoundException", `Secrets Manager can't find the specified secret value for ${what}`);
export const badToken = () => fault("InvalidNextTokenException", "The NextToken value is invalid.");
export const marked = () =>
  badRequest("You can't perform this operation on the secret because it was marked for deletion.");
/** Refused by name: what would change what a secret does, and is not done. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for secrets yet.`);
