/**
 * Requests and answers of a function URL, field by field: payload format 2.0. Pure.
 * Source: Lambda guide, "Invoking Lambda function URLs", request and response payload.
 */
import { headerOf, type HttpRequest, type HttpResponse } from "../../base/http.ts";
import { principalArn, type Caller } from "../../kit/principals.ts";

/** A request by a function's URL, with its whole body. */
export interface UrlVisit extends Pick<HttpRequest, "method" | "target" | "host" | "scheme" | "headers"> {
  urlId: string;
  region: string;
  body: Uint8Array;
  /** IP address of the client. */
  address: string;
  /** Who signed it. */
  caller: { principal: Caller; accessKeyId: string } | undefined;
  /** Why its signature proves nothing, where it has one. */
  unproven: string | undefined;
}

export interface Moment {
  requestId: string;
  nowMs: number;
  /** `Root=...;Parent=...` */
  traceHeader: string;
}

/** The function's answer is not one that can be passed on. */
export class BadAnswer extends Error {
  override readonly name = "BadAnswer";
}

const textTypes = /^(text\/|application\/(json|javascript|xml|[^;]*\+(json|xml)|x-www-form-urlencoded)\b)/i;

/** `12/Mar/2020:19:03:58 +0000` */
function commonLogTime(ms: number): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+) GMT$/.exec(new Date(ms).toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
}

/** A name or value as its author wrote it; one that is not percent-encoded UTF-8 stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** Values of one name are joined by commas, in order. Without a prototype: names come from outside. */
function joined(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  const all = Object.create(null) as Record<string, string>;
  for (const [name, value] of pairs) all[name] = name in all ? `${all[name]},${value}` : value;
  return all;
}

function* queryPairs(query: string): Generator<[string, string]> {
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    yield equals < 0 ? [decoded(part), ""] : [decoded(part.slice(0, equals)), decoded(part.slice(equals + 1))];
  }
}

function* fieldPairs(
  { headers, address, host, scheme }: UrlVisit,
  { traceHeader }: Moment,
): Generator<[string, string]> {
  const own = new Set([
    "cookie",
    "host",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
  ]);
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? "").toLowerCase();
    if (!own.has(name)) yield [name, headers[i + 1] ?? ""];
  }
  yield ["host", host];
  yield ["x-amzn-trace-id", traceHeader];
  const before = headerOf(headers, "x-forwarded-for");
  yield ["x-forwarded-for", before === undefined ? address : `${before}, ${address}`];
  yield ["x-forwarded-port", /:(\d+)$/.exec(host)?.[1] ?? (scheme === "https" ? "443" : "80")];
  yield ["x-forwarded-proto", scheme];
}

function iamOf({ principal, accessKeyId }: NonNullable<UrlVisit["caller"]>) {
  const callerId =
    principal.kind === "role" ? `${principal.roleId ?? ""}:${principal.session}` : (principal.id ?? principal.account);
  return {
    accessKey: accessKeyId,
    accountId: principal.account,
    callerId,
    cognitoIdentity: null,
    principalOrgId: null,
    userArn: principalArn(principal),
    userId: callerId,
  };
}

/** The event that the function receives, as JSON. */
export function urlEvent(visit: UrlVisit, moment: Moment): Uint8Array {
  const { method, target, host, headers, body, urlId, address, caller } = visit;
  const question = target.indexOf("?");
  const rawPath = decoded(question < 0 ? target : target.slice(0, question));
  const rawQueryString = question < 0 ? "" : target.slice(question + 1);
  const domainName = host.replace(/:\d+$/, "");
  const cookies = (headerOf(headers, "cookie") ?? "")
    .split(";")
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie !== "");
  const isText =
    headerOf(headers, "content-encoding") === undefined && textTypes.test(headerOf(headers, "content-type") ?? "");
  const event = {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    ...(cookies.length === 0 ? {} : { cookies }),
    headers: joined(fieldPairs(visit, moment)),
    ...(rawQueryString === "" ? {} : { queryStringParameters: joined(queryPairs(rawQueryString)) }),
    requestContext: {
      accountId: caller?.principal.account ?? "anonymous",
      apiId: urlId,
      ...(caller === undefined ? {} : { authorizer: { iam: iamOf(caller) } }),
      domainName,
      domainPrefix: urlId,
      http: {
        method,
        path: rawPath,
        protocol: "HTTP/1.1",
        sourceIp: address,
        userAgent: headerOf(headers, "user-agent") ?? "",
      },
      requestId: moment.requestId,
      routeKey: "$default",
      stage: "$default",
      time: commonLogTime(moment.nowMs),
      timeEpoch: moment.nowMs,
    },
    ...(body.byteLength === 0 ? {} : { body: Buffer.from(body).toString(isText ? "utf8" : "base64") }),
    isBase64Encoded: body.byteLength > 0 && !isText,
  };
  return Buffer.from(JSON.stringify(event));
}

/** Fields of one connection, and lengths, which the server sets itself. */
const dropped = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const fieldValue = /^[\t\u0020-\u007e\u0080-\u{10ffff}]*$/u;

function field(name: string, value: unknown): [string, string] {
  const text = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  if (!fieldName.test(name) || typeof text !== "string" || !fieldValue.test(text)) {
    throw new BadAnswer(`header ${JSON.stringify(name)} is not valid`);
  }
  // Bytes above ASCII travel as UTF-8: the engine writes a head as Latin-1.
  return [name, Buffer.from(text).toString("latin1")];
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A function that streams may send what it likes. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new BadAnswer("it is no JSON", { cause: error });
    throw error;
  }
}

function bodyOf({ body, isBase64Encoded }: Readonly<Record<string, unknown>>): Uint8Array {
  if (body === undefined || body === null) return new Uint8Array(0);
  if (typeof body !== "string") throw new BadAnswer("body is not a string");
  return isBase64Encoded === true ? Buffer.from(body, "base64") : Buffer.from(body);
}

/** Status and fields of an answer; throws {@link BadAnswer}. */
export function responseHead(answer: unknown): { status: number; headers: string[] } {
  if (!isRecord(answer)) throw new BadAnswer("the head is no object");
  const status = Number(answer["statusCode"] ?? 200);
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new BadAnswer("statusCode is not a status");
  const { headers: given = {}, cookies = [] } = answer;
  if (!isRecord(given) || !Array.isArray(cookies)) throw new BadAnswer("headers or cookies have another form");
  const headers = Object.entries(given)
    .filter(([name]) => !dropped.has(name.toLowerCase()))
    .flatMap(([name, value]) => field(name, value));
  for (const cookie of cookies as readonly unknown[]) headers.push(...field("Set-Cookie", cookie));
  return { status, headers };
}

/** The function's answer as a response: its own parts where it names a status, else a body of JSON. */
export function urlResponse(payload: Uint8Array): HttpResponse {
  const text = Buffer.from(payload).toString();
  const answer = jsonOf(text === "" ? "null" : text);
  if (!isRecord(answer) || answer["statusCode"] === undefined) {
    const body = typeof answer === "string" ? answer : text;
    return { status: 200, headers: ["Content-Type", "application/json"], body: Buffer.from(body) };
  }
  const { status, headers } = responseHead(answer);
  if (headerOf(headers, "content-type") === undefined) headers.push("Content-Type", "application/json");
  return { status, headers, body: bodyOf(answer) };
}
