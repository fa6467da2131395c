/** What comes to Lambda and is no call of an API: requests by a function's URL, and by links to its packages. */
import { asError, Fault, isFault } from "../base/errors.ts";
import { BodyTooLarge, bytesOf, headerOf, jsonResponse, type HttpRequest, type HttpResponse } from "../base/http.ts";
import { serviceCall, type Call } from "../kit/call.ts";
import { parseTrace } from "../telemetry/trace.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { defaultAccount, defaultRegion, principalOf } from "./identity.ts";

/** Packages, by links that GetFunction and GetLayerVersion give. */
const codePath = "/_mikan/lambda/code/";
const urlHost = /^(?<urlId>[a-z0-9]{32})\.lambda-url\.(?<region>[a-z0-9-]+)\.localhost(:\d+)?$/;
/** Lambda guide, "Lambda quotas": the synchronous payload. */
const bodyBytesMax = 6 * 1024 * 1024;
/** Lambda's longest invocation, and a little. */
const visitMsMax = 16 * 60_000;

export function createLambdaDoors({ clock, ids, log, wire, dispatcher, keyOf }: EndpointDeps) {
  const callOf = ({ scheme, host, headers, signal }: HttpRequest, region: string): Call => {
    const traceHeader = headerOf(headers, "x-amzn-trace-id");
    const trace = traceHeader === undefined ? undefined : parseTrace(traceHeader);
    return serviceCall(
      { clock, ids, publicUrl: () => `${scheme}://${host}` },
      defaultAccount,
      region,
      { kind: "service", service: "lambda.amazonaws.com" },
      { signal, deadline: clock.now() + visitMsMax, ...(trace === undefined ? {} : { trace }) },
    );
  };

  /** Who signed it; a function that lets everybody in does not care whether the signature is right. */
  const callerOf = async (request: HttpRequest, body: Uint8Array) => {
    try {
      const presented = await wire.authenticate(request, body, "lambda");
      if (presented === undefined) return { caller: undefined, unproven: undefined };
      const principal = await principalOf(presented, { clock, keyOf });
      return { caller: { principal, accessKeyId: presented.accessKeyId }, unproven: undefined };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { caller: undefined, unproven: error.message };
    }
  };

  const visit = async (request: HttpRequest, urlId: string, region: string): Promise<HttpResponse> => {
    const { method, target, host, scheme, headers, client } = request;
    const body = await bytesOf(request.body, bodyBytesMax);
    const origin = { urlId, region, address: client.address, ...(await callerOf(request, body)) };
    const input = { ...origin, method, target, host, scheme, headers, body };
    return (await dispatcher.inside("lambda", "VisitUrl", input, callOf(request, region))) as HttpResponse;
  };

  const download = async (request: HttpRequest): Promise<HttpResponse> => {
    if (request.method !== "GET") return jsonResponse(405, { message: "Packages are read by GET." }, ["Allow", "GET"]);
    const input = { target: request.target };
    return (await dispatcher.inside("lambda", "Download", input, callOf(request, defaultRegion))) as HttpResponse;
  };

  const answered = async (answer: Promise<HttpResponse>): Promise<HttpResponse> => {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof BodyTooLarge) return jsonResponse(413, { Message: "Request Too Long" });
      if (!isFault(error)) log.error("a request to a function could not be answered", { error: asError(error) });
      return jsonResponse(500, { Message: "Internal Server Error" });
    }
  };

  /** The answer, or undefined for a request that means something else. */
  return (request: HttpRequest): Promise<HttpResponse> | undefined => {
    const { urlId, region } = urlHost.exec(request.host)?.groups ?? {};
    if (urlId !== undefined && region !== undefined) return answered(visit(request, urlId, region));
    return request.target.startsWith(codePath) ? answered(download(request)) : undefined;
  };
}
