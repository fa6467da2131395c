/**
 * AWS's protocols on the server side: an HTTP request becomes a call of a service's operation with the SDK's own input
 * type, and its output or fault becomes the response that the SDK, the CLI and boto expect.
 *
 * ```
 * signature -> service -> protocol -> operation -> (signature verified) -> body -> input -> constraints
 * ```
 *
 * Everything is compiled from the tables once per operation, on first use.
 */
import type { Clock } from "../base/clock.ts";
import { asError, Bug, Fault, isFault } from "../base/errors.ts";
import type { Body, HttpRequest, HttpResponse } from "../base/http.ts";
import type { Ids } from "../base/ids.ts";
import { admitLength, payloadHashOf, readBody, s3Body, unsignedPayload } from "./bodies.ts";
import { checksOf, type Check, type Problem } from "./constraints.ts";
import type { Pair } from "./form.ts";
import { createServices, needsNoSignature } from "./identify.ts";
import { bodyBytesMax } from "./limits.ts";
import {
  incomingOf,
  type Codec,
  type HeaderMap,
  type Incoming,
  type Located,
  type ResponseContext,
} from "./message.ts";
import { loadService, serviceKeys, type OperationModel, type ServiceModel } from "./model.ts";
import { awsJson } from "./protocols/aws-json.ts";
import type { Protocol } from "./protocols/protocol.ts";
import { awsQuery, ec2Query, formOf } from "./protocols/query.ts";
import { restJson } from "./protocols/rest-json.ts";
import { restXml } from "./protocols/rest-xml.ts";
import { streamsInput } from "./protocols/rest.ts";
import { WireRefusal } from "./refusal.ts";
import { createVerifier, type SecretOf } from "./sigv4-verify.ts";
import { signatureOf, type Presented, type Signature } from "./sigv4.ts";
import type { ProtocolName } from "./table.ts";

export { WireRefusal } from "./refusal.ts";
export type { Presented } from "./sigv4.ts";
export type { SecretOf } from "./sigv4-verify.ts";

/** A request, understood. */
export interface DecodedCall {
  /** AWS's signing name, and the service's folder: `elasticloadbalancing`. */
  service: string;
  operation: string;
  /**
   * The SDK's input type, decoded: `Date`, `Uint8Array`, numbers, nested structures; a streaming payload is a `Body`.
   * Required members are there and constraints hold. A streaming body throws a fault at its end if its length, a
   * checksum or a signature is wrong: act on it only after it has been read. A checksum that came as a trailer is a
   * member (`ChecksumCRC32`) from then on.
   */
  input: object;
  /** Undefined for a request without a signature. */
  credentials: Presented | undefined;
  requestId: string;
  /** Writes an output; throws a `Bug` for one that is not the operation's. */
  encode(output: object): HttpResponse;
  /** Writes a fault in the shape of the protocol; anything else as `InternalFailure`, without its details. */
  encodeFault(error: unknown): HttpResponse;
}

export interface WireOptions {
  clock: Clock;
  ids: Ids;
  /** Verifies signatures. Without it they are read, and believed. */
  verify?: { secretOf: SecretOf };
  /** What becomes of requests without a signature: refused as AWS does (the default), or decoded without credentials. */
  unsigned?: "refuse" | "admit";
  /** Names that this node goes by, for buckets in host names. `localhost` unless given. */
  hosts?: readonly string[];
}

export interface Wire {
  /** Throws nothing but {@link WireRefusal}. */
  decode(request: HttpRequest): Promise<DecodedCall>;
  /** All operations that the service has at AWS; empty for a service without a table. */
  operationNames(service: string): readonly string[];
  /** Signing names of the services that have a table. */
  services(): readonly string[];
}

/** The member that carries the client token of an operation, filled in by SDKs; undefined where there is none. */
export function idempotencyMember(service: string, operation: string): string | undefined {
  if (!serviceKeys().includes(service)) return undefined;
  return loadService(service)
    .operation(operation)
    ?.input.members.find(({ traits }) => traits.idempotencyToken === 1)?.name;
}

/** A service in one of its protocols, with the codecs made so far. */
interface Endpoint {
  model: ServiceModel;
  protocol: Protocol;
  prepared(operation: OperationModel): Prepared;
}

interface Prepared {
  codec: Codec;
  check: Check | undefined;
  streams: boolean;
  bodyBytesMax: number;
}

/** What is known of a request so far, for the shape of a refusal. */
interface Progress {
  requestId: string;
  endpoint: Endpoint | undefined;
  service: string | undefined;
  operation: string | undefined;
}

