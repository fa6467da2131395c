/** The faults of CloudWatch Logs, and the ones that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-cloudwatch-logs")>();

export const invalid = (message: string) => fault("InvalidParameterException", message);
export const noGroup = () => fault("ResourceNotFoundException", "The specified log group does not exist.");
export const noStream = () => fault("ResourceNotFoundException", "The specified log stream does not exist.");
export const badToken = () => invalid("The specified nextToken is invalid.");
/** Refused by name: what would change the answer and is not done. */
export const notYet = (what: string) => fault("NotImplemented", `Mikan does not implement ${what} for log groups yet.`);
