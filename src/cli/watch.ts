/** `mikan watch`: deploys a template, and keeps what runs as the files on this machine are. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { upload } from "./artifacts.ts";
import { watchDirectories, type Changes } from "./changes.ts";
import { createClient, membersOf, ServiceError, textAt, type Client } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";
import { deployTemplate, stackNameOf, type DeployOptions } from "./deploy.ts";
import { localParts } from "./local-code.ts";
import { createLogReader, logGroupOf } from "./logs.ts";
import { packageCode } from "./package-code.ts";
import { pair, readParameters } from "./parameters.ts";
import { cloudformationVersion } from "./stack.ts";
import { syntaxErrors } from "./syntax.ts";

/** Source: Lambda quotas, "Deployment package size" (zipped, for direct upload). */
const zipBytesMax = 50 * 2 ** 20;
const logPollMs = 300;
/** Rounds one after the other in which a build changed what it is built from. */
const ownRoundsMax = 3;
const neverWatched = /(^|[/\\])(\.git|\.mikan)([/\\]|$)/;
const neverSource = /(^|[/\\])(\.git|\.mikan|node_modules)([/\\]|$)/;

interface Settings {
  deployment: Omit<DeployOptions, "diff">;
  /** Directories that the build reads. */
  sources: readonly string[];
  build: string | undefined;
  logs: boolean;
}

/** Code on this machine, and the functions that run it. */
interface Watched {
  path: string;
  names: readonly string[];
  /** Of the package that runs. */
  hash: string;
}

const isWithin = (path: string, root: string) => path === root || path.startsWith(root + sep);
const time = () => new Date(systemClock.now()).toISOString().slice(11, 19);

/** Runs the build where the template is. False: it failed, and has said why. */
async function runBuild(command: string, directory: string): Promise<boolean> {
  const sinceMs = systemClock.monotonicMs();
  const child = spawn(command, { shell: true, cwd: directory, stdio: "inherit" });
  const code = await new Promise<number | null>((done, reject) => {
    child.once("error", reject);
    child.once("exit", done);
  });
  const took = `${Math.round(systemClock.monotonicMs() - sinceMs)} ms`;
  say(
    code === 0 ? `${time()} built in ${took}` : `${time()} the build failed (${code ?? "killed"}); nothing was changed`,
  );
  return code === 0;
}

async function physicalNames(client: Client, StackName: string): Promise<Map<string, string>> {
  const result = await client.query("cloudformation", cloudformationVersion, "DescribeStackResources", { StackName });
  const resources = membersOf(result, "StackResources");
  return new Map(resources.map((one) => [textAt(one, "LogicalResourceId"), textAt(one, "PhysicalResourceId")]));
}

/** What is watched from now on; the hashes are those of the files as they are now. */
async function packagesOf(functions: ReturnType<typeof localParts>["functions"]): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const { path } of functions) if (!hashes.has(path)) hashes.set(path, (await packageCode(path)).hash);
  return hashes;
}

/** Gives functions other code. Resolves when the next invocation runs it. */
async function replaceCode(client: Client, code: Watched): Promise<boolean> {
  const { zip, hash } = await packageCode(code.path);
  if (hash === code.hash) return false;
  const small = zip.byteLength <= zipBytesMax;
  const place = small ? undefined : await upload(client, code.path, say);
  const body =
    place === undefined
      ? { ZipFile: Buffer.from(zip).toString("base64") }
      : { S3Bucket: place.bucket, S3Key: place.key };
  for (const name of code.names) {
    const path = `/2015-03-31/functions/${encodeURIComponent(name)}/code`;
    const headers = { "content-type": "application/json" };
    const { body: answer } = await client.rest("lambda", {
      method: "PUT",
      path,
      headers,
      body: Buffer.from(JSON.stringify(body)),
    });
    answer.resume();
  }
  code.hash = hash;
  return true;
}

