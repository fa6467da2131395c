/** The context object of a handler. Source: Lambda guide, "Using the Lambda context object to retrieve Node.js function information". */
import type { InvokeMeta } from "../frames.ts";

export interface Context {
  functionName: string;
  functionVersion: string;
  invokedFunctionArn: string;
  memoryLimitInMB: string;
  awsRequestId: string;
  logGroupName: string;
  logStreamName: string;
  clientContext: unknown;
  identity: undefined;
  /** Of functions with tenant isolation, which Mikan has not. */
  tenantId: undefined;
  getRemainingTimeInMillis(): number;
}

const fromEnvironment = {
  functionName: process.env["AWS_LAMBDA_FUNCTION_NAME"] ?? "",
  functionVersion: process.env["AWS_LAMBDA_FUNCTION_VERSION"] ?? "",
  memoryLimitInMB: process.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] ?? "",
  logGroupName: process.env["AWS_LAMBDA_LOG_GROUP_NAME"] ?? "",
  logStreamName: process.env["AWS_LAMBDA_LOG_STREAM_NAME"] ?? "",
};

/** Throws when the client context is no JSON. */
export function contextOf(meta: InvokeMeta): Context {
  const { deadlineAt, clientContext } = meta;
  return {
    ...fromEnvironment,
    invokedFunctionArn: meta.invokedArn,
    awsRequestId: meta.requestId,
    clientContext: clientContext === undefined ? undefined : JSON.parse(clientContext),
    identity: undefined,
    tenantId: undefined,
    getRemainingTimeInMillis: () => deadlineAt - Date.now(),
  };
}
