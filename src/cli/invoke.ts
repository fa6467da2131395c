/** `mikan invoke`: one invocation of a function, with an event of one's own or of a template, and what came of it. */
import { readFile } from "node:fs/promises";
import { buffer, text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { createClient, type Client, type RestAnswer } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";
import { eventsIn } from "./event-stream.ts";
import { findTemplate, parameter, parseTemplate, templates } from "./events/index.ts";
import { inWords, reportIn } from "./report.ts";

const version = "2015-03-31";
const streamVersion = "2021-11-15";
/** The node's own account; others are of those who deploy there. */
const accountDefault = "000000000000";

/** Beside the answer, for people: a pipe gets the answer alone. */
const tell = (line: string) => process.stderr.write(`${line}\n`);

interface EventOptions {
  event: string | undefined;
  template: string | undefined;
  set: readonly string[];
  region: string;
}

async function fileText(file: string): Promise<string> {
  if (file === "-") return text(process.stdin);
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the event ${file}`, { cause });
  });
}

/** The event as it was given; whether it is JSON the service says. */
async function eventOf({ event, template, set, region }: EventOptions): Promise<string> {
  if (event !== undefined && template !== undefined) throw new UserError("--event and --template exclude each other");
  if (event !== undefined) return fileText(event);
  if (template === undefined) {
    if (set.length > 0) throw new UserError("--set is for an event of --template");
    return "{}";
  }
  const { name, given } = parseTemplate(template);
  const all: Record<string, string> = Object.assign(given, ...set.map(parameter));
  return JSON.stringify(
    findTemplate(name).event(all, { now: new Date(), region, account: accountDefault }),
    undefined,
    2,
  );
}

function listTemplates(): void {
  const width = Math.max(...templates.map(({ name }) => name.length));
  for (const { name, summary, parameters } of templates) {
    say(`${name.padEnd(width)}  ${summary}`);
    say(`${" ".repeat(width)}  ${Object.keys(parameters).join(", ")}`);
  }
}

interface Outcome {
  /** The function's error, as JSON; undefined when it went well. */
  error: string | undefined;
  logTail: string;
}

interface FunctionError {
  errorType?: unknown;
  errorMessage?: unknown;
  trace?: unknown;
  stackTrace?: unknown;
}

function parsedError(payload: string): FunctionError {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === "object" && value !== null ? value : { errorMessage: payload };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { errorMessage: payload };
  }
}

const linesOf = (value: unknown): string[] => (Array.isArray(value) ? value.map((line) => String(line).trimEnd()) : []);

/** Frames that tell nothing of the function: Mikan's runtime's, and Node's own. */
const foreignFrame = /runtime-(node\/main\.cjs|python\/main\.py)|[( ]node:/;

/** Node's trace begins with the error itself; Python's and Java's do not. */
function tellError(payload: string): void {
  const { errorType, errorMessage, trace, stackTrace } = parsedError(payload);
  const title = [errorType, errorMessage].filter((part) => part !== undefined && part !== "").join(": ");
  const lines = [...linesOf(trace), ...linesOf(stackTrace)];
  if (lines[0] !== title.split("\n", 1)[0]) tell(title);
  for (const line of lines) if (!foreignFrame.test(line)) tell(line);
}

function tellOutcome({ error, logTail }: Outcome, withTail: boolean): number {
  if (error !== undefined) tellError(error);
  if (withTail || error !== undefined) tell(`\n${logTail.trimEnd()}`);
  const report = reportIn(logTail);
  if (report !== undefined) tell(`\n${inWords(report)}`);
  return error === undefined ? 0 : 1;
}

async function wholeAnswer({ headers, body }: RestAnswer): Promise<Outcome> {
  const payload = (await buffer(body)).toString();
  const logTail = Buffer.from(String(headers["x-amz-log-result"] ?? ""), "base64").toString();
  const failed = headers["x-amz-function-error"] !== undefined;
  if (!failed) say(payload);
  return { error: failed ? payload : undefined, logTail };
}

/** Parts as they come, and how it ended. */
async function partsOf({ body }: RestAnswer): Promise<Outcome> {
  for await (const { type, payload } of eventsIn(body)) {
    if (type === "PayloadChunk") {
      process.stdout.write(payload);
      continue;
    }
    process.stdout.write("\n");
    const end = JSON.parse(Buffer.from(payload).toString()) as Partial<
      Record<"ErrorCode" | "ErrorDetails" | "LogResult", string>
    >;
    const error = end.ErrorCode === undefined ? undefined : (end.ErrorDetails ?? end.ErrorCode);
    return { error, logTail: Buffer.from(end.LogResult ?? "", "base64").toString() };
  }
  throw new UserError("The stream ended without saying how the function did.");
}

interface Invocation {
  name: string;
  event: string;
  qualifier: string | undefined;
  async: boolean;
  stream: boolean;
  tail: boolean;
}

async function run(client: Client, { name, event, qualifier, async, stream, tail }: Invocation): Promise<number> {
  const place = `${stream ? streamVersion : version}/functions/${encodeURIComponent(name)}`;
  const operation = stream ? "response-streaming-invocations" : "invocations";
  const query = qualifier === undefined ? "" : `?Qualifier=${encodeURIComponent(qualifier)}`;
  const answer = await client.rest("lambda", {
    method: "POST",
    path: `/${place}/${operation}${query}`,
    headers: async ? { "x-amz-invocation-type": "Event" } : { "x-amz-log-type": "Tail" },
    body: Buffer.from(event),
  });
  if (!async) return tellOutcome(await (stream ? partsOf : wholeAnswer)(answer), tail);
  answer.body.resume();
  tell(`Accepted; it is on disk, and runs when it can (request ${String(answer.headers["x-amzn-requestid"])}).`);
  tell(`See: mikan logs ${name}`);
  return 0;
}

export const invoke: Command = {
  summary: "invoke a function, and explain what came of it",
  usage: `mikan invoke FUNCTION [--event FILE|- | --template NAME[=KEY=VALUE,...] [--set KEY=VALUE]...]
         [--qualifier VERSION|ALIAS] [--async | --stream] [--tail] [--endpoint URL] [--region REGION]
       mikan invoke --template NAME     prints the event
       mikan invoke --templates         lists the events there are, with their parameters

  --event    a file with the event, - for standard input; without it, and without a template, the event is {}
  --template the event of a source as AWS sends it, by as much of its name as is clear: sqs=body=hello,count=3
  --set      one parameter of it, its value taken as it is
  --async    do not wait for the function (InvocationType Event)
  --stream   print the answer as it comes (InvokeWithResponseStream)
  --tail     print the invocation's log; that of one that fails is printed anyway

  The answer goes to standard output, everything else to standard error. The exit code is 1 when the function fails.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        event: { type: "string" },
        template: { type: "string" },
        templates: { type: "boolean", default: false },
        set: { type: "string", multiple: true, default: [] },
        qualifier: { type: "string" },
        async: { type: "boolean", default: false },
        stream: { type: "boolean", default: false },
        tail: { type: "boolean", default: false },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    if (values.templates) {
      listTemplates();
      return 0;
    }
    if (values.async && values.stream) throw new UserError("--async and --stream exclude each other");
    const [name, ...more] = positionals;
    if (more.length > 0) throw new UserError("invoke takes one function: mikan invoke FUNCTION");
    if (name === undefined && values.template === undefined) {
      throw new UserError("invoke takes one function: mikan invoke FUNCTION");
    }
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    const { event: file, template, set } = values;
    const event = await eventOf({ event: file, template, set, region: client.region });
    if (name === undefined) {
      say(event);
      return 0;
    }
    const { qualifier, async, stream, tail } = values;
    return run(client, { name, event, qualifier, async, stream, tail });
  },
};
