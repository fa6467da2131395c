/** Why a resource failed, as AWS's resource handlers put it. Source: CloudFormation CLI guide, "Handler error codes". */
import { isFault } from "../../base/errors.ts";
import { ResourceFailure } from "../../kit/resource.ts";

const codes: readonly (readonly [RegExp, string])[] = [
  [/AlreadyExists|Duplicate|Conflict/i, "AlreadyExists"],
  [/NotFound|NoSuch|DoesNotExist/i, "NotFound"],
  [/AccessDenied|Unauthorized|NotAuthorized/i, "AccessDenied"],
  [/Throttl|TooManyRequests|RateExceeded/i, "Throttling"],
  [/LimitExceeded|TooMany|QuotaExceeded/i, "ServiceLimitExceeded"],
  [/InternalFailure|ServiceException|ServiceUnavailable/i, "ServiceInternalError"],
];

/** The status reason of a failed call. A failure that is no fault is ours: it is logged elsewhere and not shown. */
export function handlerReason(error: unknown, token: string): string {
  if (error instanceof ResourceFailure) return error.message;
  const message = isFault(error) ? error.message : "Internal Failure";
  const code = isFault(error)
    ? (codes.find(([pattern]) => pattern.test(error.code))?.[1] ?? "InvalidRequest")
    : "InternalFailure";
  return `Resource handler returned message: "${message}" (RequestToken: ${token}, HandlerErrorCode: ${code})`;
}
