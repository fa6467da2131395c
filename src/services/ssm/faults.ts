/** The faults of Parameter Store, and the ones that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-ssm")>();

export const invalid = (message: string) => fault("ValidationException", message);
export const noParameter = (name: string) => fault("ParameterNotFound", `Parameter ${name} not found.`);
export const noVersion = (message: string) => fault("ParameterVersionNotFound", message);
export const badToken = () => fault("InvalidNextToken", "The specified token isn't valid.");
/** Refused by name: what would change what a parameter does, and is not done. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for ssm yet.`);
