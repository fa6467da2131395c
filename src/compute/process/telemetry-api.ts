/**
 * The Telemetry API and its forerunner, the Logs API: extensions subscribe to what an environment logs, and are sent it
 * over HTTP. Sources: Lambda guide, "Lambda Telemetry API reference" and "Lambda Logs API".
 */
import { request as httpRequest } from "node:http";
import type { Clock, Timer } from "../../base/clock.ts";
import { type HttpRequest, type HttpResponse, bytesOf, jsonResponse } from "../../base/http.ts";
import type { Log } from "../../telemetry/log.ts";
import { extensionBodyBytesMax } from "../limits.ts";

export const telemetryPaths: readonly string[] = ["/2022-07-01/telemetry", "/2020-08-15/logs"];

interface Subscription {
  types: ReadonlySet<string>;
  maxItems: number;
  maxBytes: number;
  timeoutMs: number;
  /** Within the environment, whatever its host is called there. */
  port: number;
  path: string;
}

/** Ranges and defaults of `buffering`. */
const bounds = {
  maxItems: { min: 1_000, max: 10_000, otherwise: 10_000 },
  maxBytes: { min: 262_144, max: 1_048_576, otherwise: 262_144 },
  timeoutMs: { min: 25, max: 30_000, otherwise: 1_000 },
} as const;
const types = ["platform", "function", "extension"];

class BadSubscription extends Error {
  override readonly name = "ValidationError";
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

function bounded(buffering: unknown, name: keyof typeof bounds): number {
  const { min, max, otherwise } = bounds[name];
  const value = isObject(buffering) ? (buffering[name] ?? otherwise) : otherwise;
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new BadSubscription(`buffering.${name} has to be between ${min} and ${max}`);
}

function subscriptionOf(body: Uint8Array): Subscription {
  const parsed: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
  if (!isObject(parsed)) throw new BadSubscription("a subscription is an object");
  const { types: wanted, destination, buffering } = parsed;
  if (!Array.isArray(wanted) || wanted.length === 0 || wanted.some((type) => !types.includes(String(type)))) {
    throw new BadSubscription(`types has to be some of ${types.join(", ")}`);
  }
  if (!isObject(destination) || destination["protocol"] !== "HTTP") {
    throw new BadSubscription("destination.protocol has to be HTTP; Mikan sends telemetry no other way");
  }
  const uri = URL.parse(String(destination["URI"]));
  if (uri === null || uri.protocol !== "http:" || !/^sandbox(\.localdomain|\.local)?$/.test(uri.hostname)) {
    throw new BadSubscription("destination.URI has to be of http://sandbox.localdomain");
  }
  return {
    types: new Set(wanted.map(String)),
    maxItems: bounded(buffering, "maxItems"),
    maxBytes: bounded(buffering, "maxBytes"),
    timeoutMs: bounded(buffering, "timeoutMs"),
    port: uri.port === "" ? 80 : Number(uri.port),
    path: uri.pathname + uri.search,
  };
}

/** Sends batches of records, one at a time. What waits meanwhile is bounded by twice a batch. */
class Subscriber {
  readonly #deps: TelemetryDeps;
  readonly #of: Subscription;
  readonly #gone = new AbortController();
  #waiting: string[] = [];
  #bytes = 0;
  #dropped = 0;
  #timer: Timer | undefined;
  #isSending = false;

  constructor(deps: TelemetryDeps, of: Subscription) {
    this.#deps = deps;
    this.#of = of;
  }

  take(type: string, record: () => unknown): void {
    const { types: wanted, maxItems, maxBytes, timeoutMs } = this.#of;
    if (!wanted.has(type.split(".", 1)[0] ?? "")) return;
    const text = this.#event(type, record());
    if (this.#bytes + text.length > 2 * maxBytes || this.#waiting.length >= 2 * maxItems) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(text);
    this.#bytes += text.length;
    if (this.#bytes >= maxBytes || this.#waiting.length >= maxItems) this.flush();
    else this.#timer ??= this.#deps.clock.after(timeoutMs, () => this.flush());
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isSending || this.#waiting.length === 0 || this.#gone.signal.aborted) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    if (this.#dropped > 0) {
      const record = { droppedRecords: this.#dropped, reason: "Consumer seems to have fallen behind" };
      batch.push(this.#event("platform.logsDropped", record));
      this.#dropped = 0;
    }
    this.#isSending = true;
    this.#send(`[${batch.join(",")}]`);
  }

  #event(type: string, record: unknown): string {
    return JSON.stringify({ time: new Date(this.#deps.clock.now()).toISOString(), type, record });
  }

  close(): void {
    this.#timer?.cancel();
    this.#gone.abort();
  }

  /** Waits as long as the environment lives: one that is frozen takes it when it is thawed. */
  #send(body: string): void {
    const { port, path } = this.#of;
    const over = (error?: Error) => {
      this.#isSending = false;
      if (error !== undefined && !this.#gone.signal.aborted) {
        this.#deps.log.debug("an extension did not take its telemetry", { port, error });
      }
      this.flush();
    };
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const { signal } = this.#gone;
    const sent = httpRequest({ host: "127.0.0.1", port, path, method: "POST", headers, signal }, (response) => {
      response
        .on("end", () => over())
        .on("error", over)
        .resume();
    });
    sent.on("error", over);
    sent.end(body);
  }
}

export interface TelemetryDeps {
  clock: Clock;
  log: Log;
}

export class TelemetryApi {
  readonly #deps: TelemetryDeps;
  /** By extension; a second subscription replaces the first. */
  readonly #subscribers = new Map<string, Subscriber>();

  constructor(deps: TelemetryDeps) {
    this.#deps = deps;
  }

  /** `record` is made for those who want it. */
  record(type: string, record: () => unknown): void {
    for (const subscriber of this.#subscribers.values()) subscriber.take(type, record);
  }

  /** Sends what waits at once. */
  flush(): void {
    for (const subscriber of this.#subscribers.values()) subscriber.flush();
  }

  close(): void {
    for (const subscriber of this.#subscribers.values()) subscriber.close();
  }

  async handle(request: HttpRequest, path: string, extension: string | undefined): Promise<HttpResponse> {
    const refused = (status: number, errorType: string, errorMessage: string) =>
      jsonResponse(status, { errorType, errorMessage });
    if (request.method !== "PUT") return refused(404, "NotFound", `there is no ${request.method} ${path}`);
    if (extension === undefined) {
      return refused(403, "Extension.UnknownExtensionIdentifier", "Unknown or missing Lambda-Extension-Identifier");
    }
    let subscription: Subscription;
    try {
      subscription = subscriptionOf(await bytesOf(request.body, extensionBodyBytesMax));
    } catch (error) {
      if (error instanceof BadSubscription || error instanceof SyntaxError)
        return refused(400, "ValidationError", error.message);
      throw error;
    }
    this.#subscribers.get(extension)?.close();
    this.#subscribers.set(extension, new Subscriber(this.#deps, subscription));
    const type = path.endsWith("/logs") ? "platform.logsSubscription" : "platform.telemetrySubscription";
    this.record(type, () => ({ name: extension, state: "Subscribed", types: [...subscription.types] }));
    return { status: 200, headers: ["Content-Type", "text/plain"], body: Buffer.from("OK") };
  }
}
