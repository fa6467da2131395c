/** One connection, checked out of a pool: statements numbered, typed and prepared on the way in, decoded on the way out. */
import { DatabaseError, Pool, type PoolClient, type QueryArrayResult } from "pg";
import { asError, Bug } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Statements } from "../body.ts";
import { StoreBusy } from "../errors.ts";
import { JsonValue, type Sql, type SqlValue } from "../sql.ts";
import { checkValue } from "../values.ts";
import { decodeRows } from "./decode.ts";
import { postgresError } from "./errors.ts";

/** Statements kept prepared on each connection; what comes after that is parsed each time. */
const statementsMax = 512;
/** The server ends a statement, a wait for a lock and an idle transaction after this long. */
const statementMsMax = 10_000;
/** A server that does not answer at all is given up, with its connection. */
const answerMsMax = 15_000;
/** For a new connection, or for one of the pool to be free. */
const connectMsMax = 10_000;

const limits = `set statement_timeout = ${statementMsMax}; set lock_timeout = ${statementMsMax};
  set idle_in_transaction_session_timeout = ${statementMsMax}`;

/** SQL without values, or with values that PostgreSQL is told the types of. */
export interface PostgresQuery {
  text: string;
  values?: unknown[];
}

/**
 * An untyped parameter takes the type of what it is compared with or assigned to; alone it would be text. So numbers,
 * truth values and bytes say what they are, and the rest may not need to.
 */
function castOf(value: SqlValue): string {
  if (typeof value === "number" || typeof value === "bigint") return "::int8";
  if (typeof value === "boolean") return "::boolean";
  return value instanceof Uint8Array ? "::bytea" : "";
}

function parameterOf(value: SqlValue): unknown {
  checkValue(value);
  return value instanceof JsonValue ? value.text : value;
}

function queryOf({ strings, values }: Sql): Required<PostgresQuery> {
  const parameters = values.map(parameterOf);
  let text = strings[0] as string;
  for (let i = 0; i < values.length; i += 1) {
    text += `$${i + 1}${castOf(values[i] as SqlValue)}${strings[i + 1] as string}`;
  }
  if (/^\s*(begin|start|commit|end|rollback|abort|savepoint|release|prepare)\b/i.test(text)) {
    throw new Bug(`transactions are the store's: ${text}`);
  }
  return { text, values: parameters };
}

/** Names of prepared statements; the same text has the same name on every connection. */
export class StatementNames {
  readonly #names = new Map<string, string>();

  of(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= statementsMax) return known;
    const name = `mikan_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}

type Cells = (string | null)[];
type Answer = QueryArrayResult<Cells>;

const asText = { getTypeParser: () => (text: string) => text };

export class Session implements Statements {
  readonly #client: PoolClient;
  readonly #names: StatementNames;
  /** Set when the connection must not be used again. */
  broken: Error | undefined;
  /** The statement before the next one: a body may ask for several at once, the protocol takes one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: PoolClient, names: StatementNames) {
    this.#client = client;
    this.#names = names;
  }

  async one(query: Sql): Promise<object | undefined> {
    return (await this.all(query))[0];
  }

  async all(query: Sql): Promise<object[]> {
    const { fields, rows } = await this.execute(queryOf(query));
    return decodeRows(fields, rows);
  }

  async run(statement: Sql): Promise<number> {
    return (await this.execute(queryOf(statement))).rowCount ?? 0;
  }

  /** A query with values is prepared once per connection; one without is sent as it is. */
  execute(query: PostgresQuery): Promise<Answer> {
    const answer = this.#last.then(() => this.#send(query));
    // Its failure is told to whoever asked for it.
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async #send({ text, values }: PostgresQuery): Promise<Answer> {
    const name = values === undefined ? undefined : this.#names.of(text);
    try {
      return await this.#client.query<Cells>({
        text,
        rowMode: "array",
        types: asText,
        ...(values === undefined ? {} : { values }),
        ...(name === undefined ? {} : { name }),
      });
    } catch (error) {
      // Whatever the server did not put into words leaves the connection in a state nobody knows.
      if (!(error instanceof DatabaseError)) this.broken = asError(error);
      throw postgresError(error);
    }
  }
}

export interface SessionsOptions {
  url: string;
  size: number;
  /** SQL that each connection begins with. */
  setup: string;
  /** For work that may take minutes: without the limits on statements. */
  patient?: boolean;
  log: Log;
}

/** A pool of sessions. */
export class Sessions {
  readonly #pool: Pool;
  readonly #names = new StatementNames();
  #ended = false;

  constructor({ url, size, setup, patient = false, log }: SessionsOptions) {
    this.#pool = new Pool({
      connectionString: url,
      max: size,
      connectionTimeoutMillis: connectMsMax,
      ...(patient ? {} : { query_timeout: answerMsMax }),
      keepAlive: true,
      application_name: "mikan",
      onConnect: (client) => {
        // Without a listener a connection that breaks between two statements would end the process.
        client.on("error", (error) => {
          if (!this.#ended) log.warn("a connection to PostgreSQL broke", { error });
        });
        return client.query(`set bytea_output = hex; ${patient ? "" : limits}; ${setup}`);
      },
    });
    // The pool passes on what its connections' own listener has logged, and ends the process where nobody listens.
    this.#pool.on("error", () => {});
  }

  /** Runs `work` on a session of its own, once one is free. */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    const session = new Session(client, this.#names);
    try {
      return await work(session);
    } finally {
      client.release(session.broken);
    }
  }

  end(): Promise<void> {
    this.#ended = true;
    return this.#pool.end();
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      // pg-pool has no code for it.
      if (asError(error).message === "timeout exceeded when trying to connect") {
        throw new StoreBusy(`no connection to PostgreSQL was free for ${connectMsMax} ms`, { cause: error });
      }
      throw postgresError(error);
    }
  }
}
