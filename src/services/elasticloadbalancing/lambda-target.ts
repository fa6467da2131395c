/**
 * Requests and answers of a function behind a load balancer, field by field. Pure.
 * Source: Application Load Balancers guide, "Lambda functions as targets".
 */
import { headerOf, type HttpRequest, type HttpResponse } from "../../base/http.ts";
import { errorReasonHeader } from "../../edge/ports.ts";

/** Of the request's body, and of the JSON that the function answers. */
export const lambdaBytesMax = 1024 * 1024;
/** `Server` of every answer that the load balancer makes. */
export const serverName = "awselb/2.0";

export interface LambdaTarget {
  targetGroupArn: string;
  functionArn: string;
  /** `lambda.multi_value_headers.enabled` */
  multiValue: boolean;
}

/** Why there is a 502 instead of the function's answer. Source: "Access logs", error reason codes. */
export type LambdaErrorReason =
  | "LambdaAccessDenied"
  | "LambdaBadRequest"
  | "LambdaConnectionError"
  | "LambdaConnectionTimeout"
  | "LambdaInvalidResponse"
  | "LambdaRequestTooLarge"
  | "LambdaResourceNotFound"
  | "LambdaResponseTooLarge"
  | "LambdaServiceException"
  | "LambdaThrottling"
  | "LambdaUnhandled";

/** The function's answer, or the request, is not one that the load balancer can pass on. */
export class LambdaTargetError extends Error {
  override readonly name = "LambdaTargetError";
  readonly reason: LambdaErrorReason;

  constructor(reason: LambdaErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

type Single = Record<string, string>;
type Multi = Record<string, string[]>;

interface Collected {
  single: Single;
  multi: Multi;
}

/** Names and values as maps: the last value of a name, and all of them. Without a prototype: names come from outside. */
function collect(pairs: readonly (readonly [string, string])[]): Collected {
  const single: Single = Object.create(null) as Single;
  const multi: Multi = Object.create(null) as Multi;
  for (const [name, value] of pairs) {
    single[name] = value;
    (multi[name] ??= []).push(value);
  }
  return { single, multi };
}

/** Names and values stay percent-encoded as they came. */
function queryPairs(query: string): [string, string][] {
  const parts = query.split("&").filter((part) => part !== "");
  return parts.map((part) => {
    const equals = part.indexOf("=");
    return equals < 0 ? [part, ""] : [part.slice(0, equals), part.slice(equals + 1)];
  });
}

/** A head is read as Latin-1, a character for each byte; what a function sees is UTF-8. */
function headText(text: string): string {
  return /[\u0080-\u00ff]/.test(text) ? textOf(Buffer.from(text, "latin1"), "head") : text;
}

function headerPairs(headers: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    pairs.push([(headers[i] ?? "").toLowerCase(), headText(headers[i + 1] ?? "")]);
  }
  return pairs;
}

const textTypes = ["application/json", "application/javascript", "application/xml"];

/** Text goes as it is; everything else, and everything that is encoded, in base64. */
function isText(headers: readonly string[]): boolean {
  if (headerOf(headers, "content-encoding") !== undefined) return false;
  const type = headerOf(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return type.startsWith("text/") || textTypes.includes(type);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, part: "head" | "body"): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new LambdaTargetError("LambdaBadRequest", `the request's ${part} is not UTF-8`, { cause });
  }
}

/** The event that the function receives, as JSON. Throws {@link LambdaTargetError} when its text is not UTF-8. */
export function lambdaEvent(
  { method, target, headers }: Pick<HttpRequest, "method" | "target" | "headers">,
  body: Uint8Array,
  { targetGroupArn, multiValue }: LambdaTarget,
): Uint8Array {
  const whole = headText(target);
  const question = whole.indexOf("?");
  const path = question < 0 ? whole : whole.slice(0, question);
  const query = collect(queryPairs(question < 0 ? "" : whole.slice(question + 1)));
  const fields = collect(headerPairs(headers));
  const isBase64Encoded = body.byteLength > 0 && !isText(headers);
  const event = {
    requestContext: { elb: { targetGroupArn } },
    httpMethod: method,
    path,
    ...(multiValue
      ? { multiValueQueryStringParameters: query.multi, multiValueHeaders: fields.multi }
      : { queryStringParameters: query.single, headers: fields.single }),
    body: isBase64Encoded ? Buffer.from(body).toString("base64") : textOf(body, "body"),
    isBase64Encoded,
  };
  return Buffer.from(JSON.stringify(event));
}

