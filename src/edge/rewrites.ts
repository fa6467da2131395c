/**
 * Rewrites of a request's host and URL, once its route is chosen: the routing goes by what the client sent, the endpoint
 * gets what this makes of it. Source: ALB user guide, "Transforms for listener rules".
 */
import { compileRegex } from "../base/regex.ts";
import { flags, isTarget } from "./h1/chars.ts";
import type { Rewrites } from "./ports.ts";
import type { RequestRecord } from "./record.ts";

/** Rewrites the head of a request; false where the result would not be a proper one, and nothing is changed. */
export type Rewrite = (request: Pick<RequestRecord, "head" | "sent">) => boolean;

/** What a text becomes: undefined where the expression does not match. */
type Replace = (text: string) => string | undefined;

/** A target that is longer is no request line any more (ALB: 16 K). */
const targetBytesMax = 16 * 1024;
const hostCharsMax = 255;
/** `host[:port]`; RFC 3986 section 3.2.2 without what no DNS name and no address has. */
const hostPattern = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** Compiles the rewrites of a route. Throws for an expression that is none. */
export function compileRewrites({ host, url }: Rewrites): Rewrite {
  const newHost = host === undefined ? unchanged : compileReplace(host);
  const newTarget = url === undefined ? unchanged : compileReplace(url);
  return (request) => {
    const { head } = request;
    const hostText = newHost(head.hostText);
    const target = newTarget(head.target);
    if (hostText === undefined && target === undefined) return true;
    if (hostText !== undefined && (hostText.length > hostCharsMax || !hostPattern.test(hostText))) return false;
    if (target !== undefined && !isProperTarget(target)) return false;
    request.sent = { target: head.target, host: head.hostText };
    head.target = target ?? head.target;
    head.hostText = hostText ?? head.hostText;
    head.host = head.hostText.toLowerCase();
    return true;
  };
}

const unchanged: Replace = () => undefined;

/** The first match is replaced; `$1` ... `$9` are its groups, `$0` is all of it, and a group that took no part is empty. */
function compileReplace({ regex, replace }: { regex: string; replace: string }): Replace {
  const compiled = compileRegex(regex);
  // Literal texts, and between them the numbers of groups.
  const pieces = replace.split(/\$(\d)/);
  return (text) => {
    const match = compiled.exec(text);
    if (match === undefined) return undefined;
    const placed = pieces.map((piece, i) => (i % 2 === 0 ? piece : groupOf(text, match, Number(piece))));
    return text.slice(0, match[0]) + placed.join("") + text.slice(match[1]);
  };
}

function groupOf(text: string, match: readonly number[], group: number): string {
  const start = match[group * 2] ?? -1;
  return start < 0 ? "" : text.slice(start, match[group * 2 + 1]);
}

function isProperTarget(target: string): boolean {
  if (!target.startsWith("/") || target.length > targetBytesMax) return false;
  for (let i = 0; i < target.length; i += 1) {
    if (((flags[target.charCodeAt(i)] ?? 0) & isTarget) === 0) return false;
  }
  return true;
}
