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
import { asError, Fault, isFault } from "../base/errors.ts";
import type { Body, HttpRequest, HttpResponse } from "../base/http.ts";
import type { Ids } from "../base/ids.ts";
import { admitLength, payloadHashOf, readBody } from "./bodies.ts";
import type { Problem } from "./constraints.ts";
import { createEndpoint, protocolOf, type Endpoint, type Prepared } from "./endpoint.ts";
import type { Pair } from "./form.ts";
import { createServices, needsNoSignature } from "./identify.ts";
import { takeBytes, takeS3 } from "./intake.ts";
import { parseLargeJson } from "./large-json.ts";
import { bodyBytesMax, plainJsonBytesMax } from "./limits.ts";
import { incomingOf, mediaType, type Incoming, type ResponseContext } from "./message.ts";
import { loadService, serviceKeys } from "./model.ts";
import { formOf, formType } from "./protocols/query.ts";
import { speaksCbor } from "./protocols/rpcv2-cbor.ts";
import { WireRefusal } from "./refusal.ts";
import { postedForm } from "./s3-post.ts";
import { querySignature } from "./sigv2.ts";
import { createVerifier, type SecretOf } from "./sigv4-verify.ts";
import { signatureOf, type Presented, type Signature } from "./sigv4.ts";

export { WireRefusal } from "./refusal.ts";
export type { Presented } from "./sigv4.ts";
export { expiredToken, type SecretOf } from "./sigv4-verify.ts";

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
  /**
   * Who signed a request that is no call of an API, to a function's URL, with the service's name; undefined without a
   * signature. Verified where the node verifies. Throws a fault.
   */
  authenticate(request: HttpRequest, body: Uint8Array, service: string): Promise<Presented | undefined>;
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

/** What is known of a request so far, for the shape of a refusal. */
interface Progress {
  /** Whose errors it is answered in until its own service is known. */
  shape: string;
  requestId: string;
  endpoint: Endpoint | undefined;
  service: string | undefined;
  operation: string | undefined;
}

