/** The API endpoint, top to bottom: a request comes in, the front door looks at it, wire decodes it, a service answers. */
import type { Clock } from "../base/clock.ts";
import { asError, Fault, isFault } from "../base/errors.ts";
import { headerOf, jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../base/http.ts";
import type { Ids } from "../base/ids.ts";
import type { Call } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";
import type { Sessions } from "../kit/sessions.ts";
import type { Log } from "../telemetry/log.ts";
import { newTrace, parseTrace } from "../telemetry/trace.ts";
import { WireRefusal, type DecodedCall, type Wire } from "../wire/wire.ts";
import { defaultRegion, principalOf } from "./identity.ts";
import { refusalOf, type SafetyOptions } from "./safety.ts";

export interface EndpointDeps {
  clock: Clock;
  ids: Ids;
  log: Log;
  wire: Wire;
  dispatcher: Dispatcher;
  sessions: Sessions;
  safety: SafetyOptions;
  /** Answers `/_mikan/*`. */
  admin: HttpHandler;
}

/** A call from outside ends after this long; Lambda's longest invocation, and a little. */
const callMsMax = 16 * 60_000;

export function createEndpoint({
  clock,
  ids,
  log,
  wire,
  dispatcher,
  sessions,
  safety,
  admin,
}: EndpointDeps): HttpHandler {
  const callOf = (request: HttpRequest, decoded: DecodedCall): Call => {
    const { credentials, requestId } = decoded;
    if (credentials === undefined)
      throw new Fault("MissingAuthenticationToken", "Request is missing Authentication Token");
    const principal = principalOf(credentials, sessions);
    const traceHeader = headerOf(request.headers, "x-amzn-trace-id");
    const now = clock.now();
    return {
      account: principal.account,
      region: credentials.region || defaultRegion,
      principal,
      requestId,
      trace: (traceHeader === undefined ? undefined : parseTrace(traceHeader)) ?? newTrace(ids, now),
      signal: request.signal,
      deadline: now + callMsMax,
      publicUrl: `${request.scheme}://${request.host}`,
    };
  };

  const answer = async (request: HttpRequest, decoded: DecodedCall): Promise<HttpResponse> => {
    try {
      const call = callOf(request, decoded);
      return decoded.encode(await dispatcher.outside(decoded.service, decoded.operation, decoded.input, call));
    } catch (error) {
      if (isFault(error)) return decoded.encodeFault(error);
      log.error("a call was answered InternalFailure", { requestId: decoded.requestId, error: asError(error) });
      return decoded.encodeFault(
        new Fault("InternalFailure", "The request failed because of an internal error; see the node's log."),
      );
    }
  };

  return async (request) => {
    const refusal = refusalOf(request, safety);
    if (refusal !== undefined) return jsonResponse(refusal.status, { message: refusal.message });
    if (request.target.startsWith("/_mikan/")) return admin(request);
    let decoded: DecodedCall;
    try {
      decoded = await wire.decode(request);
    } catch (error) {
      if (!(error instanceof WireRefusal)) throw error;
      if (error.fault.code === "InternalFailure") log.error("a request could not be decoded", { error: error.fault });
      return error.response;
    }
    return answer(request, decoded);
  };
}
