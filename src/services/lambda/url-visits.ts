/** Requests by a function's URL: let in or not, run, and answered. Source: Lambda guide, "Control access to Lambda function URLs". */
import { asError, isFault } from "../../base/errors.ts";
import { jsonResponse, type HttpResponse } from "../../base/http.ts";
import type { ResponseSink } from "../../compute/ports.ts";
import { decide, type ConditionContext } from "../../kit/authorize.ts";
import type { Call, Principal } from "../../kit/call.ts";
import { formatTrace } from "../../telemetry/trace.ts";
import type { LambdaDeps } from "./deps.ts";
import type { FunctionRef } from "./names.ts";
import { policyArn, policyReader } from "./permissions.ts";
import { streamOf } from "./response-streams.ts";
import { invocationRunner, targetReader } from "./runs.ts";
import { preflight, withCors } from "./url-cors.ts";
import { BadAnswer, urlEvent, urlResponse, type UrlVisit } from "./url-requests.ts";
import { streamedResponse } from "./url-streams.ts";
import { findUrlById, type Url, type UrlRow } from "./url-tables.ts";

const forbidden = () =>
  jsonResponse(403, {
    Message:
      "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html",
  });
const badGateway = (): HttpResponse => ({
  status: 502,
  headers: ["Content-Type", "application/json"],
  body: Buffer.from("Internal Server Error"),
});

/** Nobody in particular: only statements for everybody match. */
const anybody: Principal = { kind: "user", account: "anonymous", accessKeyId: "" };

export function urlVisits(deps: LambdaDeps) {
  const { store, log, clock, metrics } = deps;
  const policyOf = policyReader(deps);
  const read = targetReader(deps);
  const run = invocationRunner(deps);

  /**
   * Without a signature both permissions must be given to everybody: `lambda:InvokeFunctionUrl`, and since October 2025
   * `lambda:InvokeFunction` too. Callers of the account itself need none; those of another one need both.
   */
  const refusal = async (ref: FunctionRef, row: UrlRow, visit: UrlVisit, call: Call): Promise<string | undefined> => {
    const { caller } = visit;
    const principal = row.auth_type === "AWS_IAM" ? (caller?.principal ?? anybody) : anybody;
    const arn = policyArn(ref);
    const policy = await policyOf(arn, call);
    const asked: readonly (readonly [string, ConditionContext])[] = [
      ["lambda:InvokeFunctionUrl", { "lambda:FunctionUrlAuthType": row.auth_type }],
      ["lambda:InvokeFunction", { "lambda:InvokedViaFunctionUrl": "true" }],
    ];
    for (const [action, context] of asked) {
      const decision = decide({ principal, action, arn, context, policy });
      const own = principal.kind !== "service" && principal.account === ref.account;
      if (decision === "deny" || (decision === "silent" && !own)) return `no statement allows ${action} to the caller`;
    }
    return undefined;
  };

  const lost = (error: unknown) =>
    log.warn("an invocation whose caller is gone ended without a result", { error: asError(error) });

  const invoke = async (ref: FunctionRef, visit: UrlVisit, call: Call, streamed: boolean): Promise<HttpResponse> => {
    const moment = { requestId: call.requestId, nowMs: clock.now(), traceHeader: formatTrace(call.trace) };
    const payload = urlEvent(visit, moment);
    try {
      const target = await read(ref, call);
      const request = { requestId: call.requestId, payload };
      if (streamed) {
        const begin = (stream: ResponseSink) => run(target, ref, { ...request, stream }, call);
        return await streamedResponse(streamOf(begin, call.signal, lost));
      }
      const result = await run(target, ref, request, call);
      return result.error === undefined ? urlResponse(result.payload) : badGateway();
    } catch (error) {
      if (isFault(error, "TooManyRequestsException")) {
        return jsonResponse(429, { Reason: error.members["Reason"], Type: "User", message: error.message });
      }
      if (error instanceof BadAnswer) {
        log.info("a function's answer to its URL has no valid form", { function: ref.name, reason: error.message });
        return badGateway();
      }
      if (isFault(error)) return badGateway();
      throw error;
    }
  };

  const answer = async (row: Url, visit: UrlVisit, call: Call): Promise<HttpResponse> => {
    const { account, region, name, qualifier } = row;
    const early = row.cors === null ? undefined : preflight(row.cors, visit.method, visit.headers);
    if (early !== undefined) return early;
    const ref = { account, region, name, qualifier: qualifier === "" ? undefined : qualifier };
    const own = { ...call, account, region };
    if (row.auth_type === "AWS_IAM" && visit.unproven !== undefined) {
      return jsonResponse(403, { message: visit.unproven });
    }
    const reason = await refusal(ref, row, visit, own);
    if (reason !== undefined) {
      log.info("a request by a function's URL was refused", { function: name, reason });
      return forbidden();
    }
    metrics.counter("lambda_url_requests", { function: name }).add();
    const shown = row.auth_type === "AWS_IAM" ? visit : { ...visit, caller: undefined };
    const response = await invoke(ref, shown, own, row.streamed);
    return row.cors === null ? response : withCors(row.cors, visit.headers, response);
  };

  return async (visit: UrlVisit, call: Call): Promise<HttpResponse> => {
    const row = await store.read((tx) => findUrlById(tx, visit.region, visit.urlId));
    const response = row === undefined ? forbidden() : await answer(row, visit, call);
    return { ...response, headers: [...response.headers, "x-amzn-RequestId", call.requestId] };
  };
}
