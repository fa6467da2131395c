/** The faults of ACM, and the ones that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-acm")>();

/** AWS says so of what it cannot take, without modelling it. */
export const invalid = (message: string) => fault("ValidationException", message);
export const notFound = (arn: string) => fault("ResourceNotFoundException", `Could not find certificate ${arn}.`);
/** Refused by name: what would change what a certificate is, and is not done. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for certificates.`);
