/**
 * A line of the access log, field by field, in AWS's format (ALB user guide, "Access logs for your Application Load
 * Balancer", "Access log entries"): 29 fields, and the four that were appended since. AWS appends more with time, so
 * whoever reads it takes the fields that it knows; the last here is Mikan's own, the reason of every answer that no
 * target made. Parsers know AWS's reason codes and fail at others, so `error_reason` has none.
 */

/** What is known of one request when it is over. Times are milliseconds. */
export interface AccessFacts {
  type: "http" | "https" | "h2" | "grpcs" | "ws" | "wss";
  /** When the answer was made; of a WebSocket, when it closed. Wall time. */
  endedAt: number;
  /** As its ARN has it: `app/name/id`. */
  loadBalancer: string;
  client: string;
  /** Address and port of the target; "" where none was chosen, and of functions. */
  target: string;
  /** Until it went to a target; -1 when it did not. */
  requestMs: number;
  /** Until the target began to answer; -1 when it did not. */
  targetMs: number;
  /** Until the answer went to the client; -1 when there was none. */
  responseMs: number;
  /** 0 when the client got no answer. */
  status: number;
  /** 0 when the target gave none. */
  targetStatus: number;
  receivedBytes: number;
  sentBytes: number;
  /** Method, URL and version; {@link unreadable} where it was no request. */
  request: string;
  userAgent: string;
  cipher: string;
  tlsProtocol: string;
  targetGroup: string;
  trace: string;
  /** The name that the client asked for in its handshake, and was given a certificate for. */
  domain: string;
  /** ARN; `session-reused` where none was shown. */
  certificate: string;
  /** 0 is the default rule's, -1 one that could not be evaluated; undefined: none was looked at. */
  priority: number | undefined;
  createdAt: number;
  actions: string;
  redirectUrl: string;
  /** Why there is no target's answer, in the edge's words or in AWS's. */
  reason: string;
  classification: string;
  classificationReason: string;
  connectionTrace: string;
  transformedHost: string;
  transformedUri: string;
  transformStatus: string;
}

/** The request of a client that sent none, or one that cannot be read. */
export function unreadable(scheme: "http" | "https", host: string, port: number): string {
  return `- ${scheme}://${host}:${port}- -`;
}

/** The line, with its end. */
export function accessLine(facts: AccessFacts): string {
  const target = facts.target === "" ? "-" : facts.target;
  const targetStatus = facts.targetStatus === 0 ? "-" : String(facts.targetStatus);
  return (
    `${facts.type} ${timeText(facts.endedAt)} ${plain(facts.loadBalancer)} ${facts.client} ${target} ` +
    `${seconds(facts.requestMs)} ${seconds(facts.targetMs)} ${seconds(facts.responseMs)} ` +
    `${facts.status === 0 ? "-" : facts.status} ${targetStatus} ${facts.receivedBytes} ${facts.sentBytes} ` +
    `"${escaped(facts.request)}" ${quoted(facts.userAgent)} ${plain(facts.cipher)} ${plain(facts.tlsProtocol)} ` +
    `${plain(facts.targetGroup)} ${quoted(facts.trace)} ${quoted(facts.domain)} ${quoted(facts.certificate)} ` +
    `${facts.priority ?? "-"} ${timeText(facts.createdAt)} ${quoted(facts.actions)} ${quoted(facts.redirectUrl)} ` +
    `${quoted(awsReason(facts.reason))} "${target}" "${targetStatus}" ${quoted(facts.classification)} ` +
    `${quoted(facts.classificationReason)} ${plain(facts.connectionTrace)} ${quoted(facts.transformedHost)} ` +
    `${quoted(facts.transformedUri)} ${quoted(facts.transformStatus)} ${quoted(facts.reason)}\n`
  );
}

/** AWS's codes are written like `LambdaThrottling`; the edge's own words are not. */
function awsReason(reason: string): string {
  return /^[A-Z]/.test(reason) ? reason : "";
}

/** The second that was written last: many lines have the same. */
let second = { at: -1, text: "" };

/** AWS writes microseconds; the clock has milliseconds. */
function timeText(ms: number): string {
  const at = Math.floor(ms / 1000);
  if (at !== second.at) second = { at, text: new Date(at * 1000).toISOString().slice(0, -4) };
  return `${second.text}${thousandths(Math.floor(ms) - at * 1000)}000Z`;
}

/** Seconds with three decimals, as AWS writes them; -1 stays -1. */
function seconds(ms: number): string {
  if (ms < 0) return "-1";
  const whole = Math.round(ms);
  return `${Math.floor(whole / 1000)}.${thousandths(whole % 1000)}`;
}

function thousandths(count: number): string {
  return count < 10 ? `00${count}` : count < 100 ? `0${count}` : String(count);
}

function plain(text: string): string {
  return text === "" ? "-" : text;
}

function quoted(text: string): string {
  return text === "" ? '"-"' : `"${escaped(text)}"`;
}

/** Nothing that a client sends ends a field or a line: what would is written as `\x22`. */
function escaped(text: string): string {
  return /[^\x20-\x7e]|["\\]/.test(text)
    ? text.replace(/[^\x20-\x7e]|["\\]/g, (character) => `\\x${hex(character.charCodeAt(0) & 0xff)}`)
    : text;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
