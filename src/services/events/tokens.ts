/** Access tokens of connections with OAuth: asked for, kept sealed, and asked for again before their end. */
import { asError } from "../../base/errors.ts";
import type { Job } from "../../base/scheduler.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { openAuth, openToken, sealToken } from "./auth.ts";
import type { EventsDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import {
  authorizeLeaseMs,
  authorizePollMs,
  chunkRows,
  tokenAnswerBytesMax,
  tokenLifeMs,
  tokenMarginMs,
} from "./limits.ts";
import { request, type OutRequest } from "./requests.ts";
import { connections, isNamed, type AuthParameters, type ConnectionRow } from "./tables.ts";

type OAuth = NonNullable<AuthParameters["OAuthParameters"]>;

const pairsOf = (list: readonly { Key?: string | undefined; Value?: string | undefined }[] = []) =>
  list.map(({ Key = "", Value = "" }) => [Key, Value] as const);

/** RFC 6749 section 4.4.2: a form; in the query where the method has no body. */
function tokenRequest({
  AuthorizationEndpoint,
  HttpMethod,
  ClientParameters,
  OAuthHttpParameters: http,
}: OAuth): OutRequest {
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: ClientParameters.ClientID,
    client_secret: ClientParameters.ClientSecret,
  });
  for (const [name, value] of pairsOf(http?.BodyParameters)) form.set(name, value);
  const url = new URL(AuthorizationEndpoint);
  for (const [name, value] of pairsOf(http?.QueryStringParameters)) url.searchParams.set(name, value);
  const headers = Object.fromEntries(pairsOf(http?.HeaderParameters));
  if (HttpMethod === "GET") {
    for (const [name, value] of form) url.searchParams.set(name, value);
    return { url: url.href, method: HttpMethod, headers };
  }
  return {
    url: url.href,
    method: HttpMethod,
    headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
    body: form.toString(),
  };
}

interface Token {
  token: string;
  lifeMs: number;
}

/** RFC 6749 section 5.1. */
function tokenIn(text: string): Token | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof answer !== "object" || answer === null || !("access_token" in answer)) return undefined;
  if (typeof answer.access_token !== "string") return undefined;
  const seconds = "expires_in" in answer ? Number(answer.expires_in) : Number.NaN;
  return { token: answer.access_token, lifeMs: seconds > 0 ? seconds * 1_000 : tokenLifeMs };
}

export interface Tokens {
  /** A token that is good for now; asks for one where there is none. Throws a fault where that fails. */
  of(row: ConnectionRow, auth: OAuth): Promise<string>;
  /** The endpoint does not take the token any more. */
  forget(row: ConnectionRow): Promise<void>;
  job: Job;
}

export function createTokens({ store, clock, log, secrets }: EventsDeps): Tokens {
  const write = (row: ConnectionRow, change: Partial<ConnectionRow>) =>
    store.tx((tx) =>
      // Unless it was changed meanwhile.
      tx.run(sql`update ${connections.name} set ${assign(connections, change)}
        where ${isNamed(row)} and uid = ${row.uid} and modified_ms = ${row.modified_ms}`),
    );

  const ask = async (auth: OAuth): Promise<Token> => {
    const { status, text } = await request(clock, tokenRequest(auth), tokenAnswerBytesMax);
    const token = status >= 200 && status < 300 ? tokenIn(text) : undefined;
    if (token !== undefined) return token;
    throw fault("ServiceUnavailable", `The authorization endpoint answered ${status} without an access token.`);
  };

  const authorize = async (row: ConnectionRow, auth: OAuth): Promise<string> => {
    const { token, lifeMs } = await ask(auth);
    const now = clock.now();
    await write(row, {
      state: "AUTHORIZED",
      reason: null,
      access_token: sealToken(secrets, row, token),
      token_until_ms: now + lifeMs,
      authorized_ms: now,
      due_ms: null,
    });
    return token;
  };

  /** The first time, of a connection that was made or changed. */
  const begin = async (row: ConnectionRow) => {
    const auth = openAuth(secrets, row).OAuthParameters;
    if (auth === undefined) return;
    try {
      await authorize(row, auth);
    } catch (cause) {
      const { message } = asError(cause);
      log.warn("a connection could not be authorized", { connection: row.name, reason: message });
      await write(row, { state: "DEAUTHORIZED", reason: message.slice(0, 512), due_ms: null });
    }
  };

  return {
    async of(row, auth) {
      const isGood = (row.token_until_ms ?? 0) - tokenMarginMs > clock.now();
      return row.access_token !== null && isGood ? openToken(secrets, row, row.access_token) : authorize(row, auth);
    },
    async forget(row) {
      await write(row, { access_token: null, token_until_ms: null });
    },
    job: {
      name: "events:authorize",
      everyMs: authorizePollMs,
      async run(signal) {
        const rows = await store.claim({
          from: connections,
          due: "due_ms",
          count: "claims",
          now: clock.now(),
          leaseMs: authorizeLeaseMs,
          limit: chunkRows,
        });
        for (const row of rows) if (!signal.aborted) await begin(row);
      },
    },
  };
}
