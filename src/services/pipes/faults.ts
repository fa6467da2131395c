/** The faults of Pipes, and those that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

/** These never leave the house: they end a batch. */
type Inside = "EnrichmentFailed" | "TargetFailed" | "TransformationFailed";

export const fault = faults<typeof import("@aws-sdk/client-pipes"), Inside>();

export const invalid = (message: string, options?: ErrorOptions) => fault("ValidationException", message, {}, options);

export const noPipe = (name: string) => fault("NotFoundException", `Pipe ${name} does not exist.`);

/** What would run on AWS and does not here: refused by name, never taken in silence. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for pipes yet.`);
