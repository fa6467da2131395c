/** What the wire refuses to grow past. */

const mib = 1024 * 1024;

/** Bodies that are buffered, in bytes, where the next table does not say otherwise. AWS's query endpoints take 1 MiB. */
const bufferedBytesDefault = mib;

/** By service, and by operation where it has a limit of its own. */
const bufferedBytes: Readonly<Record<string, { all?: number; operations?: Readonly<Record<string, number>> }>> = {
  lambda: {
    // "Lambda quotas": 6 MB synchronous; the answer of AWS names 6,291,456. The 1 MB of Event is the service's to check.
    operations: {
      Invoke: 6_291_456,
      InvokeAsync: 6_291_456,
      InvokeWithResponseStream: 6_291_456,
      // 50 MiB of zip, as base64 in JSON: AWS's answer names 69,905,067; some room for the other members.
      CreateFunction: 70_000_000,
      UpdateFunctionCode: 70_000_000,
      PublishLayerVersion: 70_000_000,
    },
  },
  // An XML of DeleteObjects with 1,000 keys of 1,024 bytes, escaped, is below it.
  s3: { all: 2 * mib },
  // PutLogEvents takes 1,048,576 bytes of messages, counted without their JSON.
  logs: { operations: { PutLogEvents: 4 * mib } },
  // 1 MiB of entries, escaped in JSON.
  events: { all: 4 * mib },
  // 1 MiB of messages, as base64 or escaped in JSON.
  sqs: { all: 4 * mib },
  // A template body has 51,200 bytes at most; parameters come on top.
  cloudformation: { all: mib },
};

/** The longest body of an operation that is buffered; with no operation, the longest that the service takes at all. */
export function bodyBytesMax(service: string, operation: string): number {
  const row = bufferedBytes[service];
  return row?.operations?.[operation] ?? row?.all ?? bufferedBytesDefault;
}

/** Levels of JSON, XML elements, or dots of a query parameter. AWS's own services stop at 32 (DynamoDB) or below. */
export const nestingMax = 64;
/** Past this, JSON is parsed with its long strings lifted out. */
export const plainJsonBytesMax = 512 * 1024;
/** Items of a CBOR body; PutLogEvents' 10,000 events have 50,000. More would hold the event loop for longer than 10 ms. */
export const cborItemsMax = 100_000;
/** Bytes of a CBOR big integer. */
export const bigIntegerBytesMax = 64;
/** A string of JSON that is long enough to be lifted out. */
export const longJsonStringBytesMin = 64 * 1024;
/** What may be left of a document then; JSON.parse takes 10 ms for it at most. SQS's batches of 1 MiB, escaped, fit. */
export const jsonSkeletonBytesMax = 4 * mib;
/** Work on long bodies goes in slices, with a turn of the event loop between them; a multiple of four. */
export const sliceBytes = 512 * 1024;
/** Entries of one map. */
export const mapEntriesMax = 10_000;
/** Parameters of a form or a query string. */
export const parametersMax = 20_000;
/** The length of a string that a regular expression of a constraint is tried on. */
export const patternCharsMax = 16_384;
/** Characters of a value that an error message repeats. */
export const quotedCharsMax = 1_024;
/** A line of `aws-chunked` framing: a size, a signature, or a trailer. */
export const chunkLineBytesMax = 1_024;
/** What comes before the file in a browser's form. Source: S3 API reference, "POST Object": 20 KB. */
export const formFieldsBytesMax = 20 * 1024;
/** Trailer fields of an `aws-chunked` body. */
export const chunkTrailersMax = 16;
/** Signing keys that are remembered, one for each key id, day, region and service. */
export const signingKeysMax = 1_000;
/** How far a signature's date may be from the clock. */
export const clockSkewMs = 15 * 60_000;
/** A presigned URL lives one second to seven days. */
export const presignedSecondsMax = 604_800;
