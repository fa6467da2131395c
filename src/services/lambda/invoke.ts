/** Invocations: admitted at once or refused at once, run to their end, and answered as Lambda answers. */
import { asError } from "../../base/errors.ts";
import { BodyTooLarge, bytesOf, type Body } from "../../base/http.ts";
import type { PolicyDocument } from "../../kit/authorize.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { LambdaDeps } from "./deps.ts";
import { queueEvent } from "./event-queue.ts";
import { fault, notYet } from "./faults.ts";
import type { InvocationResult } from "../../compute/ports.ts";
import { jsonError } from "./json.ts";
import { eventPayloadBytesMax, requestPayloadBytesMax } from "./limits.ts";
import { arnOf, functionRef, type FunctionRef } from "./names.ts";
import { policyArn, policyReader } from "./permissions.ts";
import { streamOf, wholeAnswer, type ResponseStream } from "./response-streams.ts";
import { invocationRunner, targetReader } from "./runs.ts";

const emptyEvent = Buffer.from("{}");

const tooLarge = (bytesMax: number, options?: ErrorOptions) =>
  fault(
    "RequestTooLargeException",
    `Request must be smaller than ${bytesMax} bytes for the InvokeFunction operation`,
    {},
    options,
  );

/** No payload is an empty object. */
async function payloadOf(payload: Uint8Array | undefined, bytesMax: number): Promise<Uint8Array> {
  if (payload === undefined || payload.byteLength === 0) return emptyEvent;
  if (payload.byteLength > bytesMax) throw tooLarge(bytesMax);
  const error = await jsonError(payload);
  if (error !== undefined) {
    throw fault(
      "InvalidRequestContentException",
      `Could not parse request body into json: Could not parse payload into json: ${error}`,
    );
  }
  return payload;
}

/** The whole of a body that comes as a stream. */
async function wholeOf(body: Body, bytesMax: number): Promise<Uint8Array> {
  try {
    return await bytesOf(body, bytesMax);
  } catch (error) {
    throw error instanceof BodyTooLarge ? tooLarge(bytesMax, { cause: error }) : error;
  }
}

/** Somebody of another account needs a statement that names it; the house's services were asked by the dispatcher. */
function checkAccount(ref: FunctionRef, call: Call, policy: PolicyDocument | undefined): void {
  const { principal } = call;
  if (principal.kind === "service" || principal.account === ref.account) return;
  const names = ["*", principal.account, `arn:aws:iam::${principal.account}:root`];
  const allowed = (policy?.Statement ?? []).some(({ Principal: who, Action }) => {
    const named = who === "*" ? ["*"] : [who.AWS ?? []].flat();
    return (
      named.some((name) => names.includes(name)) && ["*", "lambda:*", "lambda:InvokeFunction"].includes(String(Action))
    );
  });
  if (allowed) return;
  throw fault(
    "AccessDeniedException",
    `account ${principal.account} is not authorized to perform: lambda:InvokeFunction on resource: ${arnOf(ref)} because no resource-based policy allows the lambda:InvokeFunction action`,
  );
}

/** The invocation's answer, unless the caller goes first; the invocation itself goes on. */
function whileWanted<T>(running: Promise<T>, signal: AbortSignal, lost: (error: unknown) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      reject(asError(signal.reason));
      // One that had not begun ends with its caller, who knows why.
      running.catch((error: unknown) => (error === signal.reason ? undefined : lost(error)));
    };
    if (signal.aborted) {
      leave();
      return;
    }
    signal.addEventListener("abort", leave, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

const tailOf = ({ logTail }: InvocationResult) => Buffer.from(logTail).toString("base64");

/** Parts of the answer, and how it ended. AWS tells no more apart: what the handler threw is `Unhandled` too. */
async function* eventsOf(stream: ResponseStream, logType: string | undefined) {
  for await (const Payload of wholeAnswer(stream)) yield { PayloadChunk: { Payload } };
  const result = await stream.result;
  const details = { ErrorCode: "Unhandled", ErrorDetails: Buffer.from(result.payload).toString() };
  yield {
    InvokeComplete: {
      ...(result.error === undefined ? {} : details),
      ...(logType === "Tail" ? { LogResult: tailOf(result) } : {}),
    },
  };
}

export function invokeOperations(deps: LambdaDeps) {
  const { log } = deps;
  const read = targetReader(deps);
  const policyOf = policyReader(deps);
  const run = invocationRunner(deps);
  const enqueue = queueEvent(deps);
  const lost = (error: unknown) =>
    log.warn("an invocation whose caller is gone ended without a result", { error: asError(error) });

  return {
    async Invoke(input, call) {
      if (input.DurableExecutionName !== undefined) throw notYet("DurableExecutionName");
      if (input.TenantId !== undefined) throw notYet("TenantId");
      const isEvent = input.InvocationType === "Event";
      const ref = functionRef(input.FunctionName, input.Qualifier, call);
      const payload = await payloadOf(input.Payload, isEvent ? eventPayloadBytesMax : requestPayloadBytesMax);
      if (ref.account !== call.account) checkAccount(ref, call, await policyOf(policyArn(ref), call));
      const target = await read(ref, call);
      if (input.InvocationType === "DryRun") return { StatusCode: 204 };
      const request = { requestId: call.requestId, payload, clientContext: input.ClientContext };
      if (isEvent) {
        await enqueue(ref, request, call);
        return { StatusCode: 202 };
      }
      const result = await whileWanted(run(target, ref, request, call), call.signal, lost);
      return {
        StatusCode: 200,
        ExecutedVersion: target.row.version,
        Payload: result.payload,
        // AWS tells no more apart: what the handler threw is `Unhandled` too.
        ...(result.error === undefined ? {} : { FunctionError: "Unhandled" }),
        ...(input.LogType === "Tail" ? { LogResult: tailOf(result) } : {}),
      };
    },

    /** What Invoke was before it took events; AWS keeps it, and so do its older clients. */
    async InvokeAsync(input, call) {
      const ref = functionRef(input.FunctionName, undefined, call);
      const payload = await payloadOf(await wholeOf(input.InvokeArgs, eventPayloadBytesMax), eventPayloadBytesMax);
      if (ref.account !== call.account) checkAccount(ref, call, await policyOf(policyArn(ref), call));
      await read(ref, call);
      await enqueue(ref, { requestId: call.requestId, payload }, call);
      return { Status: 202 };
    },

    /** Answers when the function begins to, or ends; buffered functions are one part. */
    async InvokeWithResponseStream(input, call) {
      if (input.TenantId !== undefined) throw notYet("TenantId");
      const ref = functionRef(input.FunctionName, input.Qualifier, call);
      const payload = await payloadOf(input.Payload, requestPayloadBytesMax);
      if (ref.account !== call.account) checkAccount(ref, call, await policyOf(policyArn(ref), call));
      const target = await read(ref, call);
      if (input.InvocationType === "DryRun") return { StatusCode: 204 };
      const request = { requestId: call.requestId, payload, clientContext: input.ClientContext };
      const stream = streamOf((sink) => run(target, ref, { ...request, stream: sink }, call), call.signal, lost);
      await stream.contentType;
      return {
        StatusCode: 200,
        ExecutedVersion: target.row.version,
        EventStream: eventsOf(stream, input.LogType),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
