/** Functions behind load balancers: the handlers that the edge calls, for as long as some routing may still name them. */
import type { Clock, Instant } from "../../base/clock.ts";
import { asError, isFault } from "../../base/errors.ts";
import { BodyTooLarge, bytesOf, headerOf, type HttpHandler, type HttpRequest } from "../../base/http.ts";
import type { Ids } from "../../base/ids.ts";
import type { Edge } from "../../edge/ports.ts";
import { serviceCall, type Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { parseTrace } from "../../telemetry/trace.ts";
import type { Log } from "../../telemetry/log.ts";
import { keyOf } from "./arns.ts";
import {
  badGateway,
  lambdaBytesMax,
  lambdaEvent,
  lambdaResponse,
  LambdaTargetError,
  type LambdaErrorReason,
  type LambdaTarget,
} from "./lambda-target.ts";

export interface FunctionDeps {
  edge: Pick<Edge, "register" | "unregister">;
  peers: Pick<Peers, "lambda">;
  clock: Clock;
  ids: Ids;
  log: Log;
  publicUrl: () => string;
}

export interface Functions {
  /** Makes every target callable. Before the routing that names them is applied. */
  admit(targets: readonly LambdaTarget[]): void;
  /** After the routing that names exactly `targets` is in force: the others may go once old requests have ended. */
  retain(targets: readonly LambdaTarget[]): void;
  /** Forgets what no request can reach any more. */
  sweep(): void;
}

/** A function runs at most 15 minutes, so no request that began before a change lasts longer. */
const retentionMs = 15 * 60_000;
/** Longer than a function may run, so that Lambda's own timeout answers first. */
const invokeMsMax = 15 * 60_000 + 10_000;

export const elbPrincipal = "elasticloadbalancing.amazonaws.com";

/** Contains all that the handler depends on, so that each routing keeps the handler it began with. */
export function endpointId({ targetGroupArn, functionArn, multiValue }: LambdaTarget): string {
  return `${targetGroupArn} ${functionArn}${multiValue ? " multi-value" : ""}`;
}

/** Faults of Invoke, and the reason that the load balancer's log names for each. */
const reasons: Readonly<Record<string, LambdaErrorReason>> = {
  AccessDeniedException: "LambdaAccessDenied",
  ResourceNotFoundException: "LambdaResourceNotFound",
  TooManyRequestsException: "LambdaThrottling",
  ThrottlingException: "LambdaThrottling",
  RequestTooLargeException: "LambdaRequestTooLarge",
  InvalidRequestContentException: "LambdaBadRequest",
};

function reasonOf(error: unknown): LambdaErrorReason {
  if (error instanceof LambdaTargetError) return error.reason;
  if (isFault(error)) return reasons[error.code] ?? "LambdaServiceException";
  return error instanceof Error && error.name === "TimeoutError" ? "LambdaConnectionTimeout" : "LambdaConnectionError";
}

function callFor(deps: FunctionDeps, { targetGroupArn }: LambdaTarget, request: HttpRequest): Call {
  const { account, region } = keyOf("target group", targetGroupArn);
  const trace = parseTrace(headerOf(request.headers, "x-amzn-trace-id") ?? "");
  const principal = {
    kind: "service" as const,
    service: elbPrincipal,
    sourceArn: targetGroupArn,
    sourceAccount: account,
  };
  return serviceCall(deps, account, region, principal, {
    signal: request.signal,
    deadline: deps.clock.now() + invokeMsMax,
    asOf: request.startedAt,
    ...(trace === undefined ? {} : { trace }),
  });
}

/** A handler that invokes the function, and answers 502 with the reason where it cannot. */
export function functionHandler(deps: FunctionDeps, target: LambdaTarget): HttpHandler {
  return async (request) => {
    try {
      const body = await bytesOf(request.body, lambdaBytesMax);
      const input = { FunctionName: target.functionArn, Payload: lambdaEvent(request, body, target) };
      const { FunctionError, Payload } = await deps.peers.lambda.Invoke(input, callFor(deps, target, request));
      if (FunctionError !== undefined) return badGateway("LambdaUnhandled");
      return lambdaResponse(Payload ?? new Uint8Array(0), target);
    } catch (cause) {
      // The client is gone: nobody reads an answer, and the edge knows.
      if (request.signal.aborted) throw cause;
      // The edge holds a body back that is too long, and answers 413 itself.
      if (cause instanceof BodyTooLarge) return badGateway("LambdaRequestTooLarge");
      const reason = reasonOf(cause);
      deps.log.debug("a function behind a load balancer gave no answer", { ...target, reason, error: asError(cause) });
      return badGateway(reason);
    }
  };
}

export function createFunctions(deps: FunctionDeps): Functions {
  /** Endpoint ids, and since when the routing in force does not name them. */
  const registered = new Map<string, { idleSince: Instant | undefined }>();
  return {
    admit(targets) {
      for (const target of targets) {
        const id = endpointId(target);
        if (registered.has(id)) continue;
        deps.edge.register(id, functionHandler(deps, target));
        registered.set(id, { idleSince: deps.clock.now() });
      }
    },
    retain(targets) {
      const named = new Set(targets.map(endpointId));
      for (const [id, entry] of registered) {
        if (named.has(id)) entry.idleSince = undefined;
        else entry.idleSince ??= deps.clock.now();
      }
    },
    sweep() {
      const before = deps.clock.now() - retentionMs;
      for (const [id, { idleSince }] of registered) {
        if (idleSince === undefined || idleSince > before) continue;
        deps.edge.unregister(id);
        registered.delete(id);
      }
    },
  };
}
