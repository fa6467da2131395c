/**
 * The Docker Engine API over a Unix socket, as Docker and Podman serve it: requests with JSON, and the two streams that a
 * driver needs. Source: Docker docs, "Docker Engine API".
 */
import { existsSync } from "node:fs";
import { Agent, type IncomingMessage, type RequestOptions, request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { homedir } from "node:os";
import type { Duplex } from "node:stream";
import { asError } from "../../base/errors.ts";
import { engineAnswerBytesMax, engineConnectionsMax, engineMsMax } from "../limits.ts";

/** What the engine refuses, or that it does not answer. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  /** Of HTTP; 0 when there was no answer. */
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export type Query = Readonly<Record<string, string>>;

export interface EngineRequest {
  method: "GET" | "POST" | "DELETE";
  /** Below the version: `/containers/json`. */
  path: string;
  query?: Query;
  body?: object;
}

export interface EngineApi {
  /** Resolves with the answer's JSON; undefined for an empty one. Throws {@link EngineError}. */
  call(request: EngineRequest, msMax?: number): Promise<unknown>;
  /** As `call`, whose answer comes in time, in lines of JSON. No longer than `signal` lets it. */
  lines(request: EngineRequest, signal: AbortSignal, onLine: (line: unknown) => void): Promise<void>;
  /** Waits for an answer as long as it takes; `signal` gives it up. */
  wait(request: EngineRequest, signal: AbortSignal): Promise<unknown>;
  /** The connection itself, once the engine has switched it over. */
  attach(request: EngineRequest): Promise<Duplex>;
  close(): void;
}

/** The newest version that is asked for; everything used here is in 1.25, and engines refuse only what is long past. */
const newestVersion = [1, 47] as const;

/** Where the engine may listen, in the order of their tools. */
function socketsOf(environment: NodeJS.ProcessEnv): string[] {
  const runtimeDirectory = environment["XDG_RUNTIME_DIR"];
  const own = (path: string) => (runtimeDirectory === undefined ? [] : [`${runtimeDirectory}/${path}`]);
  const docker = ["/var/run/docker.sock", `${homedir()}/.docker/run/docker.sock`, ...own("docker.sock")];
  return [...docker, ...own("podman/podman.sock"), "/run/podman/podman.sock"];
}

/** The socket that `DOCKER_HOST` names, or the first that is there. Throws an {@link EngineError} that says what to do. */
export function findSocket(environment: NodeJS.ProcessEnv): string {
  const named = environment["DOCKER_HOST"] ?? "";
  const start = "Start Docker, or `podman system service --time=0`, or set DOCKER_HOST to the unix:// of its socket.";
  if (named !== "") {
    if (named.startsWith("unix://")) return named.slice("unix://".length);
    throw new EngineError(0, `DOCKER_HOST is ${named}, and Mikan speaks to a unix:// socket of this machine alone.`);
  }
  const found = socketsOf(environment).find((path) => existsSync(path));
  if (found === undefined) throw new EngineError(0, `No container engine is found on this machine. ${start}`);
  return found;
}

function messageOf(status: number, text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string") return message;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return text.trim() === "" ? `status ${status}` : text.trim();
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > engineAnswerBytesMax) {
      response.destroy();
      throw new EngineError(0, `the container engine's answer is longer than ${engineAnswerBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  response.setEncoding("utf8");
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > engineAnswerBytesMax) throw new EngineError(0, "a line of the container engine has no end");
    yield* lines.filter((line) => line.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}

class SocketApi implements EngineApi {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: engineConnectionsMax });
  readonly #closed = new AbortController();
  #version: Promise<string> | undefined;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async call(request: EngineRequest, msMax = engineMsMax): Promise<unknown> {
    return this.#json(request, { agent: this.#agent, signal: AbortSignal.timeout(msMax) });
  }

  async wait(request: EngineRequest, signal: AbortSignal): Promise<unknown> {
    // A connection of its own: it is held for the life of a container.
    return this.#json(request, { agent: false, signal: this.#until(signal) });
  }

  async lines(request: EngineRequest, signal: AbortSignal, onLine: (line: unknown) => void): Promise<void> {
    const response = await this.#answer(request, { agent: false, signal: this.#until(signal) });
    for await (const line of linesOf(response)) onLine(JSON.parse(line));
  }

  async attach(request: EngineRequest): Promise<Duplex> {
    const headers = { Connection: "Upgrade", Upgrade: "tcp", "Content-Length": 0 };
    const options = { agent: false as const, timeout: engineMsMax, headers };
    const path = await this.#pathOf(request);
    return new Promise((resolve, reject) => {
      const sent = this.#request(request, path, options);
      sent.on("timeout", () => sent.destroy(new Error(`no answer in ${engineMsMax} ms`)));
      sent.on("upgrade", (_response, socket: Socket, head: Buffer) => {
        // From here on it may be silent for as long as the container is.
        socket.setTimeout(0);
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      sent.on("response", (response) => {
        const refuse = (text: string) =>
          reject(new EngineError(response.statusCode ?? 0, messageOf(response.statusCode ?? 0, text)));
        textOf(response).then(refuse, reject);
      });
      sent.on("error", (error) => reject(this.#unreachable(error)));
      sent.end();
    });
  }

  close(): void {
    this.#closed.abort();
    this.#agent.destroy();
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closed.signal]);
  }

  async #json(request: EngineRequest, options: RequestOptions): Promise<unknown> {
    const text = await textOf(await this.#answer(request, options));
    return text.trim() === "" ? undefined : (JSON.parse(text) as unknown);
  }

  /** Every answer that is no error. */
  async #answer(request: EngineRequest, options: RequestOptions): Promise<IncomingMessage> {
    const response = await this.#send(request, await this.#pathOf(request), options);
    const status = response.statusCode ?? 0;
    if (status < 400) return response;
    throw new EngineError(status, messageOf(status, await textOf(response)));
  }

  #send(request: EngineRequest, path: string, options: RequestOptions): Promise<IncomingMessage> {
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    const headers = { "Content-Type": "application/json", "Content-Length": length };
    return new Promise((resolve, reject) => {
      const sent = this.#request(request, path, { ...options, headers });
      sent.on("response", resolve);
      sent.on("error", (error) => reject(this.#unreachable(error)));
      sent.end(body);
    });
  }

  #request({ method }: EngineRequest, path: string, options: RequestOptions) {
    // An engine looks at no host; Docker refuses a request that has none.
    return httpRequest({ socketPath: this.#socketPath, host: "engine", method, path, ...options });
  }

  #unreachable(error: unknown): EngineError {
    const text = `The container engine at ${this.#socketPath} does not answer: ${asError(error).message}`;
    return new EngineError(0, text, { cause: error });
  }

  async #pathOf({ path, query = {} }: EngineRequest): Promise<string> {
    this.#version ??= this.#negotiate();
    let version: string;
    try {
      version = await this.#version;
    } catch (error) {
      // It may be started meanwhile.
      this.#version = undefined;
      throw error;
    }
    const search = new URLSearchParams(query).toString();
    return `/v${version}${path}${search === "" ? "" : `?${search}`}`;
  }

  /** The engine's own version, if it is not newer than ours. */
  async #negotiate(): Promise<string> {
    const ping: EngineRequest = { method: "GET", path: "/_ping" };
    const options = { agent: this.#agent, signal: AbortSignal.timeout(engineMsMax) };
    const response = await this.#send(ping, ping.path, options);
    await textOf(response);
    const [major = 0, minor = 0] = String(response.headers["api-version"] ?? "1.25")
      .split(".")
      .map(Number);
    const [newestMajor, newestMinor] = newestVersion;
    const isNewer = major > newestMajor || (major === newestMajor && minor > newestMinor);
    return isNewer ? newestVersion.join(".") : `${major}.${minor}`;
  }
}

/** Asks nothing before the first request. */
export function createEngineApi(socketPath: string): EngineApi {
  return new SocketApi(socketPath);
}
