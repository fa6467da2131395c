/**
 * Every status that a load balancer answers by itself, and why. Source: Application Load Balancers guide,
 * "Troubleshoot your Application Load Balancers", "HTTP errors". The reason is in the access log's last field.
 * `reasons.test.ts` makes each row happen.
 */

export interface ReasonRow {
  status: number;
  /** The edge's word for it. */
  reason: string;
  when: string;
}

export const reasonTable: readonly ReasonRow[] = [
  { status: 400, reason: "desync", when: "a malformed request" },
  { status: 400, reason: "fields-too-large", when: "a field of more than 16 K" },
  { status: 400, reason: "fields-too-large", when: "fields of more than 64 K in all" },
  { status: 400, reason: "websocket-to-function", when: "a WebSocket to a function" },
  { status: 400, reason: "bad-chunk-size", when: "a body whose framing is broken" },
  { status: 405, reason: "trace", when: "TRACE" },
  { status: 408, reason: "head-timeout", when: "no whole head within the idle timeout" },
  { status: 408, reason: "client-timeout", when: "no more of the body within the idle timeout" },
  { status: 413, reason: "body-too-large", when: "a function, and a body of more than it takes" },
  { status: 414, reason: "request-line-too-large", when: "a request line of more than 16 K" },
  { status: 460, reason: "client-closed", when: "a client that left before it was answered" },
  { status: 463, reason: "too-many-forwarded", when: "X-Forwarded-For of more than 30 addresses" },
  { status: 500, reason: "redirect-too-long", when: "a redirect to a URL of more than 8 K" },
  { status: 500, reason: "transform-failed", when: "a rewrite whose result is no proper target" },
  { status: 501, reason: "transfer-encoding-not-supported", when: "a transfer coding other than chunked" },
  { status: 502, reason: "connect-refused", when: "a target that refuses the connection" },
  { status: 502, reason: "reset", when: "a target that closes with the request outstanding" },
  { status: 502, reason: "malformed-response", when: "a response that is none, or whose head is over 32 K" },
  { status: 502, reason: "tls-failed", when: "a target that does not speak TLS" },
  { status: 502, reason: "drained", when: "a deregistration delay that ends before the answer" },
  { status: 502, reason: "LambdaThrottling", when: "a function that is throttled" },
  { status: 503, reason: "no-endpoints", when: "a target group without targets" },
  { status: 503, reason: "connection-full", when: "an HTTP/2 connection whose client leaves 16 MB of answers lying" },
  { status: 503, reason: "function-busy", when: "more calls of functions than the edge holds" },
  { status: 504, reason: "idle-timeout", when: "no answer within the idle timeout" },
  { status: 504, reason: "connect-timeout", when: "no connection within 10 seconds" },
  { status: 505, reason: "version-not-supported", when: "another version of HTTP" },
];

/** Statuses of the guide that this edge never answers, and why. */
export const neverAnswered: Readonly<Record<number, string>> = {
  403: "AWS WAF is not run.",
  561: "Login by an identity provider is refused by name.",
};
