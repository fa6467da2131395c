/** The faults of SQS, and those that several operations answer in the same words. */
import { faults } from "../../kit/faults.ts";

export const fault = faults<typeof import("@aws-sdk/client-sqs")>();

export const noQueue = () => fault("QueueDoesNotExist", "The specified queue does not exist.");

/** `Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.` */
export const invalidValue = (value: string | number, parameter: string, reason: string) =>
  fault("InvalidParameterValue", `Value ${value} for parameter ${parameter} is invalid. Reason: ${reason}`);

export const missing = (parameter: string) =>
  fault("MissingParameter", `The request must contain the parameter ${parameter}.`);
