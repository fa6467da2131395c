/**
 * The Lambda Extensions API: programs beside the runtime that are told of every invocation, and that an environment
 * waits for. Source: Lambda guide, "Using the Lambda Extensions API to create extensions".
 */
import type { Instant } from "../../base/clock.ts";
import { type HttpRequest, type HttpResponse, bytesOf, headerOf, jsonResponse } from "../../base/http.ts";
import type { Ids } from "../../base/ids.ts";
import { payloadOf } from "../answers.ts";
import { extensionBodyBytesMax, extensionsMax } from "../limits.ts";
import type { FunctionSpec, Invocation } from "../ports.ts";
import type { LinkEvents } from "./link.ts";

export const extensionPrefix = "/2020-01-01/extension/";
const kinds = ["INVOKE", "SHUTDOWN"] as const;
type Kind = (typeof kinds)[number];

/** Why an environment ends. Source: the Extensions API's Shutdown event. */
export type ShutdownReason = "spindown" | "timeout" | "failure";

interface Extension {
  name: string;
  id: string;
  external: boolean;
  events: ReadonlySet<Kind>;
  /** It waits for its next event: it has done its work. */
  waiting: ((response: HttpResponse) => void) | undefined;
  /** An event that it has not fetched yet. */
  next: object | undefined;
}

export interface ExtensionDeps {
  ids: Ids;
  spec: FunctionSpec;
  /** Names of the programs in `/opt/extensions`, each of which has to register. */
  external: readonly string[];
  /** What the environment makes of what the runtime says, once the extensions are done too. */
  events: LinkEvents;
  registered(name: string, events: readonly string[]): void;
}

const refused = (status: number, errorType: string, errorMessage: string) =>
  jsonResponse(status, { errorType, errorMessage });

function deliver(extension: Extension, ids: Ids): void {
  const { waiting, next } = extension;
  if (waiting === undefined || next === undefined) return;
  extension.waiting = undefined;
  extension.next = undefined;
  waiting(jsonResponse(200, next, ["Lambda-Extension-Event-Identifier", ids.uuid()]));
}

export class ExtensionApi {
  readonly #deps: ExtensionDeps;
  readonly #unregistered: Set<string>;
  readonly #extensions = new Map<string, Extension>();
  #runtimeIsReady = false;
  /** What the runtime has said and the environment not yet heard. */
  #held: (() => void) | undefined;
  /** What a runtime says goes through here. */
  readonly events: LinkEvents;

  constructor(deps: ExtensionDeps) {
    this.#deps = deps;
    this.#unregistered = new Set(deps.external);
    this.events = this.#gated(deps.events);
  }

  /** The name of a registered one; undefined for an unknown identifier. */
  nameOf(request: HttpRequest): string | undefined {
    return this.#of(request)?.name;
  }

