/**
 * How safe a request is to read, in ALB's classes and words (ALB user guide, "Desync mitigation mode" and
 * "Classification reasons"; the reasons about lines are those of `aws/http-desync-guardian`, which the guide names).
 * A compliant request has no verdict.
 */

/** `Acceptable`: against the letter, without risk. `Ambiguous`: servers read it differently. `Severe`: made to mislead. */
export type RequestClass = "Acceptable" | "Ambiguous" | "Severe";

const classes = {
  GetHeadZeroContentLength: "Acceptable",
  NonCompliantHeader: "Acceptable",
  NonCompliantVersion: "Acceptable",
  NonCrLfLineTermination: "Acceptable",
  SpaceInUri: "Acceptable",
  AmbiguousUri: "Ambiguous",
  BothTeClPresent: "Ambiguous",
  DuplicateContentLength: "Ambiguous",
  EmptyHeader: "Ambiguous",
  MissingHeaderColon: "Ambiguous",
  MissingUri: "Ambiguous",
  MultilineHeader: "Ambiguous",
  SuspiciousHeader: "Ambiguous",
  /** Content-Length on GET or HEAD, or before HTTP/1.0; the user guide words it the other way round. */
  UndefinedContentLengthSemantics: "Ambiguous",
  /** Likewise of Transfer-Encoding, before HTTP/1.1. */
  UndefinedTransferEncodingSemantics: "Ambiguous",
  BadContentLength: "Severe",
  BadHeader: "Severe",
  BadMethod: "Severe",
  BadTransferEncoding: "Severe",
  BadUri: "Severe",
  BadVersion: "Severe",
  MultipleContentLength: "Severe",
  MultipleTransferEncodingChunked: "Severe",
} as const satisfies Record<string, RequestClass>;

export type VerdictReason = keyof typeof classes;

export interface Verdict {
  class: RequestClass;
  reason: VerdictReason;
}

const ranks: Record<RequestClass, number> = { Acceptable: 1, Ambiguous: 2, Severe: 3 };

/** The verdict for a reason: one object for each, so that none is made for a request. */
export function verdictOf(reason: VerdictReason): Verdict {
  return verdicts[reason];
}

const verdicts = Object.fromEntries(
  Object.entries(classes).map(([reason, requestClass]) => [reason, { class: requestClass, reason }]),
) as Record<VerdictReason, Verdict>;

/** The first of the most severe reasons; undefined where there is none. */
export function worstOf(reasons: readonly VerdictReason[]): Verdict | undefined {
  let worst: Verdict | undefined;
  for (const reason of reasons) {
    const verdict = verdictOf(reason);
    if (worst === undefined || ranks[verdict.class] > ranks[worst.class]) worst = verdict;
  }
  return worst;
}
