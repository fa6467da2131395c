/** `/_mikan/policies`: what AWS has no words for, read and set by the ARN of what it belongs to. */
import { parseArn } from "../base/arn.ts";
import { isFault } from "../base/errors.ts";
import { BodyTooLarge, bytesOf, jsonResponse, type HttpRequest, type HttpResponse } from "../base/http.ts";
import { serviceCall, type CallMaker } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";

export type PoliciesDeps = CallMaker & { dispatcher: Pick<Dispatcher, "inside"> };

/** Policies are a page of settings. */
const documentBytesMax = 64 * 1024;
const path = "/_mikan/policies";
/** The one service whose resources have policies. */
const owner = "elasticloadbalancing";
const principal = { kind: "service", service: "mikan.localhost" } as const;

/** The request asks for policies. */
export const isPolicies = (target: string) => target === path || target.startsWith(`${path}/`);

/**
 * `GET /_mikan/policies` lists all; `GET`, `PUT` and `DELETE` of `/_mikan/policies/{arn}` are the JSON of one, with the
 * keys of `Metadata: { Mikan: ... }`. A change is answered when every edge worker runs it.
 */
export function createPolicies(deps: PoliciesDeps): (request: HttpRequest) => Promise<HttpResponse> {
  const ask = async (operation: string, arn: string, input: object) => {
    const { account = "", region = "" } = parseArn(arn) ?? {};
    return deps.dispatcher.inside(owner, operation, input, serviceCall(deps, account, region, principal));
  };
  const document = (answer: object) => jsonResponse(200, "document" in answer ? answer.document : answer);

  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    const { method } = request;
    const target = request.target.split("?", 1)[0] ?? "";
    if (target === path) {
      if (method !== "GET") return jsonResponse(405, { message: `${path} is read with GET.` }, ["Allow", "GET"]);
      return jsonResponse(200, await ask("ListPolicies", "", {}));
    }
    const arn = decodeURIComponent(target.slice(path.length + 1));
    if (method === "GET") return document(await ask("GetPolicies", arn, { arn }));
    if (method === "DELETE") return document(await ask("PutPolicies", arn, { arn, document: {} }));
    if (method !== "PUT") {
      return jsonResponse(405, { message: "Policies take GET, PUT and DELETE." }, ["Allow", "GET, PUT, DELETE"]);
    }
    const body: unknown = JSON.parse(Buffer.from(await bytesOf(request.body, documentBytesMax)).toString());
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return jsonResponse(400, { message: "Policies are a JSON object." });
    }
    return document(await ask("PutPolicies", arn, { arn, document: body }));
  };

  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      if (isFault(error)) return jsonResponse(statusOf(error.code), { message: error.message });
      if (error instanceof BodyTooLarge) return jsonResponse(413, { message: error.message });
      if (error instanceof SyntaxError) return jsonResponse(400, { message: `This is no JSON: ${error.message}` });
      if (error instanceof URIError) return jsonResponse(400, { message: "The ARN in the path is not well encoded." });
      throw error;
    }
  };
}

function statusOf(code: string): number {
  if (/NotFound/.test(code)) return 404;
  return code === "ServiceUnavailable" ? 503 : 400;
}
