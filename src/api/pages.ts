/**
 * What pages of another origin may ask of S3: a bucket's CORS rules let them in, to that bucket and nothing else; and a
 * bucket's website is there for everybody whom its policy lets in.
 */
import { headerOf, headersOf, type HttpHandler, type HttpRequest, type HttpResponse } from "../base/http.ts";
import { Fault } from "../base/errors.ts";
import { serviceCall, type Call } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";
import { splitTarget } from "../wire/message.ts";
import { s3Address } from "../wire/s3-routes.ts";
import { createEndpoint, type EndpointDeps } from "./endpoint.ts";
import { defaultAccount, defaultRegion } from "./identity.ts";
import { createResponses, isResponse } from "./responses.ts";
import { createLambdaDoors } from "./lambda-doors.ts";
import { hostRefusal, isForeign } from "./safety.ts";
import { createSnsDoors } from "./sns-doors.ts";

/** Fields that a page may want to set; more are no question that a browser asks. */
const requestedHeadersMax = 100;
const visitMsMax = 16 * 60_000;

const websiteHost = /^(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.s3-website(?:[.-][a-z0-9-]+)?$/;

/** The bucket whose website the host names: `b.s3-website.localhost`, `b.s3-website-us-east-1.localhost`. */
export function websiteBucket(host: string, hosts: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, "");
  for (const base of hosts) {
    if (!name.endsWith(`.${base}`)) continue;
    const bucket = websiteHost.exec(name.slice(0, -base.length - 1))?.groups?.["bucket"];
    if (bucket !== undefined) return bucket;
  }
  return undefined;
}

/**
 * A dispatcher that knows the objects of one bucket, whatever a request turns out to ask for. An open node believes any
 * key, so nothing else tells a page's request from its owner's: not the bucket itself, and no copy from elsewhere.
 */
function onlyObjectsOf(dispatcher: Dispatcher, bucket: string): Dispatcher {
  return {
    ...dispatcher,
    async outside(service, operation, input, call) {
      const named = service === "s3" && "Bucket" in input && input.Bucket === bucket;
      const ofObjects = "Key" in input || operation === "ListObjectsV2" || operation === "ListObjects";
      if (!named || !ofObjects || "CopySource" in input) {
        throw new Fault("AccessDenied", "Pages of another origin reach the objects of the bucket that lets them in.");
      }
      return dispatcher.outside(service, operation, input, call);
    },
  };
}

/** The endpoint, and before it what browsers need. */
export function createPages(deps: EndpointDeps): HttpHandler {
  const { clock, ids, dispatcher, safety } = deps;
  const endpoint = createEndpoint(deps);
  const responses = createResponses(deps);
  const hosts = ["localhost", ...safety.hosts];

  const callOf = ({ scheme, host, signal }: HttpRequest): Call =>
    serviceCall(
      { clock, ids, publicUrl: () => `${scheme}://${host}` },
      defaultAccount,
      defaultRegion,
      { kind: "service", service: "s3.amazonaws.com" },
      { signal, deadline: clock.now() + visitMsMax },
    );

  const visit = async (request: HttpRequest, Bucket: string): Promise<HttpResponse> => {
    const { method, scheme, host, headers } = request;
    const since = headerOf(headers, "if-modified-since");
    const sinceMs = since === undefined ? Number.NaN : Date.parse(since);
    const input = {
      Bucket,
      method,
      scheme,
      host,
      path: splitTarget(request.target).path,
      ifNoneMatch: headerOf(headers, "if-none-match"),
      ifModifiedSince: Number.isNaN(sinceMs) ? undefined : new Date(sinceMs),
      range: headerOf(headers, "range"),
    };
    return (await dispatcher.inside("s3", "Visit", input, callOf(request))) as HttpResponse;
  };

  /** The bucket that a page's request names, and the fields that let it in. */
  const grantOf = async (request: HttpRequest, origin: string) => {
    const { bucket } = s3Address(request.host, splitTarget(request.target).path, hosts);
    if (bucket === undefined || bucket === "" || request.target.startsWith("/_mikan/")) return undefined;
    const asked = request.method === "OPTIONS" ? headerOf(request.headers, "access-control-request-method") : undefined;
    const names = headersOf(request.headers, "access-control-request-headers")
      .join(",")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
    if (names.length > requestedHeadersMax) return undefined;
    const question = {
      Bucket: bucket,
      Origin: origin,
      Method: asked ?? request.method,
      Headers: asked === undefined ? [] : names,
    };
    const answer = await dispatcher.inside("s3", "MatchCors", question, callOf(request));
    if (!("headers" in answer)) return undefined;
    return { bucket, preflight: asked !== undefined, headers: answer.headers as string[] };
  };

  const lambda = createLambdaDoors(deps);
  const sns = createSnsDoors(deps);

  return async (request) => {
    if (hostRefusal(request, safety) !== undefined) return endpoint(request);
    const answered = lambda(request) ?? sns(request);
    if (answered !== undefined) return answered;
    if (isResponse(request)) return responses(request);
    const site = websiteBucket(request.host, hosts);
    if (site !== undefined) return visit(request, site);
    const origin = headerOf(request.headers, "origin");
    if (origin === undefined || !isForeign(request)) return endpoint(request);
    const grant = await grantOf(request, origin);
    // Without one the endpoint refuses the page, and says so.
    if (grant === undefined) return endpoint(request);
    if (grant.preflight) return { status: 200, headers: grant.headers, body: undefined };
    const narrowed = createEndpoint({
      ...deps,
      dispatcher: onlyObjectsOf(dispatcher, grant.bucket),
      safety: { ...safety, grantedOrigin: origin },
    });
    const response = await narrowed(request);
    return { ...response, headers: [...response.headers, ...grant.headers] };
  };
}
