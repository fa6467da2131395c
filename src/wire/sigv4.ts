/** Signature version 4, read: the `Authorization` field or the query of a presigned URL. Source: "AWS SigV4" of the IAM guide. */
import { Fault } from "../base/errors.ts";
import type { Incoming } from "./message.ts";

/** The credentials that came with a request. */
export interface Presented {
  accessKeyId: string;
  /** Of the credential scope. */
  region: string;
  service: string;
  sessionToken: string | undefined;
  kind: "header" | "presigned";
  /** The signature was checked, and is right. False on a node that checks none. */
  verified: boolean;
}

/** Everything of a signature that its verification needs. */
export interface Signature extends Presented {
  /** `20260101T000000Z`. */
  timestamp: string;
  /** `20260101` of the scope. */
  day: string;
  /** `20260101/us-east-1/sqs/aws4_request`. */
  scope: string;
  signedHeaders: readonly string[];
  /** Hex. */
  signature: string;
  /** Life of a presigned URL. */
  expiresSeconds: number | undefined;
  /** It is one of version 2 (sigv2.ts), and ends at this second of the epoch. */
  version2?: { expires: string };
}

export const algorithm = "AWS4-HMAC-SHA256";
const asymmetric = "AWS4-ECDSA-P256-SHA256";

/** The signature of a request; undefined when it has none; throws a fault when it is not one that can be read. */
export function signatureOf(incoming: Pick<Incoming, "headers" | "query">): Signature | undefined {
  const header = incoming.headers.get("authorization");
  if (header !== undefined) return ofHeader(header, incoming);
  const query = new Map<string, string>();
  for (const [name, value] of incoming.query) if (name.startsWith("X-Amz-") && !query.has(name)) query.set(name, value);
  if (query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature")) return ofQuery(query);
  return undefined;
}

function refuseAlgorithm(name: string): never {
  if (name === asymmetric) throw new Fault("NotImplemented", `Mikan does not implement SigV4a (${asymmetric}).`);
  throw new Fault(
    "IncompleteSignature",
    `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
  );
}

function ofHeader(header: string, { headers }: Pick<Incoming, "headers">): Signature {
  const space = header.indexOf(" ");
  const name = space === -1 ? header : header.slice(0, space);
  if (name !== algorithm) refuseAlgorithm(name.slice(0, 64));
  const fields = new Map<string, string>();
  for (const part of header.slice(space + 1).split(",")) {
    const equals = part.indexOf("=");
    if (equals !== -1) fields.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const take = (field: string) => {
    const value = fields.get(field);
    if (value) return value;
    throw new Fault("IncompleteSignature", `Authorization header requires '${field}' parameter.`);
  };
  const credential = take("Credential");
  const signedHeaders = take("SignedHeaders");
  const timestamp = headers.get("x-amz-date") ?? basicDate(headers.get("date"));
  if (timestamp === undefined) {
    throw new Fault(
      "IncompleteSignature",
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    );
  }
  return made(credential, signedHeaders, take("Signature"), timestamp, {
    kind: "header",
    sessionToken: headers.get("x-amz-security-token"),
    expiresSeconds: undefined,
    incomplete: "IncompleteSignature",
  });
}

function ofQuery(query: ReadonlyMap<string, string>): Signature {
  const name = query.get("X-Amz-Algorithm") ?? "";
  if (name !== algorithm) refuseAlgorithm(name.slice(0, 64));
  const take = (field: string) => {
    const value = query.get(field);
    if (value) return value;
    throw new Fault("IncompletePresignedQuery", `Query-string authentication requires the ${field} parameter.`);
  };
  // Only S3 insists on it; whoever leaves it out elsewhere signs for the clock skew alone.
  const expires = query.get("X-Amz-Expires");
  if (expires !== undefined && !/^\d{1,9}$/.test(expires)) {
    throw new Fault("IncompletePresignedQuery", "X-Amz-Expires should be a number");
  }
  return made(take("X-Amz-Credential"), take("X-Amz-SignedHeaders"), take("X-Amz-Signature"), take("X-Amz-Date"), {
    kind: "presigned",
    sessionToken: query.get("X-Amz-Security-Token"),
    expiresSeconds: expires === undefined ? undefined : Number(expires),
    incomplete: "IncompletePresignedQuery",
  });
}

function made(
  credential: string,
  signedHeaders: string,
  signature: string,
  timestamp: string,
  rest: Pick<Signature, "kind" | "sessionToken" | "expiresSeconds"> & { incomplete: string },
): Signature {
  const { incomplete, ...kept } = rest;
  // A key id may hold slashes; the scope's four parts are the last.
  const parts = credential.split("/");
  const [day, region, service, terminator] = parts.slice(-4);
  const accessKeyId = parts.slice(0, -4).join("/");
  if (!accessKeyId || !day || !region || !service || terminator !== "aws4_request") {
    throw new Fault(incomplete, "Credential must be in the form <access-key-id>/YYYYMMDD/REGION/SERVICE/aws4_request.");
  }
  if (!/^\d{8}T\d{6}Z$/.test(timestamp)) {
    throw new Fault(incomplete, "Date must be in ISO-8601 'basic format': YYYYMMDDTHHMMSSZ.");
  }
  if (!/^[0-9a-f]{64}$/.test(signature)) throw new Fault(incomplete, "The signature must be 64 hexadecimal digits.");
  return {
    ...kept,
    accessKeyId,
    day,
    region,
    service,
    timestamp,
    signature,
    scope: `${day}/${region}/${service}/aws4_request`,
    signedHeaders: signedHeaders.split(";"),
    verified: false,
  };
}

function basicDate(date: string | undefined): string | undefined {
  if (date === undefined) return undefined;
  if (/^\d{8}T\d{6}Z$/.test(date)) return date;
  const parsed = new Date(date);
  return Number.isNaN(parsed.getTime()) ? undefined : basicTimestamp(parsed.getTime());
}

/** `20260101T000000Z`. */
export function basicTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

/** Milliseconds of a basic timestamp; NaN for a day that is none. */
export function msOfTimestamp(timestamp: string): number {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
