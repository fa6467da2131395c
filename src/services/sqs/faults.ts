/** The faults of SQS, and those that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";
import { idLengthMax } from "./limits.ts";

export const fault = faults<typeof import("@aws-sdk/client-sqs")>();

export const noQueue = () => fault("QueueDoesNotExist", "The specified queue does not exist.");

/** `Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.` */
export const invalidValue = (value: string | number, parameter: string, reason: string) =>
  fault("InvalidParameterValue", `Value ${value} for parameter ${parameter} is invalid. Reason: ${reason}`);

export const missing = (parameter: string) =>
  fault("MissingParameter", `The request must contain the parameter ${parameter}.`);

const idPattern = /^[!-~]+$/;

/** Ids that senders and receivers choose. */
export function checkId(parameter: string, id: string | undefined): void {
  if (id === undefined || (idPattern.test(id) && id.length <= idLengthMax)) return;
  const reason = `${parameter} can only include alphanumeric and punctuation characters. 1 to ${idLengthMax} in length.`;
  throw invalidValue(id, parameter, reason);
}

/** A parameter of FIFO queues for a standard one, or the other way round. */
export const otherKind = (value: string | number, parameter: string) =>
  invalidValue(value, parameter, "The request include parameter that is not valid for this queue type.");
