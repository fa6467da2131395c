#!/usr/bin/env node
/** The command `mikan`: finds the command named, runs it, and turns its failures into one line. */
import { enableCompileCache } from "node:module";
import { asError, errorCode } from "../base/errors.ts";
import { version } from "../version.ts";
import { say, UserError, type Command } from "./command.ts";

// Commands are loaded after this, and compiled once for a machine: a node is ready some 30 ms earlier.
enableCompileCache();

/** Loaded when asked for: `mikan env` need not load a node. */
const commands: Record<string, () => Promise<Command>> = {
  up: async () => (await import("./up.ts")).up,
  check: async () => (await import("./check.ts")).check,
  deploy: async () => (await import("./deploy.ts")).deploy,
  delete: async () => (await import("./delete.ts")).remove,
  status: async () => (await import("./status.ts")).status,
  logs: async () => (await import("./logs.ts")).logs,
  watch: async () => (await import("./watch.ts")).watch,
  invoke: async () => (await import("./invoke.ts")).invoke,
  debug: async () => (await import("./debug.ts")).debug,
  functions: async () => (await import("./functions.ts")).functions,
  ca: async () => (await import("./ca.ts")).ca,
  env: async () => (await import("./env.ts")).env,
};

async function help(): Promise<void> {
  say(`mikan ${version}: peel a monolith into microservices, and run them anywhere\n`);
  for (const [name, load] of Object.entries(commands)) say(`  mikan ${name.padEnd(9)} ${(await load()).summary}`);
  say("\nmikan COMMAND --help says more.");
}

async function main([name = "help", ...args]: readonly string[]): Promise<number> {
  if (name === "help" || name === "--help" || name === "-h") {
    await help();
    return 0;
  }
  if (name === "--version" || name === "version") {
    say(version);
    return 0;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    throw new UserError(`There is no command ${name}; there are: ${Object.keys(commands).join(", ")}`);
  }
  const command = await load();
  if (args.includes("--help") || args.includes("-h")) {
    say(command.usage);
    return 0;
  }
  return command.run(args);
}

process.stdout.on("error", (error) => {
  // Whoever read it has seen enough (`mikan logs | head`).
  if (errorCode(error) === "EPIPE") process.exit(0);
  throw error;
});
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { message, stack } = asError(error);
  // parseArgs' own errors are for the user too.
  const plain = error instanceof UserError || (error instanceof TypeError && "code" in error);
  process.stderr.write(`mikan: ${plain || process.env["MIKAN_DEBUG"] === undefined ? message : stack}\n`);
  process.exitCode = 1;
}
