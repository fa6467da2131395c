/** The few AWS calls that the command makes, over public HTTP like any other client. */
import { randomUUID } from "node:crypto";
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { buffer } from "node:stream/consumers";
import { errorCode } from "../base/errors.ts";
import { signRequest } from "../wire/sigv4-sign.ts";
import { parseXml, type XmlElement } from "../wire/xml-read.ts";
import { UserError } from "./command.ts";

export interface Client {
  readonly endpoint: string;
  readonly region: string;
  /** An operation of a service of the query protocol; gives its result element. */
  query(service: string, apiVersion: string, action: string, parameters: Record<string, string>): Promise<XmlElement>;
  /** An operation of a service of the JSON 1.1 protocol. */
  json<T>(service: string, target: string, input: object): Promise<T>;
  /** Creates the bucket if need be, and puts an object under a key that follows its contents. False: it is there. */
  putObject(bucket: string, key: string, body: Uint8Array): Promise<boolean>;
  /** A request of a service with a REST API; its answer may take as long as it likes. */
  rest(service: string, request: RestRequest): Promise<RestAnswer>;
  /** `GET /_mikan/...`, or a change there. */
  admin<T>(path: string, change?: AdminChange): Promise<T>;
}

export interface RestRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

export interface RestAnswer {
  headers: IncomingHttpHeaders;
  /** Not read yet. */
  body: IncomingMessage;
}

export interface AdminChange {
  method: "POST" | "DELETE";
  body?: object;
}

export interface ClientOptions {
  endpoint: string | undefined;
  region?: string;
  /** Default: those of the environment, else `test`. */
  credentials?: { accessKeyId: string; secretAccessKey: string };
}

export const endpointDefault = "http://127.0.0.1:4566";
/** An operation of the command's own waits this long for its answer. */
const answerMsMax = 60_000;

/** An error that the service answered. */
export class ServiceError extends UserError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** The first child with this name, or undefined. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((candidate) => candidate.name === name);
}

/** The text of the element at a path of names; empty when there is none. */
export function textAt(element: XmlElement, ...path: readonly string[]): string {
  return path.reduce<XmlElement | undefined>((at, name) => child(at, name), element)?.text ?? "";
}

/** The members of a query-protocol list. */
export function membersOf(element: XmlElement, name: string): XmlElement[] {
  return child(element, name)?.children.filter((candidate) => candidate.name === "member") ?? [];
}

