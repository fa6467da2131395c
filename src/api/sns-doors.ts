/** What comes to SNS and is no call of an API: links in messages that were sent, and the certificate that they are signed with. */
import { asError } from "../base/errors.ts";
import { headerOf, jsonResponse, type HttpRequest, type HttpResponse } from "../base/http.ts";
import { serviceCall } from "../kit/call.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { defaultAccount, defaultRegion } from "./identity.ts";

const certificate = /^\/SimpleNotificationService-[0-9a-f]{32}\.pem$/;
/** Each proves itself: by its token, or by an id that only its subscriber was told. */
const link = /^\/\?(?:.*&)?Action=(?:ConfirmSubscription|Unsubscribe)(?:&|$)/;
const visitMsMax = 60_000;

export function createSnsDoors({ clock, ids, log, dispatcher }: EndpointDeps) {
  const visit = async ({ scheme, host, target, signal }: HttpRequest): Promise<HttpResponse> => {
    const call = serviceCall(
      { clock, ids, publicUrl: () => `${scheme}://${host}` },
      defaultAccount,
      defaultRegion,
      { kind: "service", service: "sns.amazonaws.com" },
      { signal, deadline: clock.now() + visitMsMax },
    );
    try {
      return (await dispatcher.inside("sns", "Visit", { target }, call)) as HttpResponse;
    } catch (error) {
      log.error("a link of a message could not be answered", { error: asError(error) });
      return jsonResponse(500, { message: "Internal Server Error" });
    }
  };

  /** The answer, or undefined for a request that means something else. */
  return (request: HttpRequest): Promise<HttpResponse> | undefined => {
    const { method, target, headers } = request;
    if (method !== "GET") return undefined;
    if (certificate.test(target)) return visit(request);
    const isSigned = headerOf(headers, "authorization") !== undefined || /[?&]X-Amz-Signature=/.test(target);
    return link.test(target) && !isSigned ? visit(request) : undefined;
  };
}