/** Fields of one connection, which the load balancer does not take from a function; lengths it computes itself. */
const dropped = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  errorReasonHeader,
]);
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Printable ASCII, tab and what is above ASCII (RFC 9110 section 5.5): nothing that could end the line. */
const fieldValue = /^[\t\u0020-\u007e\u0080-\u{10ffff}]*$/u;

const wrong = (message: string, options?: ErrorOptions) =>
  new LambdaTargetError("LambdaInvalidResponse", message, options);

function parsed(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(payload));
  } catch (cause) {
    throw wrong("the function's answer is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong("the function's answer is not an object");
  }
  return { ...value };
}

function addField(headers: string[], name: string, value: unknown): void {
  if (!fieldName.test(name)) throw wrong(`header name ${JSON.stringify(name)} is not valid`);
  if (typeof value !== "string" || !fieldValue.test(value)) throw wrong(`the value of header ${name} is not valid`);
  // Bytes above ASCII travel as UTF-8: the engine writes a head as Latin-1.
  if (!dropped.has(name.toLowerCase())) headers.push(name, Buffer.from(value).toString("latin1"));
}

function fieldsOf(answer: Record<string, unknown>, multiValue: boolean): string[] {
  const member = multiValue ? "multiValueHeaders" : "headers";
  const given = answer[member] ?? {};
  if (typeof given !== "object" || Array.isArray(given)) throw wrong(`${member} is not an object`);
  const headers: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    if (!multiValue) addField(headers, name, value);
    else if (Array.isArray(value)) for (const one of value as unknown[]) addField(headers, name, one);
    else throw wrong(`the value of header ${name} is not a list`);
  }
  return headers;
}

function bodyOf({ body, isBase64Encoded }: Record<string, unknown>): Uint8Array {
  if (body === undefined || body === null) return new Uint8Array(0);
  if (typeof body !== "string") throw wrong("body is not a string");
  if (isBase64Encoded !== undefined && isBase64Encoded !== null && typeof isBase64Encoded !== "boolean") {
    throw wrong("isBase64Encoded is not a boolean");
  }
  if (isBase64Encoded !== true) return Buffer.from(body);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(body)) throw wrong("body is not base64");
  return Buffer.from(body, "base64");
}

function statusOf({ statusCode }: Record<string, unknown>): number {
  if (typeof statusCode !== "number" || !Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
    throw wrong("statusCode is not a status");
  }
  return statusCode;
}

/** `404 Not Found`: the reason phrase is what follows the status. */
function phraseOf({ statusDescription }: Record<string, unknown>): string | undefined {
  if (typeof statusDescription !== "string") return undefined;
  return /^\d{3} ([\t\u0020-\u007e]+)$/.exec(statusDescription)?.[1];
}

/** The function's answer as a response. Throws {@link LambdaTargetError} when it is not one. */
export function lambdaResponse(payload: Uint8Array, { multiValue }: Pick<LambdaTarget, "multiValue">): HttpResponse {
  if (payload.byteLength > lambdaBytesMax) {
    throw new LambdaTargetError("LambdaResponseTooLarge", `the function's answer has ${payload.byteLength} bytes`);
  }
  const answer = parsed(payload);
  const status = statusOf(answer);
  const reason = phraseOf(answer);
  const headers = fieldsOf(answer, multiValue);
  const body = bodyOf(answer);
  if (body.byteLength > 0 && headerOf(headers, "content-type") === undefined) {
    headers.push("Content-Type", "application/octet-stream");
  }
  if (headerOf(headers, "server") === undefined) headers.push("Server", serverName);
  return { status, ...(reason === undefined ? {} : { reason }), headers, body };
}

const badGatewayPage = Buffer.from(
  [
    "<html>",
    "<head><title>502 Bad Gateway</title></head>",
    "<body>",
    "<center><h1>502 Bad Gateway</h1></center>",
    "</body>",
    "</html>",
    "",
  ].join("\r\n"),
);

/** The load balancer's own answer when the function gave none; `reason` is for the log and is not passed on. */
export function badGateway(reason: LambdaErrorReason): HttpResponse {
  return {
    status: 502,
    headers: ["Server", serverName, "Content-Type", "text/html", errorReasonHeader, reason],
    body: badGatewayPage,
  };
}
