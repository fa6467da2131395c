/** Where custom resources and wait conditions answer their stacks: a PUT that proves itself by the secret in its URL. */
import type { Clock } from "../base/clock.ts";
import { BodyTooLarge, bytesOf, type HttpHandler, type HttpRequest, type HttpResponse } from "../base/http.ts";
import { isFault } from "../base/errors.ts";
import type { Ids } from "../base/ids.ts";
import { responsePath } from "../base/response-host.ts";
import { serviceCall } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";

/** More than AWS takes of an answer, so that one that is too long can be told so. */
const bodyBytesMax = 64 * 1024;
const answerMsMax = 60_000;

export interface ResponsesDeps {
  clock: Clock;
  ids: Ids;
  dispatcher: Dispatcher;
}

/** Answers as S3 does, whose presigned URLs these are on AWS. */
function answered(status: 200 | 400 | 403 | 405, message: string): HttpResponse {
  return { status, headers: ["Content-Type", "text/plain"], body: status === 200 ? undefined : Buffer.from(message) };
}

async function bodyOf({ body }: HttpRequest): Promise<Uint8Array | undefined> {
  try {
    return await bytesOf(body, bodyBytesMax);
  } catch (error) {
    if (!(error instanceof BodyTooLarge)) throw error;
    return undefined;
  }
}

/** Is the request for {@link createResponses}? */
export function isResponse({ target }: Pick<HttpRequest, "target">): boolean {
  return target.startsWith(responsePath);
}

export function createResponses({ clock, ids, dispatcher }: ResponsesDeps): HttpHandler {
  return async (request) => {
    if (request.method !== "PUT") return answered(405, "PUT is the one method here.");
    const url = new URL(request.target, "http://node");
    const [account, region, Stack, Callback, ...more] = url.pathname.slice(responsePath.length).split("/");
    const Secret = url.searchParams.get("token");
    if (!account || !region || !Stack || !Callback || more.length > 0 || Secret === null) {
      return answered(403, "Access Denied");
    }
    const call = serviceCall(
      { clock, ids, publicUrl: () => `${request.scheme}://${request.host}` },
      account,
      region,
      { kind: "service", service: "cloudformation.amazonaws.com" },
      { signal: request.signal, deadline: clock.now() + answerMsMax },
    );
    const Body = await bodyOf(request);
    const input = { Stack, Callback, Secret, ...(Body === undefined ? {} : { Body }) };
    try {
      await dispatcher.inside("cloudformation", "Respond", input, call);
      return answered(200, "");
    } catch (error) {
      if (!isFault(error)) throw error;
      return answered(error.code === "AccessDenied" ? 403 : 400, error.message);
    }
  };
}