export function createWire(options: WireOptions): Wire {
  const { clock, ids, unsigned = "refuse", hosts = ["localhost"] } = options;
  const services = createServices();
  const verifier = options.verify === undefined ? undefined : createVerifier(options.verify.secretOf, clock);
  const endpoints = new Map<string, Endpoint>();

  const endpointOf = (service: string, incoming?: Incoming): Endpoint => {
    const model = loadService(service);
    const name = incoming === undefined ? model.protocol : protocolOf(model, incoming);
    const key = `${service} ${name}`;
    const seen = endpoints.get(key);
    if (seen !== undefined) return seen;
    const made = createEndpoint(model, name, hosts);
    endpoints.set(key, made);
    return made;
  };

  /** From the request to the service that is meant, in the protocol that it is spoken to in. */
  const identify = async (request: HttpRequest, progress: Progress): Promise<Identified> => {
    let incoming = incomingOf(request);
    // Until more is known, the fields of a request say in which shape to refuse it.
    if (speaksCbor(incoming.headers)) progress.endpoint = endpointOf("logs", incoming);
    else if (incoming.headers.has("x-amz-target")) progress.shape = "logs";
    else if (mediaType(incoming.headers) === formType) progress.shape = "sts";
    const signature = signatureOf(incoming) ?? querySignature(incoming);
    let form: readonly Pair[] = [];
    if (services.needsForm(incoming, signature)) {
      const body = await readNamingBody(incoming, "");
      incoming = { ...incoming, request: { ...request, body } };
      form = formOf(incoming, body);
    }
    const service = services.of(incoming, signature, form);
    progress.service = service;
    if (!services.keys.includes(service)) {
      throw new Fault("NotImplemented", `Mikan does not implement the service ${service.slice(0, 64)}.`);
    }
    progress.endpoint = endpointOf(service, incoming);
    if (service === "s3") progress.requestId = ids.hex(8).toUpperCase();
    return { incoming, signature, service, endpoint: progress.endpoint };
  };

  const decodeCall = async (request: HttpRequest, progress: Progress): Promise<DecodedCall> => {
    const identified = await identify(request, progress);
    const { service, endpoint } = identified;
    const posts = service === "s3" && identified.signature === undefined;
    const posted = posts ? await postedForm(identified.incoming, { hosts, clock, verifier }) : undefined;
    const { incoming: arrived, signature } = posted ?? identified;
    const { protocol } = endpoint;
    const { incoming, form } = protocol.namedInBody
      ? await withForm(arrived, service)
      : { incoming: arrived, form: [] };
    const located = protocol.locate(incoming, form);
    const { operation } = located;
    progress.operation = operation.name;
    if (signature === undefined && unsigned === "refuse" && !needsNoSignature(service, operation.name)) {
      throw missingToken(service);
    }
    protocol.admit(incoming, located);
    const prepared = endpoint.prepared(operation);
    const take = service === "s3" ? takeS3 : takeBytes;
    const { body, headers, settle } = await take({
      incoming,
      located,
      prepared,
      signature,
      // A form's signature is that of its policy, and has been verified.
      verifier: posted === undefined ? verifier : undefined,
    });
    const query = form.length > 0 ? [...incoming.query, ...form] : incoming.query;
    const json = await earlyJson(prepared, body);
    const input = prepared.codec.decode({ labels: located.labels, query, headers, body, json });
    settle(input);
    const problems: Problem[] = [];
    prepared.check?.(input, () => "", problems);
    if (problems.length > 0) throw protocol.invalid(problems);
    const context = contextOf(progress, request);
    const encode = (output: object) => prepared.codec.encode(output, context);
    return {
      service,
      operation: operation.name,
      input,
      credentials: signature === undefined ? undefined : presentedOf(signature, verifier !== undefined),
      requestId: progress.requestId,
      encode: posted === undefined ? encode : (output) => posted.answer(encode(output)),
      encodeFault: (error) => protocol.encodeFault(faultOf(error, service), context),
    };
  };

  return {
    services: () => services.keys,
    operationNames: (service) => (services.keys.includes(service) ? loadService(service).operationNames : []),
    async authenticate(request, body, service) {
      const incoming = incomingOf(request);
      const signature = signatureOf(incoming);
      if (signature === undefined) return undefined;
      if (signature.service !== service) {
        throw new Fault("SignatureDoesNotMatch", `Credential should be scoped to correct service: '${service}'.`);
      }
      const verify = await verifier?.begin(incoming, signature);
      verify?.(await payloadHashOf(body));
      return presentedOf(signature, verifier !== undefined);
    },
    async decode(request) {
      const progress: Progress = {
        // S3's shape is that of a request which says nothing of itself; it is what browsers and curl send.
        shape: "s3",
        requestId: ids.uuid(),
        endpoint: undefined,
        service: undefined,
        operation: undefined,
      };
      try {
        return await decodeCall(request, progress);
      } catch (error) {
        const fault = faultOf(error, progress.service);
        const { protocol } = progress.endpoint ?? endpointOf(progress.shape);
        const response = protocol.encodeFault(fault, contextOf(progress, request));
        throw new WireRefusal(fault, response, progress.service, progress.operation);
      }
    },
  };
}

interface Identified {
  incoming: Incoming;
  signature: Signature | undefined;
  service: string;
  endpoint: Endpoint;
}

/** JSON of many megabytes is parsed in slices, so that others have their turn. */
async function earlyJson({ codec }: Prepared, body: Body): Promise<unknown> {
  if (codec.json === undefined || !(body instanceof Uint8Array) || body.byteLength <= plainJsonBytesMax)
    return undefined;
  return parseLargeJson(body, codec.json.guardNesting);
}

/** A body that has to be read before its operation, or even its service, is known. */
async function readNamingBody({ request, headers }: Incoming, service: string): Promise<Uint8Array> {
  const limit = bodyBytesMax(service, "");
  admitLength(headers, limit, "requested");
  return readBody(request.body, limit, "requested");
}

async function withForm(incoming: Incoming, service: string): Promise<{ incoming: Incoming; form: readonly Pair[] }> {
  const body = await readNamingBody(incoming, service);
  return { incoming: { ...incoming, request: { ...incoming.request, body } }, form: formOf(incoming, body) };
}

const missingToken = (service: string) =>
  new Fault(
    "MissingAuthenticationToken",
    service === "s3" ? "Access Denied" : "Request is missing Authentication Token",
  );

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