export function createWire(options: WireOptions): Wire {
  const { clock, ids } = options;
  const hosts = options.hosts ?? ["localhost"];
  const services = createServices();
  const verifier = options.verify === undefined ? undefined : createVerifier(options.verify.secretOf, clock);
  const endpoints = new Map<string, Endpoint>();

  const endpointOf = (service: string, incoming: Incoming | undefined): Endpoint => {
    const model = loadService(service);
    const name = incoming === undefined ? model.protocol : protocolOf(model, incoming);
    const key = `${service} ${name}`;
    const seen = endpoints.get(key);
    if (seen !== undefined) return seen;
    const made = createEndpoint(model, name, hosts);
    endpoints.set(key, made);
    return made;
  };

  const decodeCall = async (request: HttpRequest, progress: Progress): Promise<DecodedCall> => {
    // S3's shape is that of a request which says nothing of itself; it is what browsers and curl send.
    progress.endpoint = endpointOf("s3", undefined);
    const incoming = await guessing(request, progress);
    const signature = signatureOf(incoming);
    const early = services.needsForm(incoming, signature) ? await readForm(incoming) : [];
    const service = services.of(incoming, signature, early);
    progress.service = service;
    if (!services.keys.includes(service)) {
      throw new Fault("NotImplemented", `Mikan does not implement the service ${service.slice(0, 64)}.`);
    }
    const endpoint = endpointOf(service, incoming);
    progress.endpoint = endpoint;
    if (service === "s3") progress.requestId = ids.hex(8).toUpperCase();
    return decodeFor(endpoint, incoming, signature, progress, early);
  };

  /** Before anything is known, the target header says in which shape to refuse. */
  const guessing = async (request: HttpRequest, progress: Progress): Promise<Incoming> => {
    const incoming = incomingOf(request);
    if (incoming.headers.has("x-amz-target")) progress.endpoint = endpointOf("logs", undefined);
    else if (incoming.headers.get("content-type")?.includes("x-www-form-urlencoded")) {
      progress.endpoint = endpointOf("sts", undefined);
    }
    return incoming;
  };

  const decodeFor = async (
    endpoint: Endpoint,
    incoming: Incoming,
    signature: Signature | undefined,
    progress: Progress,
    early: readonly Pair[],
  ): Promise<DecodedCall> => {
    const { model, protocol } = endpoint;
    const { key: service } = model;
    let bytes: Uint8Array | undefined;
    let form = early;
    if (protocol.namedInBody && early.length === 0) {
      const limit = bodyBytesMax(service, "");
      admitLength(incoming.headers, limit, "requested");
      bytes = await readBody(incoming.request.body, limit, "requested");
      form = formOf(incoming, bytes);
    }
    const located = protocol.locate(incoming, form);
    const { operation } = located;
    progress.operation = operation.name;
    if (signature === undefined && options.unsigned !== "admit" && !needsNoSignature(service, operation.name)) {
      throw missingToken(service);
    }
    protocol.admit(incoming, located);
    const prepared = endpoint.prepared(operation);
    const body = await bodyOf({ endpoint, incoming, located, prepared, signature, bytes });
    const query = protocol.namedInBody ? [...incoming.query, ...form] : incoming.query;
    const { labels } = located;
    const headers = service === "s3" ? plainHeaders(incoming.headers) : incoming.headers;
    const input = prepared.codec.decode({ labels, query, headers, body: body.body });
    body.settle(input);
    const problems: Problem[] = [];
    prepared.check?.(input, () => "", problems);
    if (problems.length > 0) throw protocol.invalid(problems);
    const context = contextOf(progress, incoming.request);
    return {
      service,
      operation: operation.name,
      input,
      credentials: signature === undefined ? undefined : presentedOf(signature, verifier !== undefined),
      requestId: progress.requestId,
      encode: (output) => prepared.codec.encode(output, context),
      encodeFault: (error) => protocol.encodeFault(faultOf(error, service), context),
    };
  };

  interface BodyWanted {
    endpoint: Endpoint;
    incoming: Incoming;
    located: Located;
    prepared: Prepared;
    signature: Signature | undefined;
    /** The body, where it was read to find the operation. */
    bytes: Uint8Array | undefined;
  }

  /** Reads or wraps the body and verifies the signature, in the order that each needs the other. */
  const bodyOf = async (wanted: BodyWanted): Promise<{ body: Body; settle(input: object): void }> => {
    const { endpoint, incoming, located, prepared, signature } = wanted;
    const { name } = located.operation;
    const { request, headers } = incoming;
    if (endpoint.model.key !== "s3") {
      if (wanted.bytes === undefined) admitLength(headers, prepared.bodyBytesMax, name);
      const bytes = wanted.bytes ?? (await readBody(request.body, prepared.bodyBytesMax, name));
      if (verifier !== undefined && signature !== undefined) {
        await verifier.verify(incoming, signature, await payloadHashOf(bytes));
      }
      return { body: bytes, settle: () => undefined };
    }
    const claimed = claimedHash(incoming, signature);
    const chunkKey =
      verifier === undefined || signature === undefined
        ? undefined
        : await verifier.verify(incoming, signature, claimed);
    const trailers: [string, string][] = [];
    let settled: Record<string, unknown> | undefined;
    const onTrailer = (field: string, value: string) => {
      if (settled === undefined) trailers.push([field, value]);
      else setByField(located.operation, settled, field, value);
    };
    if (!prepared.streams && !headers.has("x-amz-decoded-content-length")) {
      admitLength(headers, prepared.bodyBytesMax, name);
    }
    const { checksum: checksummed } = located.operation;
    const stream = s3Body(request.body, { headers, signature, chunkKey, checksummed, onTrailer });
    const body = prepared.streams ? stream : await readBody(stream, prepared.bodyBytesMax, name);
    return {
      body,
      settle(input) {
        settled = input as Record<string, unknown>;
        for (const [field, value] of trailers) setByField(located.operation, settled, field, value);
      },
    };
  };

  return {
    services: () => services.keys,
    operationNames: (service) => (services.keys.includes(service) ? loadService(service).operationNames : []),
    async decode(request) {
      const progress: Progress = {
        requestId: ids.uuid(),
        endpoint: undefined,
        service: undefined,
        operation: undefined,
      };
      try {
        return await decodeCall(request, progress);
      } catch (error) {
        const fault = faultOf(error, progress.service);
        const endpoint = progress.endpoint ?? endpointOf("s3", undefined);
        const response = endpoint.protocol.encodeFault(fault, contextOf(progress, request));
        throw new WireRefusal(fault, response, progress.service, progress.operation);
      }
    },
  };
}

