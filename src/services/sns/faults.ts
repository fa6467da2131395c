/** The faults of SNS, and those that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

/** Why a delivery failed: {@link fault} names them for the outbox, no client sees them. */
export type DeliveryFault = "EndpointFailed" | "EndpointRefused" | "EndpointThrottled";

export const fault = faults<typeof import("@aws-sdk/client-sns"), DeliveryFault>();

export const invalid = (what: string, options?: ErrorOptions) =>
  fault("InvalidParameterException", `Invalid parameter: ${what}`, {}, options);
export const noTopic = () => fault("NotFoundException", "Topic does not exist");
export const noSubscription = () => fault("NotFoundException", "Subscription does not exist");
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} of SNS yet.`);
