/**
 * The class of an HTTP/2 request: that of the HTTP/1.1 head with the same fields. Its own framing leaves no doubt, but what
 * goes on to an endpoint of HTTP/1.1 is read by the rules of that, and there its fields would mislead as they do in any
 * request. (AWS's library leaves HTTP/2 out; which classes its load balancer gives is not public.)
 */
import { classify } from "./classify.ts";
import type { RawField } from "./raw-head.ts";
import { verdictOf, type Verdict } from "./verdict.ts";

/** Of the fields `raw` (name, value, name, value ...), pseudo-header fields among them; `bare` when no body follows. */
export function classifyFields(raw: readonly string[], bare: boolean): Verdict | undefined {
  const pseudo = new Map<string, string>();
  const fields: RawField[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const [name = "", value = ""] = raw.slice(i, i + 2);
    if (name.startsWith(":")) pseudo.set(name, value);
    else fields.push({ name, value, fold: false, line: `${name}: ${value}` });
  }
  const method = pseudo.get(":method") ?? "";
  const verdict = classify({ method, target: pseudo.get(":path") ?? "", version: "HTTP/1.1", fields, faults: [] });
  if (verdict !== undefined || bare || (method !== "GET" && method !== "HEAD")) return verdict;
  // A body that its frames alone announce; an endpoint of HTTP/1.1 would be told of it.
  return verdictOf("UndefinedContentLengthSemantics");
}
