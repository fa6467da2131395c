/** The faults of Scheduler, and those that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-scheduler")>();

export const invalid = (message: string, options?: ErrorOptions) => fault("ValidationException", message, {}, options);

export const noSchedule = (name: string) => fault("ResourceNotFoundException", `Schedule ${name} does not exist.`);

export const noGroup = (name: string) => fault("ResourceNotFoundException", `Schedule group ${name} does not exist.`);

/** What would run on AWS and does not here: refused by name, never taken in silence. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for schedules yet.`);

export const reusedToken = () =>
  fault("ConflictException", "The client token was used before, with other parameters of the same operation.");

export const badToken = () => invalid("Invalid NextToken.");
