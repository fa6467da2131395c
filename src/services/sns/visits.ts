/** Requests that nobody has signed: the links in messages, and the certificate that their signatures are checked with. */
import type { HttpResponse } from "../../base/http.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { askToConfirm, confirming } from "./confirmations.ts";
import type { SnsDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { tokenMs } from "./limits.ts";
import { subscriptionRef } from "./names.ts";
import { protocolOf, protocols } from "./protocols.ts";
import { certificatePath } from "./signing.ts";
import { findSubscription, removeSubscription } from "./subscribing.ts";
import { isSubscription, subscriptions as table } from "./tables.ts";

const namespace = "http://sns.amazonaws.com/doc/2010-03-31/";

const xml = (status: number, text: string): HttpResponse => ({
  status,
  headers: ["Content-Type", "text/xml"],
  body: Buffer.from(text),
});
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function answerOf(action: string, result: string, { requestId }: Call): HttpResponse {
  const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
  return xml(200, `<${action}Response xmlns="${namespace}">${result}${metadata}</${action}Response>`);
}

/** As the query protocol says it. */
const codes: Readonly<Record<string, readonly [code: string, status: number]>> = {
  NotFoundException: ["NotFound", 404],
  AuthorizationErrorException: ["AuthorizationError", 403],
};

function refusalOf(error: unknown, { requestId }: Call): HttpResponse {
  if (!isFault(error)) throw error;
  const [code, status] = codes[error.code] ?? ["InvalidParameter", 400];
  const message = `<Message>${escaped(error.message)}</Message>`;
  return xml(
    status,
    `<ErrorResponse xmlns="${namespace}"><Error><Type>Sender</Type><Code>${code}</Code>${message}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
  );
}

export function visitOperations(deps: SnsDeps) {
  const { store, clock, ids, signing } = deps;
  const confirm = confirming(deps);

  /** An endpoint that ends its subscription by the link may take that back. */
  const unsubscribe = async (arn: string, call: Call): Promise<void> => {
    const ref = subscriptionRef("SubscriptionArn", arn);
    const change = { confirmed: false, token: ids.hex(64), expires_ms: clock.now() + tokenMs };
    await store.tx(async (tx) => {
      const row = await findSubscription(tx, ref);
      if (row === undefined || !row.confirmed) return;
      if (row.guarded) {
        throw fault("AuthorizationErrorException", "This subscription can be ended by a signed request only");
      }
      if (protocols[protocolOf(row)].confirms !== "always") return removeSubscription(tx, deps, row);
      await tx.run(sql`update ${table.name} set ${assign(table, change)} where ${isSubscription(row)}`);
      deps.topics.forgetAfter(tx, ref);
      await askToConfirm(deps, tx, { ...row, ...change }, call, "UnsubscribeConfirmation");
    });
  };

  const certificateAt = async (path: string): Promise<HttpResponse> => {
    const certificate = await signing.certificate(path.slice(certificatePath.length, -".pem".length));
    if (certificate === undefined) return xml(404, "");
    return { status: 200, headers: ["Content-Type", "application/x-pem-file"], body: Buffer.from(certificate) };
  };

  const follow = async (fields: URLSearchParams, call: Call): Promise<HttpResponse> => {
    if (fields.get("Action") === "Unsubscribe") {
      await unsubscribe(fields.get("SubscriptionArn") ?? "", call);
      return answerOf("Unsubscribe", "", call);
    }
    const arn = await confirm({
      topicArn: fields.get("TopicArn") ?? "",
      token: fields.get("Token") ?? "",
      guarded: fields.get("AuthenticateOnUnsubscribe") === "true",
      authenticated: false,
    });
    const result = `<ConfirmSubscriptionResult><SubscriptionArn>${escaped(arn)}</SubscriptionArn></ConfirmSubscriptionResult>`;
    return answerOf("ConfirmSubscription", result, call);
  };

  return {
    /** `target` is path and query. */
    async Visit({ target }: { target: string }, call: Call): Promise<HttpResponse> {
      const url = new URL(target, "http://sns");
      if (url.pathname.startsWith(certificatePath)) return certificateAt(url.pathname);
      try {
        return await follow(url.searchParams, call);
      } catch (error) {
        return refusalOf(error, call);
      }
    },
  };
}
