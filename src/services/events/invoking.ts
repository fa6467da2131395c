/** An event to an API destination: one HTTP request, authorized as its connection says. */
import { must } from "../../base/errors.ts";
import { openAuth } from "./auth.ts";
import { connectionOfArn, findConnection } from "./connections.ts";
import type { Handover, Send } from "./delivering.ts";
import type { EventsDeps } from "./deps.ts";
import { destinationOfArn, findDestination } from "./destination-rows.ts";
import { fault } from "./faults.ts";
import { parsePath, valueAt } from "./json-path.ts";
import { answerBytesMax } from "./limits.ts";
import { request, type OutAnswer, type OutRequest } from "./requests.ts";
import type { ApiDestinationRow, AuthParameters, ConnectionRow } from "./tables.ts";
import type { Tokens } from "./tokens.ts";

/** Statuses that another attempt may undo. Source: user guide, "API destinations as targets", retries. */
const isRetried = (status: number) => [401, 407, 409, 429].includes(status) || status >= 500;

async function found({ store }: EventsDeps, arn: string) {
  return store.read(async (tx) => {
    const ref = must(destinationOfArn(arn), "an API destination's ARN");
    const destination = await findDestination(tx, ref);
    if (destination?.uid !== ref.uid) {
      throw fault("ResourceNotFoundException", `An api-destination '${ref.name}' does not exist.`);
    }
    const theirs = connectionOfArn(destination.connection_arn);
    const connection = theirs === undefined ? undefined : await findConnection(tx, theirs);
    if (connection === undefined || connection.uid !== theirs?.uid) {
      throw fault("ResourceNotFoundException", `The connection of api-destination '${ref.name}' does not exist.`);
    }
    return { destination, connection };
  });
}

/** What a target adds to the request. */
interface TargetHttp {
  PathParameterValues?: readonly string[] | undefined;
  HeaderParameters?: Readonly<Record<string, string>> | undefined;
  QueryStringParameters?: Readonly<Record<string, string>> | undefined;
}

const httpOf = ({ parcel }: Handover): TargetHttp => parcel.target.HttpParameters ?? {};

/** Values of a target may be paths into the event as it came. */
function valuesIn({ parcel }: Handover) {
  const event: unknown = JSON.parse(parcel.event);
  return (text: string): string => {
    const path = text.startsWith("$.") ? parsePath(text) : undefined;
    if (path === undefined) return text;
    const value = valueAt(event, path) ?? "";
    return typeof value === "string" ? value : JSON.stringify(value);
  };
}

const pairsOf = (list: readonly { Key?: string | undefined; Value?: string | undefined }[] = []) =>
  list.map(({ Key = "", Value = "" }) => [Key, Value] as const);

/** A later field takes the place of an earlier one, whatever its case. */
function headersOf(fields: readonly (readonly [name: string, value: string])[]): Record<string, string> {
  const headers = new Map(fields.map(([name, value]) => [name.toLowerCase(), [name, value] as const]));
  return Object.fromEntries(headers.values());
}

function urlOf({ endpoint }: ApiDestinationRow, auth: AuthParameters, handover: Handover): string {
  const value = valuesIn(handover);
  const { PathParameterValues = [], QueryStringParameters = {} } = httpOf(handover);
  const parts = [...PathParameterValues];
  // Each `*` of the endpoint stands for one value; it is no character of a host.
  const url = new URL(endpoint.replace(/\*/g, () => encodeURIComponent(value(parts.shift() ?? ""))));
  for (const [name, text] of Object.entries(QueryStringParameters)) url.searchParams.set(name, value(text));
  for (const [name, text] of pairsOf(auth.InvocationHttpParameters?.QueryStringParameters)) {
    url.searchParams.set(name, text);
  }
  return url.href;
}

/** The target's own fields, then the connection's, which win. */
function fieldsOf(auth: AuthParameters, authorization: readonly [string, string], handover: Handover) {
  const value = valuesIn(handover);
  const own = Object.entries(httpOf(handover).HeaderParameters ?? {});
  return headersOf([
    ["Content-Type", "application/json; charset=utf-8"],
    ["User-Agent", "Amazon/EventBridge/ApiDestinations"],
    ...own.map(([name, text]) => [name, value(text)] as const),
    ...pairsOf(auth.InvocationHttpParameters?.HeaderParameters),
    authorization,
  ]);
}

/** Parameters of the connection are added to a body that is an object. */
function bodyOf(text: string, auth: AuthParameters): string {
  const added = pairsOf(auth.InvocationHttpParameters?.BodyParameters);
  if (added.length === 0) return text;
  const body: unknown = JSON.parse(text);
  if (typeof body !== "object" || body === null || Array.isArray(body)) return text;
  return JSON.stringify({ ...body, ...Object.fromEntries(added) });
}

async function authorizationOf(
  tokens: Tokens,
  connection: ConnectionRow,
  { BasicAuthParameters: basic, ApiKeyAuthParameters: key, OAuthParameters: oauth }: AuthParameters,
): Promise<readonly [name: string, value: string]> {
  if (key !== undefined) return [key.ApiKeyName, key.ApiKeyValue];
  if (basic !== undefined) {
    const pair = Buffer.from(`${basic.Username}:${basic.Password}`).toString("base64");
    return ["Authorization", `Basic ${pair}`];
  }
  return ["Authorization", `Bearer ${await tokens.of(connection, must(oauth, "OAuth's parameters"))}`];
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfterMs({ headers }: OutAnswer, now: number): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  return ms > 0 ? ms : undefined;
}

export function invoking(tokens: Tokens): Send {
  return async (deps, handover) => {
    const { clock, secrets } = deps;
    const { destination, connection } = await found(deps, handover.parcel.target.Arn);
    if (connection.state === "DEAUTHORIZED") {
      throw fault("ServiceUnavailable", `The connection ${connection.name} is not authorized.`);
    }
    const auth = openAuth(secrets, connection);
    const authorization = await authorizationOf(tokens, connection, auth);
    const { method } = destination;
    const hasBody = method !== "GET" && method !== "HEAD";
    const out: OutRequest = {
      url: urlOf(destination, auth, handover),
      method,
      headers: fieldsOf(auth, authorization, handover),
      ...(hasBody ? { body: bodyOf(handover.text, auth) } : {}),
    };
    const answer = await request(clock, out, answerBytesMax);
    const { status, text } = answer;
    if (status >= 200 && status < 300) return;
    // The token may be good no more: the next attempt asks for another.
    if ((status === 401 || status === 407) && auth.OAuthParameters !== undefined) await tokens.forget(connection);
    const message = `The endpoint answered ${status}: ${text}`.trim();
    const afterMs = retryAfterMs(answer, clock.now());
    throw fault(
      isRetried(status) ? "Refused" : "Rejected",
      message,
      afterMs === undefined ? {} : { retryAfterMs: afterMs },
    );
  };
}
