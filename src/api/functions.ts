/** `/_mikan/functions`: environments of functions and why each was started, and debuggers. */
import { parseArn } from "../base/arn.ts";
import { isFault } from "../base/errors.ts";
import { BodyTooLarge, bytesOf, jsonResponse, type HttpRequest, type HttpResponse } from "../base/http.ts";
import type { Compute } from "../compute/ports.ts";
import { serviceCall, type CallMaker } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";

export type FunctionDoorsDeps = CallMaker & {
  dispatcher: Pick<Dispatcher, "inside">;
  compute: Pick<Compute, "functions">;
};

const requestBytesMax = 4 * 1024;
const path = "/_mikan/functions";
const debugPath = /^\/_mikan\/functions\/([^/]+)\/debug$/;
const principal = { kind: "service", service: "mikan.localhost" } as const;

/** The request is about functions. */
export const isFunctions = (target: string) => target === path || target.startsWith(`${path}/`);

/**
 * `GET /_mikan/functions` tells of all that ran since the node's start. `POST /_mikan/functions/{arn}/debug` with
 * `{ port, wait? }` starts an environment with a debugger, in which all invocations run; who wants to keep it asks again
 * within 15 seconds. `DELETE` ends it.
 */
export function createFunctionDoors(deps: FunctionDoorsDeps): (request: HttpRequest) => Promise<HttpResponse> {
  const ask = (operation: string, FunctionName: string, input: object) => {
    const { account = "", region = "" } = parseArn(FunctionName) ?? {};
    const call = serviceCall(deps, account, region, principal);
    return deps.dispatcher.inside("lambda", operation, { FunctionName, ...input }, call);
  };

  const debug = async (request: HttpRequest, arn: string): Promise<HttpResponse> => {
    if (request.method === "DELETE") return jsonResponse(200, await ask("ReleaseDebugger", arn, {}));
    if (request.method !== "POST") {
      return jsonResponse(405, { message: "Debuggers take POST and DELETE." }, ["Allow", "POST, DELETE"]);
    }
    const body: unknown = JSON.parse(Buffer.from(await bytesOf(request.body, requestBytesMax)).toString());
    if (typeof body !== "object" || body === null || !("port" in body)) {
      return jsonResponse(400, { message: "A debugger needs a port." });
    }
    const wait = "wait" in body && body.wait === true;
    return jsonResponse(200, await ask("HoldDebugger", arn, { port: body.port, wait }));
  };

  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    const target = request.target.split("?", 1)[0] ?? "";
    if (target === path) {
      if (request.method === "GET") return jsonResponse(200, { functions: deps.compute.functions() });
      return jsonResponse(405, { message: `${path} is read with GET.` }, ["Allow", "GET"]);
    }
    const arn = debugPath.exec(target)?.[1];
    if (arn === undefined) return jsonResponse(404, { message: `${target} is nothing this node knows.` });
    return debug(request, decodeURIComponent(arn));
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
  if (code === "ResourceNotFoundException") return 404;
  return code === "ResourceConflictException" ? 409 : 400;
}
