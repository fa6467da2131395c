/** An API destination called: one HTTP request, authorized as its connection says. */
import { must } from "../../base/errors.ts";
import type { ApiDestinations, DestinationHttp } from "../../kit/api-destinations.ts";
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

/** What is asked of a destination. */
interface Visit {
  arn: string;
  text: string;
  http: DestinationHttp;
  /** Of the answer. */
  bytesMax: number;
}

/** The target's own parameters; their values may be paths into the event as it came. */
function httpOf({ parcel }: Handover): DestinationHttp {
  const { PathParameterValues, HeaderParameters = {}, QueryStringParameters = {} } = parcel.target.HttpParameters ?? {};
  const event: unknown = JSON.parse(parcel.event);
  const value = (text: string): string => {
    const path = text.startsWith("$.") ? parsePath(text) : undefined;
    if (path === undefined) return text;
    const found = valueAt(event, path) ?? "";
    return typeof found === "string" ? found : JSON.stringify(found);
  };
  const filled = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, value(text)]));
  return {
    PathParameterValues: PathParameterValues?.map(value),
    HeaderParameters: filled(HeaderParameters),
    QueryStringParameters: filled(QueryStringParameters),
  };
}

const pairsOf = (list: readonly { Key?: string | undefined; Value?: string | undefined }[] = []) =>
  list.map(({ Key = "", Value = "" }) => [Key, Value] as const);

/** A later field takes the place of an earlier one, whatever its case. */
function headersOf(fields: readonly (readonly [name: string, value: string])[]): Record<string, string> {
  const headers = new Map(fields.map(([name, value]) => [name.toLowerCase(), [name, value] as const]));
  return Object.fromEntries(headers.values());
}

function urlOf({ endpoint }: ApiDestinationRow, auth: AuthParameters, http: DestinationHttp): string {
  const { PathParameterValues = [], QueryStringParameters = {} } = http;
  const parts = [...PathParameterValues];
  // Each `*` of the endpoint stands for one value; it is no character of a host.
  const url = new URL(endpoint.replace(/\*/g, () => encodeURIComponent(parts.shift() ?? "")));
  for (const [name, text] of Object.entries(QueryStringParameters)) url.searchParams.set(name, text);
  for (const [name, text] of pairsOf(auth.InvocationHttpParameters?.QueryStringParameters)) {
    url.searchParams.set(name, text);
  }
  return url.href;
}

/** The target's own fields, then the connection's, which win. */
function fieldsOf(auth: AuthParameters, authorization: readonly [string, string], http: DestinationHttp) {
  return headersOf([
    ["Content-Type", "application/json; charset=utf-8"],
    ["User-Agent", "Amazon/EventBridge/ApiDestinations"],
    ...Object.entries(http.HeaderParameters ?? {}),
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

export type Visiting = (deps: EventsDeps, visit: Visit) => Promise<OutAnswer>;

/** Throws the faults of {@link ApiDestinations}. */
export function visiting(tokens: Tokens): Visiting {
  return async (deps, { arn, text: body, http, bytesMax }) => {
    const { clock, secrets } = deps;
    const { destination, connection } = await found(deps, arn);
    if (connection.state === "DEAUTHORIZED") {
      throw fault("ServiceUnavailable", `The connection ${connection.name} is not authorized.`);
    }
    const auth = openAuth(secrets, connection);
    const authorization = await authorizationOf(tokens, connection, auth);
    const { method } = destination;
    const hasBody = method !== "GET" && method !== "HEAD";
    const out: OutRequest = {
      url: urlOf(destination, auth, http),
      method,
      headers: fieldsOf(auth, authorization, http),
      ...(hasBody ? { body: bodyOf(body, auth) } : {}),
    };
    const answer = await request(clock, out, bytesMax);
    const { status, text } = answer;
    if (status >= 200 && status < 300) return answer;
    // The token may be good no more: the next attempt asks for another.
    if ((status === 401 || status === 407) && auth.OAuthParameters !== undefined) await tokens.forget(connection);
    const message = `The endpoint answered ${status}: ${text.slice(0, answerBytesMax)}`.trim();
    const afterMs = retryAfterMs(answer, clock.now());
    throw fault(
      isRetried(status) ? "Refused" : "Rejected",
      message,
      afterMs === undefined ? {} : { retryAfterMs: afterMs },
    );
  };
}

/** An event of a rule; the answer is of no interest. */
export function invoking(visit: Visiting): Send {
  return async (deps, handover) => {
    const { text, parcel } = handover;
    await visit(deps, { arn: parcel.target.Arn, text, http: httpOf(handover), bytesMax: answerBytesMax });
  };
}

/** For the other services of the house. */
export function destinationCalls(deps: EventsDeps, visit: Visiting) {
  return {
    async InvokeApiDestination({ Arn, Text, Http = {}, bytesMax }) {
      const { text } = await visit(deps, { arn: Arn, text: Text, http: Http, bytesMax });
      return { Text: text };
    },
  } satisfies ApiDestinations;
}