  invoked({ requestId, invokedArn, traceHeader }: Invocation, deadlineAt: Instant): void {
    const tracing = { type: "X-Amzn-Trace-Id", value: traceHeader };
    this.#tell("INVOKE", {
      eventType: "INVOKE",
      deadlineMs: Math.round(deadlineAt),
      requestId,
      invokedFunctionArn: invokedArn,
      tracing,
    });
  }

  /** False when there is nobody to tell. */
  shutdown(shutdownReason: ShutdownReason, deadlineAt: Instant): boolean {
    return this.#tell("SHUTDOWN", { eventType: "SHUTDOWN", shutdownReason, deadlineMs: Math.round(deadlineAt) });
  }

  close(): void {
    for (const extension of this.#extensions.values()) {
      extension.waiting?.(refused(410, "Extension.Ended", "the environment has ended"));
      extension.waiting = undefined;
    }
  }

  async handle(request: HttpRequest, path: string): Promise<HttpResponse> {
    const verb = path.slice(extensionPrefix.length);
    const { method } = request;
    if (method === "POST" && verb === "register") return this.#onRegister(request);
    const isKnown = verb === "event/next" || verb === "init/error" || verb === "exit/error";
    if (!isKnown) return refused(404, "Extension.NotFound", `the Extensions API has no ${method} ${path}`);
    const extension = this.#of(request);
    if (extension === undefined) {
      return refused(403, "Extension.UnknownExtensionIdentifier", "Unknown or missing Lambda-Extension-Identifier");
    }
    if (method === "GET" && verb === "event/next") return this.#onNext(request, extension);
    return this.#onError(request, extension);
  }

  #of(request: HttpRequest): Extension | undefined {
    return this.#extensions.get(headerOf(request.headers, "lambda-extension-identifier") ?? "");
  }

  async #onRegister(request: HttpRequest): Promise<HttpResponse> {
    const name = headerOf(request.headers, "lambda-extension-name") ?? "";
    if (name === "") return refused(403, "Extension.InvalidExtensionName", "Lambda-Extension-Name is missing");
    const events = eventsOf(await bytesOf(request.body, extensionBodyBytesMax));
    if (events === undefined) return refused(400, "InvalidRequestFormat", "events has to be a list of event types");
    const unknown = events.find((event) => !kinds.some((kind) => kind === event));
    if (unknown !== undefined) return refused(403, "InvalidEventType", `${unknown}: no such event type`);
    const { ids, spec } = this.#deps;
    if ([...this.#extensions.values()].some((other) => other.name === name) || this.#isOver) {
      return refused(
        403,
        "Extension.InvalidExtensionState",
        "extensions register once, before the environment is ready",
      );
    }
    if (this.#extensions.size >= extensionsMax) {
      return refused(403, "Extension.TooManyExtensions", `an environment has at most ${extensionsMax} extensions`);
    }
    const external = this.#unregistered.delete(name);
    if (!external && events.includes("SHUTDOWN")) {
      const text = "internal extensions cannot be told of the shutdown";
      return refused(403, "ShutdownEventNotSupportedForInternalExtension", text);
    }
    const id = ids.uuid();
    const wanted = new Set(kinds.filter((kind) => events.includes(kind)));
    this.#extensions.set(id, { name, id, external, events: wanted, waiting: undefined, next: undefined });
    this.#deps.registered(name, events);
    const { functionName, version: functionVersion, handler, account: accountId } = spec;
    const wantsAccount = headerOf(request.headers, "lambda-extension-accept-feature")?.includes("accountId") === true;
    const facts = { functionName, functionVersion, handler, ...(wantsAccount ? { accountId } : {}) };
    return jsonResponse(200, facts, ["Lambda-Extension-Identifier", id]);
  }

  /** All have been ready once. */
  get #isOver(): boolean {
    return this.#runtimeIsReady && this.#held === undefined;
  }

  #onNext(request: HttpRequest, extension: Extension): Promise<HttpResponse> | HttpResponse {
    if (extension.waiting !== undefined) {
      return refused(403, "Extension.InvalidExtensionState", "it waits for its next event already");
    }
    const response = new Promise<HttpResponse>((resolve) => {
      extension.waiting = resolve;
      const forget = () => {
        if (extension.waiting === resolve) extension.waiting = undefined;
        resolve(refused(410, "Extension.Ended", "the client is gone"));
      };
      request.signal.addEventListener("abort", forget, { once: true });
    });
    deliver(extension, this.#deps.ids);
    this.#release();
    return response;
  }

  async #onError(request: HttpRequest, { name }: Extension): Promise<HttpResponse> {
    const body = await bytesOf(request.body, extensionBodyBytesMax);
    const errorType = headerOf(request.headers, "lambda-extension-function-error-type") ?? "Extension.Unknown";
    const errorMessage = Buffer.from(body).toString("utf8");
    const { events } = this.#deps;
    events.logged(`EXTENSION\tName: ${name}\tState: Failed\tError Type: ${errorType}`);
    const error = payloadOf({
      errorType,
      errorMessage: errorMessage === "" ? `Extension ${name} failed` : errorMessage,
    });
    // Each acts in its own phase only: what starts cannot start, what runs ends.
    events.initFailed(error);
    events.failed(error, "fatal");
    return jsonResponse(202, { status: "OK" });
  }

  #tell(kind: Kind, event: object): boolean {
    const told = [...this.#extensions.values()].filter(({ events }) => events.has(kind));
    for (const extension of told) {
      extension.next = event;
      deliver(extension, this.#deps.ids);
    }
    return told.length > 0;
  }

  get #allDone(): boolean {
    return (
      this.#unregistered.size === 0 && [...this.#extensions.values()].every(({ waiting }) => waiting !== undefined)
    );
  }

  #hold(tell: () => void): void {
    this.#held = tell;
    this.#release();
  }

  #release(): void {
    if (this.#held === undefined || !this.#allDone) return;
    const tell = this.#held;
    this.#held = undefined;
    tell();
  }

  #gated(events: LinkEvents): LinkEvents {
    return {
      ready: () => {
        this.#runtimeIsReady = true;
        this.#hold(() => events.ready());
      },
      answered: (payload) => this.#hold(() => events.answered(payload)),
      streamEnded: () => this.#hold(() => events.streamEnded()),
      failed: (payload, how) => {
        if (how === "fatal") events.failed(payload, how);
        else this.#hold(() => events.failed(payload, how));
      },
      initFailed: (payload) => events.initFailed(payload),
      streamBegan: (contentType) => events.streamBegan(contentType),
      streamed: (chunk) => events.streamed(chunk),
      logged: (text) => events.logged(text),
      wrote: (fd, chunk) => events.wrote(fd, chunk),
      resident: (kiB) => events.resident(kiB),
      broken: (reason) => events.broken(reason),
    };
  }
}

/** The event types of a registration; undefined when it is none. */
function eventsOf(body: Uint8Array): string[] | undefined {
  try {
    const parsed = JSON.parse(Buffer.from(body).toString("utf8")) as { events?: unknown } | null;
    const events = parsed?.events ?? [];
    return Array.isArray(events) ? events.map(String) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
