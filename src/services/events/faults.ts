/** The faults of EventBridge, and those that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

/** Of deliveries only: nobody's client is told of them. */
type DeliveryFault = "HopLimit" | "InvalidInput" | "Refused" | "Rejected" | "Timeout" | "Unreachable";

export const fault = faults<typeof import("@aws-sdk/client-eventbridge"), DeliveryFault>();

export const invalid = (message: string) => fault("ValidationException", message);

export const noBus = (name: string) => fault("ResourceNotFoundException", `Event bus ${name} does not exist.`);

export const noRule = ({ name, bus }: { name: string; bus: string }) =>
  fault("ResourceNotFoundException", `Rule ${name} does not exist on EventBus ${bus}.`);

export const tooMany = () =>
  fault("LimitExceededException", "The requested resource exceeds the maximum number allowed.");

export const badToken = () => invalid("The provided NextToken is not valid.");

/** Asked for by name, and not run here. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} of EventBridge.`);
