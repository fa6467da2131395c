/** `mikan debug`: the next environment of a function has a debugger, until Ctrl-C. */
import { parseArgs } from "node:util";
import { json as jsonOf } from "node:stream/consumers";
import { asError } from "../base/errors.ts";
import { createClient, type Client } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";

/** The node ends a debugger for which nobody asks within 15 s. */
const holdMs = 2_000;
const inspectorMsMax = 1_000;

interface Configuration {
  FunctionArn: string;
  Runtime?: string;
}

interface State {
  arn: string;
  ready: boolean;
  failure?: string;
}

interface Debugger {
  port: number;
  /** An entry of `.vscode/launch.json`. */
  launch(port: number): object;
  /** What a debugger is reached by besides. */
  also?(port: number): Promise<string | undefined>;
}

const debuggers: readonly (readonly [runtimes: RegExp, Debugger])[] = [
  [
    /^nodejs/,
    {
      port: 9229,
      launch: (port) => ({
        name: "mikan",
        type: "node",
        request: "attach",
        address: "127.0.0.1",
        port,
        localRoot: "${workspaceFolder}",
        remoteRoot: "/var/task",
        restart: true,
      }),
      also: inspectorUrl,
    },
  ],
  [
    /^python/,
    {
      port: 5678,
      launch: (port) => ({
        name: "mikan",
        type: "debugpy",
        request: "attach",
        connect: { host: "127.0.0.1", port },
        pathMappings: [{ localRoot: "${workspaceFolder}", remoteRoot: "/var/task" }],
      }),
    },
  ],
];

/** Undefined until it listens. */
async function inspectorUrl(port: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(inspectorMsMax) });
    const [target] = (await response.json()) as { webSocketDebuggerUrl?: string }[];
    return target?.webSocketDebuggerUrl;
  } catch (error) {
    // `fetch` says no more of a port on which nobody listens.
    if (error instanceof TypeError || asError(error).name === "TimeoutError") return undefined;
    throw error;
  }
}

async function configurationOf(client: Client, name: string, qualifier: string | undefined): Promise<Configuration> {
  const query = qualifier === undefined ? "" : `?Qualifier=${encodeURIComponent(qualifier)}`;
  const path = `/2015-03-31/functions/${encodeURIComponent(name)}/configuration${query}`;
  const { body } = await client.rest("lambda", { method: "GET", path });
  return (await jsonOf(body)) as Configuration;
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1024 && port <= 65_535) return port;
  throw new UserError(`--port must be a whole number from 1024 to 65535, and is ${text}`);
}

function explain({ launch }: Debugger, port: number, name: string, wait: boolean): void {
  say(`Debugging ${name} on 127.0.0.1:${port}; its timeout is suspended, and its invocations run one at a time.`);
  if (wait) say("Its code is loaded when a debugger has attached.");
  say("\nVisual Studio Code, in .vscode/launch.json (localRoot is the directory of the function's code):");
  say(JSON.stringify({ version: "0.2.0", configurations: [launch(port)] }, undefined, 2));
}

/** Keeps the session, and tells how it goes, until `ended`. */
async function hold(ended: Promise<boolean>, again: () => Promise<void>): Promise<void> {
  for (;;) {
    await again();
    // The command's clock does not keep a process alive.
    const pause = new Promise<boolean>((resolve) => {
      setTimeout(() => resolve(false), holdMs);
    });
    if (await Promise.race([ended, pause])) return;
  }
}

export const debug: Command = {
  summary: "attach a debugger to a function",
  usage: `mikan debug FUNCTION [--port PORT] [--wait] [--qualifier VERSION|ALIAS] [--endpoint URL] [--region REGION]

  --port  where the debugger listens, on this machine only (default: 9229 for Node.js, 5678 for Python)
  --wait  load the function's code only when a debugger has attached: for breakpoints in what runs at the start

  All invocations run in one environment with the debugger, started at once; new code gets a new one on the same port.
  The function's timeout is suspended there. Ctrl-C ends it, and the function runs as before. Python needs debugpy.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        port: { type: "string" },
        wait: { type: "boolean", default: false },
        qualifier: { type: "string" },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0) throw new UserError("debug takes one function: mikan debug FUNCTION");
    const given = values.port === undefined ? undefined : portOf(values.port);
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    const { FunctionArn, Runtime = "" } = await configurationOf(client, name, values.qualifier);
    const found = debuggers.find(([runtimes]) => runtimes.test(Runtime))?.[1];
    if (found === undefined)
      throw new UserError(`Node.js and Python functions can be debugged; ${name} is ${Runtime}.`);
    const { wait } = values;
    const port = given ?? found.port;
    const path = `/_mikan/functions/${encodeURIComponent(FunctionArn)}/debug`;
    const ended = new Promise<boolean>((done) => {
      for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => done(true));
    });
    let failure: string | undefined;
    let url: string | undefined;
    const again = async () => {
      const state = await client.admin<State>(path, { method: "POST", body: { port, wait } });
      if (state.failure !== undefined && state.failure !== failure)
        say(`It does not start: ${state.failure}; see mikan logs ${name}`);
      failure = state.failure;
      const now = await found.also?.(port);
      if (now !== undefined && now !== url) say(`\nListening: ${now} (Chrome: chrome://inspect)`);
      url = now ?? url;
    };
    await client.admin<State>(path, { method: "POST", body: { port, wait } });
    explain(found, port, name, wait);
    say(`\nThen: mikan invoke ${name}. Ctrl-C ends.`);
    try {
      await hold(ended, again);
    } finally {
      await client.admin(path, { method: "DELETE" });
    }
    return 0;
  },
};
