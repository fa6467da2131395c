/** The form of `tables/<service>.json`: what the SDK's schemas and botocore's models say of a service, without either. */

export type ProtocolName = "awsJson1_0" | "awsJson1_1" | "awsQuery" | "ec2Query" | "restJson1" | "restXml";

export interface Table {
  /** The service's folder and key: `sqs`, `elasticloadbalancing`. */
  service: string;
  protocol: ProtocolName;
  /** Old clients speak awsQuery to it, and errors carry `x-amzn-query-error`. */
  queryCompatible?: true;
  /** `2012-11-05`. */
  version: string;
  /** Smithy namespace: `com.amazonaws.sqs`. */
  namespace: string;
  /** The part of `X-Amz-Target` before the dot. */
  targetPrefix: string;
  xmlNamespace?: string;
  operations: Readonly<Record<string, OperationRow>>;
  structures: Readonly<Record<string, StructureRow>>;
  /** Operations that are known by name only (ec2): they have no codec, and answer 501. */
  named?: readonly string[];
}

/** Input and output by name of structure; `null` is no members. */
export type OperationRow = readonly [input: string | null, output: string | null, traits?: OperationTraits];

export interface OperationTraits {
  /** Method, URI template, status of success. */
  http?: readonly [string, string, number];
  /** The request may carry a checksum of its body. */
  checksum?: 1;
  /** Where an event stream runs. */
  events?: "input" | "output" | "both";
}

/** Members in order, the first `required` of which must be there. */
export type StructureRow = readonly [
  members: Readonly<Record<string, MemberRow>>,
  required: number,
  traits?: StructureTraits,
];

export interface StructureTraits {
  xmlName?: string;
  xmlNamespace?: readonly [prefix: string, uri: string] | string;
  /** Exactly one member is set. */
  union?: 1;
  /** A union whose values are the events of a stream. */
  streaming?: 1;
  /** Who is to blame. */
  error?: "client" | "server";
  httpError?: number;
  /** The code on the wire of awsQuery, and its status. */
  awsQueryError?: readonly [string, number];
}

export type MemberRow = TypeRow | readonly [TypeRow, MemberTraits];
export type TypeRow = ScalarName | `#${string}` | ListRow | MapRow;
export interface ListRow {
  list: MemberRow;
}
export interface MapRow {
  key: MemberRow;
  value: MemberRow;
}

/**
 * `number` is a number that botocore does not tell apart (members of outputs, members newer than its model).
 * `timestamp` takes the form of its place: epoch seconds in JSON, ISO 8601 in XML and query, IMF-fixdate in headers.
 */
export type ScalarName =
  | "string"
  | "boolean"
  | "number"
  | "integer"
  | "long"
  | "float"
  | "double"
  | "bigint"
  | "bigdecimal"
  | "timestamp"
  | "date-time"
  | "http-date"
  | "epoch-seconds"
  | "blob"
  | "stream"
  | "document";

export interface MemberTraits extends Constraints {
  httpLabel?: 1;
  httpQuery?: string;
  httpQueryParams?: 1;
  httpHeader?: string;
  httpPrefixHeaders?: string;
  httpPayload?: 1;
  httpResponseCode?: 1;
  idempotencyToken?: 1;
  sensitive?: 1;
  sparse?: 1;
  jsonName?: string;
  xmlName?: string;
  xmlFlattened?: 1;
  xmlAttribute?: 1;
  xmlNamespace?: readonly [prefix: string, uri: string] | string;
  ec2QueryName?: string;
  /** The whole payload of its event. */
  eventPayload?: 1;
}

/** What AWS enforces and models, from botocore: lengths or ranges, a regular expression for the whole, the values. */
export interface Constraints {
  min?: number;
  max?: number;
  pattern?: string;
  enum?: readonly string[];
}
