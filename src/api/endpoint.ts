/** The API endpoint, top to bottom: a request comes in, the front door looks at it, wire decodes it, a service answers. */
import type { Clock } from "../base/clock.ts";
import { asError, Fault, isFault } from "../base/errors.ts";
import { headerOf, jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../base/http.ts";
import type { Ids } from "../base/ids.ts";
import type { Call } from "../kit/call.ts";
import type { KeyOf } from "../kit/credentials.ts";
import type { Dispatcher } from "../kit/dispatch.ts";
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
  /** The keys that the node itself has made. */
  keyOf: KeyOf;
  safety: SafetyOptions;
  /** Answers `/_mikan/*`. */
  admin: HttpHandler;
}

const internalText = "The request failed because of an internal error; see the node's log.";
/** A call from outside ends after this long; Lambda's longest invocation, and a little. */
const callMsMax = 16 * 60_000;

const faultOf = (error: unknown) =>
  isFault(error) ? error : new Fault("InternalFailure", internalText, {}, { cause: error });

export function createEndpoint({ clock, ids, log, wire, dispatcher, keyOf, safety, admin }: EndpointDeps): HttpHandler {
  const callOf = async (request: HttpRequest, decoded: DecodedCall): Promise<Call> => {
    const { credentials, requestId } = decoded;
    if (credentials === undefined) {
      // Wire lets none through but those that AWS answers without a signature, and Mikan has none of them.
      throw new Fault("NotImplemented", `Mikan does not implement ${decoded.service}:${decoded.operation} yet.`);
    }
    const principal = await principalOf(credentials, { clock, keyOf });
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
    let call: Call;
    try {
      call = await callOf(request, decoded);
    } catch (error) {
      if (!isFault(error)) log.error("it could not be told who calls", { error: asError(error) });
      return decoded.encodeFault(faultOf(error));
    }
    try {
      return decoded.encode(await dispatcher.outside(decoded.service, decoded.operation, decoded.input, call));
    } catch (error) {
      // The dispatcher has logged what broke in an operation; wire answers it without details.
      return decoded.encodeFault(faultOf(error));
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