/** A service may be spoken to in more than its own protocol: SQS's old clients use awsQuery. */
function protocolOf({ protocol, table }: ServiceModel, { headers }: Incoming): ProtocolName {
  return table.queryCompatible === true && !headers.has("x-amz-target") ? "awsQuery" : protocol;
}

function makeProtocol(model: ServiceModel, name: ProtocolName, hosts: readonly string[]): Protocol {
  switch (name) {
    case "awsJson1_0":
      return awsJson(model, "1.0");
    case "awsJson1_1":
      return awsJson(model, "1.1");
    case "awsQuery":
      return awsQuery(model);
    case "ec2Query":
      return ec2Query(model);
    case "restJson1":
      return restJson(model);
    default:
      return restXml(model, hosts);
  }
}

/** A codec for what has none: the call is only there to be answered 501. */
const opaqueCodec: Codec = {
  decode: () => ({}),
  encode() {
    throw new Bug("an operation without a codec was answered with an output");
  },
};

function createEndpoint(model: ServiceModel, name: ProtocolName, hosts: readonly string[]): Endpoint {
  const protocol = makeProtocol(model, name, hosts);
  const checks = checksOf();
  const made = new Map<OperationModel, Prepared>();
  return {
    model,
    protocol,
    prepared(operation) {
      const seen = made.get(operation);
      if (seen !== undefined) return seen;
      const prepared: Prepared = {
        codec: operation.opaque ? opaqueCodec : protocol.codec(operation),
        check: operation.opaque ? undefined : checks(operation.input),
        streams: streamsInput(operation),
        bodyBytesMax: bodyBytesMax(model.key, operation.name),
      };
      made.set(operation, prepared);
      return prepared;
    },
  };
}

async function readForm(incoming: Incoming): Promise<readonly Pair[]> {
  const limit = bodyBytesMax("", "");
  return formOf(incoming, await readBody(incoming.request.body, limit, "requested"));
}

const missingToken = (service: string) =>
  new Fault(
    "MissingAuthenticationToken",
    service === "s3" ? "Access Denied" : "Request is missing Authentication Token",
  );

/** The body's hash as an S3 request signs it. */
function claimedHash({ headers, query }: Incoming, signature: Signature | undefined): string {
  const claimed = headers.get("x-amz-content-sha256");
  if (claimed !== undefined) return claimed;
  if (signature?.kind === "header") {
    throw new Fault("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  return query.find(([name]) => name === "X-Amz-Content-Sha256")?.[1] ?? unsignedPayload;
}

/** The fields of an S3 request as if its body had not been wrapped in `aws-chunked`. */
function plainHeaders(headers: HeaderMap): HeaderMap {
  const decoded = headers.get("x-amz-decoded-content-length");
  const encoding = headers.get("content-encoding");
  if (decoded === undefined && encoding?.includes("aws-chunked") !== true) return headers;
  const plain = new Map(headers);
  if (decoded !== undefined) plain.set("content-length", decoded);
  const left = (encoding ?? "").split(",").filter((part) => !["aws-chunked", ""].includes(part.trim().toLowerCase()));
  if (left.length > 0) plain.set("content-encoding", left.join(",").trim());
  else plain.delete("content-encoding");
  return plain;
}

function setByField({ input }: OperationModel, value: Record<string, unknown>, field: string, text: string): void {
  const member = input.members.find(({ traits }) => traits.httpHeader?.toLowerCase() === field);
  if (member !== undefined) value[member.name] = text;
}

function presentedOf(signature: Signature, verified: boolean): Presented {
  const { accessKeyId, region, service, sessionToken, kind } = signature;
  return { accessKeyId, region, service, sessionToken, kind, verified };
}

function contextOf({ requestId }: Progress, { method, target }: HttpRequest): ResponseContext {
  return { requestId, method, path: target.split("?", 1)[0] ?? "" };
}

/** A fault as it is; anything else is a bug, of which the caller learns nothing but that there is one. */
function faultOf(error: unknown, service: string | undefined): Fault {
  if (isFault(error)) return error;
  const message =
    service === "s3" ? "We encountered an internal error. Please try again." : "An internal error occurred.";
  return new Fault("InternalFailure", message, {}, { cause: asError(error) });
}