/** One deployment, and the changes of code until the stack itself has to change. */
class Session {
  readonly #client: Client;
  readonly #settings: Settings;
  readonly #directory: string;
  #codes: readonly Watched[] = [];
  #stackFiles: readonly string[] = [];
  #names: readonly string[] = [];
  #ownRounds = 0;

  constructor(client: Client, settings: Settings) {
    this.#client = client;
    this.#settings = settings;
    this.#directory = dirname(resolve(settings.deployment.template));
  }

  /** Functions of the stack whose code is on this machine. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Builds, deploys, and learns what is to be watched. False: the stack is not as the template says. */
  async deploy(): Promise<boolean> {
    const { build, deployment } = this.#settings;
    if (build !== undefined && !(await runBuild(build, this.#directory))) return false;
    const { functions, others } = localParts(await templateText(deployment.template), this.#directory);
    this.#stackFiles = [resolve(deployment.template), ...others];
    const hashes = await packagesOf(functions);
    const ready = await deployTemplate(this.#client, { ...deployment, diff: false });
    if (!ready) return false;
    const names = await physicalNames(this.#client, deployment.stack);
    this.#codes = Array.from(hashes, ([path, hash]) => ({
      path,
      hash,
      names: functions.filter((one) => one.path === path).flatMap(({ logicalId }) => names.get(logicalId) ?? []),
    }));
    this.#names = this.#codes.flatMap((code) => code.names);
    return true;
  }

  /** Everything whose change matters. */
  async watch(): Promise<Changes> {
    const { build, sources } = this.#settings;
    const code = this.#codes.map(({ path }) => path);
    const read = build === undefined ? code : sources;
    const roots = await Promise.all([...read, ...this.#stackFiles].map(directoryOf));
    const isOutput = (path: string) =>
      code.some((output) => isWithin(path, output) && !sources.some((source) => isWithin(source, output)));
    const isWanted = (path: string) => [...read, ...this.#stackFiles].some((one) => isWithin(path, one));
    const isUnder = (path: string) => [...read, ...this.#stackFiles].some((one) => isWithin(one, path));
    return watchDirectories([...new Set(roots)], (path) => {
      if (neverWatched.test(relative(this.#directory, path)) || !(isWanted(path) || isUnder(path))) return true;
      return build !== undefined && (isOutput(path) || neverSource.test(relative(this.#directory, path)));
    });
  }

  /** Takes changes in. False: it is the stack that has to change. */
  async take(changed: ReadonlySet<string>, changes: Changes): Promise<boolean> {
    const { build } = this.#settings;
    if ([...changed].some((path) => this.#stackFiles.some((file) => isWithin(path, file)))) return false;
    const sinceMs = systemClock.monotonicMs();
    const errors = syntaxErrors(changed);
    if (build !== undefined) {
      if (!(await runBuild(build, this.#directory))) return true;
      this.#guard(changes);
    }
    const touched = this.#codes.filter(
      ({ path }) => build !== undefined || [...changed].some((one) => isWithin(one, path)),
    );
    for (const code of touched) {
      if (!(await replaceCode(this.#client, code))) continue;
      const took = Math.round(systemClock.monotonicMs() - sinceMs);
      say(
        `${time()} ${code.names.join(", ")}: ${this.#shown(changed)} changed; the next invocation runs it (${took} ms)`,
      );
    }
    for (const error of await errors) say(error);
    return true;
  }

  /** A build that writes where it reads would run for ever. */
  #guard(changes: Changes): void {
    this.#ownRounds = changes.pending ? this.#ownRounds + 1 : 0;
    if (this.#ownRounds <= ownRoundsMax) return;
    changes.drop();
    say("The build changes what it is built from: name other directories by --source.");
  }

  #shown(changed: ReadonlySet<string>): string {
    // Editors write elsewhere first, and what they wrote there is gone.
    const there = [...changed].filter((path) => existsSync(path));
    const paths = there.length === 0 ? [...changed] : there;
    const [first = "", ...more] = paths.map((path) => relative(this.#directory, path));
    return more.length === 0 ? first : `${first} and ${more.length} more`;
  }
}

async function templateText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the template ${file}`, { cause });
  });
}

/** A file is watched in its directory: editors put another one in its place. */
async function directoryOf(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new UserError(`There is nothing at ${path}; paths begin where their template is`, { cause });
  });
  return found.isDirectory() ? path : dirname(path);
}

/** Prints what functions write, until `signal` aborts. */
async function followLogs(client: Client, names: () => readonly string[], signal: AbortSignal): Promise<void> {
  const sinceMs = systemClock.now();
  const readers = new Map<string, () => Promise<string[]>>();
  while (!signal.aborted) {
    for (const name of names()) {
      const read = readers.get(name) ?? createLogReader(client, logGroupOf(name), sinceMs);
      readers.set(name, read);
      for (const line of await linesOf(read)) say(`${name} | ${line}`);
    }
    await systemClock.sleep(logPollMs, signal).catch(() => undefined);
  }
}

/** A function that has written nothing yet has no log group. */
async function linesOf(read: () => Promise<string[]>): Promise<string[]> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ServiceError && error.code === "ResourceNotFoundException") return [];
    throw error;
  }
}

/** What goes wrong is for the user to mend, while the watch goes on. */
async function attempt(work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    say(`${time()} ${error.message}`);
    return true;
  }
}

async function rounds(session: Session, ended: Promise<undefined>): Promise<void> {
  for (let watching = true; watching;) {
    const changes = await session.watch();
    try {
      for (let same = true; same && watching;) {
        const changed = await Promise.race([changes.next(), ended]);
        if (changed === undefined) watching = false;
        else same = await attempt(() => session.take(changed, changes));
      }
    } finally {
      changes.close();
    }
    if (watching) await attempt(() => session.deploy());
  }
}

export const watch: Command = {
  summary: "deploy a template, and keep its functions as their files are",
  usage: `mikan watch TEMPLATE [--stack NAME] [--parameters FILE] [--parameter KEY=VALUE]...
         [--build COMMAND [--source DIR]...] [--logs] [--endpoint URL] [--region REGION]

  --build    run this where the template is, before the first deployment and whenever a source changes
  --source   a directory that the build reads (default: the template's, but for the code that the template names)
  --logs     print what the functions write

  A change of code is in force with the next invocation; a change of the template, of layers, nested templates or of
  code of which versions are published (AutoPublishAlias) updates the stack. All files count, node_modules too.
  Ctrl-C ends it, and leaves the stack as it is.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        stack: { type: "string" },
        parameters: { type: "string" },
        parameter: { type: "string", multiple: true, default: [] },
        build: { type: "string" },
        source: { type: "string", multiple: true, default: [] },
        logs: { type: "boolean", default: false },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [template, ...more] = positionals;
    if (template === undefined || more.length > 0)
      throw new UserError("watch takes one template: mikan watch TEMPLATE");
    if (values.build === undefined && values.source.length > 0) throw new UserError("--source is what --build reads");
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    const parameters: Record<string, string> = {
      ...(values.parameters === undefined ? {} : await readParameters(values.parameters)),
      ...Object.assign({}, ...values.parameter.map(pair)),
    };
    const stack = values.stack ?? stackNameOf(template);
    const sources = values.source.length === 0 ? [dirname(template)] : values.source;
    const session = new Session(client, {
      deployment: { stack, template, parameters, onFailure: "ROLLBACK" },
      sources: sources.map((source) => resolve(source)),
      build: values.build,
      logs: values.logs,
    });
    if (!(await session.deploy())) return 1;
    const over = new AbortController();
    const ended = new Promise<undefined>((done) => {
      for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => done(undefined));
    });
    const logging = values.logs
      ? followLogs(client, () => session.names, over.signal).catch((error: unknown) => say(asError(error).message))
      : Promise.resolve();
    say(`Watching ${session.names.join(", ") || "the template"}. Ctrl-C ends.`);
    try {
      await rounds(session, ended);
    } finally {
      over.abort();
      await logging;
    }
    return 0;
  },
};