export function createClient(options: ClientOptions): Client {
  const endpoint = (options.endpoint ?? process.env["AWS_ENDPOINT_URL"] ?? endpointDefault).replace(/\/$/, "");
  const region = options.region ?? process.env["AWS_REGION"] ?? process.env["AWS_DEFAULT_REGION"] ?? "us-east-1";
  const credentials = options.credentials ?? {
    accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "test",
    secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "test",
    sessionToken: process.env["AWS_SESSION_TOKEN"],
  };

  const send = async (
    service: string,
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Uint8Array,
  ) => {
    const signed = signRequest({
      method,
      url: new URL(path, endpoint),
      headers,
      body,
      service,
      region,
      credentials,
      now: new Date(),
    });
    try {
      const signal = AbortSignal.timeout(answerMsMax);
      const payload = body.byteLength === 0 ? {} : { body: Buffer.from(body) };
      const response = await fetch(new URL(path, endpoint), { method, headers: signed, signal, ...payload });
      return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) };
    } catch (cause) {
      throw unreachable(endpoint, cause);
    }
  };

  const stream = (method: string, path: string, headers: Record<string, string>, body: Uint8Array) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const url = new URL(path, endpoint);
      // `fetch` gives up on an answer after five minutes; a function may take fifteen.
      const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, { method, headers }, resolve);
      request.once("error", (cause) => reject(unreachable(endpoint, cause)));
      request.end(body);
    });

  return {
    endpoint,
    region,
    async query(service, apiVersion, action, parameters) {
      const form = new URLSearchParams({ Action: action, Version: apiVersion, ...parameters }).toString();
      const type = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
      const { status, body } = await send(service, "POST", "/", type, Buffer.from(form));
      const root = parseXml(body);
      if (status >= 300) {
        const error = child(root, "Error") ?? root;
        throw new ServiceError(textAt(error, "Code") || String(status), textAt(error, "Message"));
      }
      return child(root, `${action}Result`) ?? root;
    },

    async json<T>(service: string, target: string, input: object) {
      const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
      const { status, body } = await send(service, "POST", "/", headers, Buffer.from(JSON.stringify(input)));
      const answer: unknown = body.byteLength === 0 ? {} : JSON.parse(Buffer.from(body).toString());
      if (status >= 300) {
        const { __type = String(status), message = "" } = answer as { __type?: string; message?: string };
        throw new ServiceError(__type.slice(__type.indexOf("#") + 1), message);
      }
      return answer as T;
    },

    async putObject(bucket, key, body) {
      const there = await send("s3", "HEAD", `/${bucket}/${key}`, {}, new Uint8Array(0));
      if (there.status === 200) return false;
      const made = await send("s3", "PUT", `/${bucket}`, {}, new Uint8Array(0));
      if (made.status >= 300 && made.status !== 409) throw s3Error(made);
      const put = await send("s3", "PUT", `/${bucket}/${key}`, { "content-type": "application/zip" }, body);
      if (put.status >= 300) throw s3Error(put);
      return true;
    },

    async rest(service, { method, path, headers = {}, body = new Uint8Array(0) }) {
      const url = new URL(path, endpoint);
      const signed = signRequest({ method, url, headers, body, service, region, credentials, now: new Date() });
      const response = await stream(method, path, signed, body);
      const { statusCode = 0, headers: answered } = response;
      if (statusCode >= 300) throw restError(statusCode, answered, await buffer(response));
      return { headers: answered, body: response };
    },

    async admin<T>(path: string, change?: AdminChange) {
      const { method = "GET", body } = change ?? {};
      const headers = { [intentHeader]: "mikan", "content-type": "application/json" };
      try {
        const response = await fetch(new URL(path, endpoint), {
          method,
          signal: AbortSignal.timeout(answerMsMax),
          ...(change === undefined ? {} : { headers }),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        if (!response.ok) throw new UserError(adminError(path, response.status, await response.text()));
        return (await response.json()) as T;
      } catch (cause) {
        throw cause instanceof UserError ? cause : unreachable(endpoint, cause);
      }
    },
  };
}

/** Header that a change under `/_mikan/` must carry (docs/guides/operate.md). */
const intentHeader = "x-mikan-intent";

/** Lambda writes `Message`, `message` or nothing. */
function restError(status: number, headers: IncomingHttpHeaders, body: Uint8Array): ServiceError {
  const type = headers["x-amzn-errortype"];
  const answer = parsedObject(Buffer.from(body).toString());
  const message = answer["message"] ?? answer["Message"];
  return new ServiceError(
    typeof type === "string" ? (type.split(":", 1)[0] ?? type) : String(status),
    typeof message === "string" ? message : "",
  );
}

function adminError(path: string, status: number, text: string): string {
  const { message } = parsedObject(text);
  return typeof message === "string" ? message : `${path}: ${status} ${text}`;
}

/** Empty when it is something else. */
function parsedObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {};
  }
}

function s3Error({ status, body }: { status: number; body: Uint8Array }): ServiceError {
  if (body.byteLength === 0) return new ServiceError(String(status), "");
  const error = parseXml(body);
  return new ServiceError(textAt(error, "Code"), textAt(error, "Message"));
}

function unreachable(endpoint: string, cause: unknown): UserError {
  const code = errorCode(cause) ?? (cause instanceof Error ? errorCode(cause.cause) : undefined);
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new UserError(`No Mikan answers at ${endpoint} (${reason}). Start one with: mikan up`, { cause });
}

/** A client request token, so that a repeated CreateStack is the same one. */
export const requestToken = (): string => randomUUID();
