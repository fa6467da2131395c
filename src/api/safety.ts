/**
 * What the front door refuses before anything is decoded: the ways in which a web page, open in a browser on this
 * machine, could reach a node that listens on loopback and accepts any credentials.
 */
import { headerOf, type HttpRequest } from "../base/http.ts";

export interface SafetyOptions {
  /** Host names, without port, that the node answers to besides loopback ones and `*.localhost`. */
  hosts: readonly string[];
  /** SigV4 is verified, so a presigned query proves who made it. */
  verified: boolean;
  /** A foreign origin that a bucket's CORS rules have let in; whoever sets it narrows what the request can reach. */
  grantedOrigin?: string;
}

export interface Refusal {
  status: 400 | 403;
  message: string;
}

/** Header that a change under `/_mikan/` must carry; a page cannot add one to a foreign request unasked. */
export const intentHeader = "x-mikan-intent";

const loopbackAddress = /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/;
/** For those who ask whether the node is there: nothing of what it holds. */
const openPath = "/_mikan/health";

const loopbackHost = /^(127(\.\d{1,3}){3}|localhost|\[::1\]|.+\.localhost)$/;

/** `host[:port]` without the port. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, "");
}

/** The request was made by a page that this node did not serve itself. */
export function isForeign(request: HttpRequest): boolean {
  const origin = headerOf(request.headers, "origin");
  if (origin !== undefined && origin.toLowerCase() !== `${request.scheme}://${request.host}`) return true;
  const site = headerOf(request.headers, "sec-fetch-site");
  return site !== undefined && site !== "same-origin" && site !== "none";
}

/** Refuses names that this node does not go by: a page may have pointed its own name at this address. */
export function hostRefusal(request: HttpRequest, { hosts }: SafetyOptions): Refusal | undefined {
  const name = nameOf(request.host);
  if (loopbackHost.test(name) || hosts.includes(name)) return undefined;
  return {
    status: 403,
    message: `This node does not answer to the host ${name}. Start it with --host-name ${name} if it should.`,
  };
}

function originRefusal(request: HttpRequest, { grantedOrigin }: SafetyOptions): Refusal | undefined {
  if (!isForeign(request)) return undefined;
  const granted = grantedOrigin !== undefined && headerOf(request.headers, "origin") === grantedOrigin;
  if (granted && !request.target.startsWith("/_mikan/")) return undefined;
  return { status: 403, message: "Requests made by a page of another origin are refused." };
}

/** Why the request is refused, or undefined when it may go on. */
export function refusalOf(request: HttpRequest, options: SafetyOptions): Refusal | undefined {
  const refusal = hostRefusal(request, options) ?? originRefusal(request, options);
  if (refusal !== undefined) return refusal;
  if (request.target.startsWith("/_mikan/")) {
    return adminRefusal(request);
  }
  if (headerOf(request.headers, "x-amz-target") !== undefined) {
    const type = headerOf(request.headers, "content-type") ?? "";
    // The JSON protocols own these types; a page's plain form post cannot have them.
    if (!/^application\/(x-amz-json-1\.[01]|json|cbor)/.test(type)) {
      return {
        status: 400,
        message: "A request with X-Amz-Target needs Content-Type application/x-amz-json-1.0 or -1.1.",
      };
    }
  }
  return options.verified ? undefined : presignedRefusal(request);
}

/** Nothing here is signed, so a node that listens beyond loopback shows and changes it on its own machine only. */
function adminRefusal(request: HttpRequest): Refusal | undefined {
  const path = request.target.split("?", 1)[0];
  if (path !== openPath && !loopbackAddress.test(request.client.address)) {
    return { status: 403, message: `${path} is answered on the node's own machine only.` };
  }
  const changes = request.method !== "GET" && request.method !== "HEAD";
  const meant = headerOf(request.headers, intentHeader) !== undefined;
  return changes && !meant ? { status: 403, message: `A change needs the header ${intentHeader}.` } : undefined;
}

/** An open node believes any key, so a link could act for anybody: there, only objects are served by presigned queries. */
function presignedRefusal(request: HttpRequest): Refusal | undefined {
  if (headerOf(request.headers, "authorization") !== undefined) return undefined;
  const query = request.target.indexOf("?");
  const presigned = query >= 0 && /[?&](X-Amz-Signature|Signature)=/.test(request.target.slice(query));
  if (!presigned) return undefined;
  const byHost = /\.s3[.-]/.test(request.host);
  const objectPath = byHost ? /^\/[^?]/.test(request.target) : /^\/[^/?]+\/[^?]/.test(request.target);
  const objectMethod = request.method === "GET" || request.method === "HEAD" || request.method === "PUT";
  const forS3 =
    /[?&]X-Amz-Credential=[^&]*(%2F|\/)s3(%2F|\/)aws4_request/i.test(request.target) ||
    /[?&]AWSAccessKeyId=/.test(request.target);
  if (objectPath && objectMethod && forS3) return undefined;
  return { status: 403, message: "Without verified signatures, presigned requests serve S3 objects only." };
}
