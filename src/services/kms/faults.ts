/** The faults of KMS, and the ones that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-kms"), "NotAuthorizedException">();

export const notFound = (message: string) => fault("NotFoundException", message);
export const invalid = (message: string) => fault("ValidationException", message);
export const badMarker = () => fault("InvalidMarkerException", "The marker is invalid.");
/** Refused by name: what would change what a key is or does, and is not done. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for KMS yet.`);
