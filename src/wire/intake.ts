/** The body of a call: read or wrapped, and the signature verified, in the order in which each needs the other. */
import { Fault } from "../base/errors.ts";
import type { Body } from "../base/http.ts";
import { admitLength, payloadHashOf, readBody } from "./bodies.ts";
import type { Prepared } from "./endpoint.ts";
import type { HeaderMap, Incoming, Located } from "./message.ts";
import type { OperationModel } from "./model.ts";
import { s3Body, unsignedPayload } from "./s3-body.ts";
import { mismatch, type Verification, type Verifier } from "./sigv4-verify.ts";
import type { Signature } from "./sigv4.ts";

export interface Arrival {
  incoming: Incoming;
  located: Located;
  prepared: Prepared;
  signature: Signature | undefined;
  /** Undefined on a node that believes every signature. */
  verifier: Verifier | undefined;
}

export interface TakenBody {
  body: Body;
  /** The fields as if the body had come without wrapping. */
  headers: HeaderMap;
  /** Told of the input: checksums that come as trailers are set on it. */
  settle(input: object): void;
}

const begin = async ({ incoming, signature, verifier }: Arrival): Promise<Verification | undefined> =>
  verifier === undefined || signature === undefined ? undefined : verifier.begin(incoming, signature);

/** Reads a body to its end. */
export async function takeBytes(arrival: Arrival): Promise<TakenBody> {
  const { incoming, located, prepared, signature } = arrival;
  const { name } = located.operation;
  const { request, headers } = incoming;
  admitLength(headers, prepared.bodyBytesMax, name);
  const verify = await begin(arrival);
  const claimed = headers.get("x-amz-content-sha256") ?? "";
  // With the hash in a signed field, a wrong signature is refused before the body is read.
  const early = /^[0-9a-f]{64}$/.test(claimed);
  if (early) verify?.(claimed);
  const bytes = await readBody(request.body, prepared.bodyBytesMax, name);
  if (verify !== undefined && signature !== undefined) {
    const hash = await payloadHashOf(bytes);
    if (!early) verify(hash);
    else if (hash !== claimed) throw mismatch(signature);
  }
  return { body: bytes, headers, settle: () => undefined };
}

/** Takes an S3 body: as a stream for an object, else read to its end. */
export async function takeS3(arrival: Arrival): Promise<TakenBody> {
  const { incoming, located, prepared, signature } = arrival;
  const { operation } = located;
  const { request, headers } = incoming;
  const plain = plainHeaders(headers);
  if (!prepared.streams) admitLength(plain, prepared.bodyBytesMax, operation.name);
  const verify = await begin(arrival);
  const chunkKey = verify?.(claimedHash(incoming, signature));
  const trailers: [string, string][] = [];
  let settled: Record<string, unknown> | undefined;
  const stream = s3Body(request.body, {
    headers,
    signature,
    chunkKey,
    checksummed: operation.checksum,
    onTrailer(field, value) {
      if (settled === undefined) trailers.push([field, value]);
      else setByField(operation, settled, field, value);
    },
  });
  return {
    body: prepared.streams ? stream : await readBody(stream, prepared.bodyBytesMax, operation.name),
    headers: plain,
    settle(input) {
      settled = input as Record<string, unknown>;
      for (const [field, value] of trailers) setByField(operation, settled, field, value);
    },
  };
}

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
