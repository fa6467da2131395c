/**
 * Errors that AWS answers without modelling them: what each family of protocols calls them, and with which status.
 * Sources: "Common errors" of the API references (query, JSON), "Error codes for the Amazon EC2 API", "Error responses"
 * of S3; where a reference and what the service answers differ, what it answers.
 */

/** Protocols that share names of errors. */
export type Family = "json" | "rest" | "query" | "ec2" | "s3";

export interface CommonError {
  /** The name on the wire. */
  code: string;
  status: number;
}

type Names = Readonly<Record<Family, readonly [code: string, status: number]>>;

interface Row {
  /** Codes that a fault may be thrown with. */
  thrown: readonly string[];
  /** Taken instead where the service models one of them. */
  modelled?: readonly string[];
  names: Names;
}

const rows: readonly Row[] = [
  {
    thrown: ["ValidationException", "ValidationError"],
    names: {
      json: ["ValidationException", 400],
      rest: ["ValidationException", 400],
      query: ["ValidationError", 400],
      ec2: ["InvalidParameterValue", 400],
      s3: ["InvalidArgument", 400],
    },
  },
  {
    thrown: ["SerializationException", "MalformedInput"],
    names: {
      json: ["SerializationException", 400],
      rest: ["SerializationException", 400],
      query: ["MalformedInput", 400],
      ec2: ["InvalidParameterValue", 400],
      s3: ["MalformedXML", 400],
    },
  },
  same("MissingParameter", 400),
  same("InvalidParameterValue", 400),
  same("InvalidParameterCombination", 400),
  {
    thrown: ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"],
    names: {
      json: ["AccessDeniedException", 400],
      rest: ["AccessDeniedException", 403],
      query: ["AccessDenied", 403],
      ec2: ["UnauthorizedOperation", 403],
      s3: ["AccessDenied", 403],
    },
  },
  {
    thrown: ["Throttling", "ThrottlingException", "SlowDown"],
    modelled: ["ThrottlingException", "TooManyRequestsException", "RequestThrottled"],
    names: {
      json: ["ThrottlingException", 400],
      rest: ["ThrottlingException", 429],
      query: ["Throttling", 400],
      ec2: ["RequestLimitExceeded", 503],
      s3: ["SlowDown", 503],
    },
  },
  {
    thrown: ["InternalFailure", "InternalError", "InternalServerError"],
    names: {
      json: ["InternalFailure", 500],
      rest: ["InternalFailure", 500],
      query: ["InternalFailure", 500],
      ec2: ["InternalError", 500],
      s3: ["InternalError", 500],
    },
  },
  same("NotImplemented", 501),
  {
    thrown: ["ServiceUnavailable", "ServiceUnavailableException"],
    modelled: ["ServiceUnavailableException"],
    names: {
      json: ["ServiceUnavailableException", 503],
      rest: ["ServiceUnavailableException", 503],
      query: ["ServiceUnavailable", 503],
      ec2: ["Unavailable", 503],
      s3: ["ServiceUnavailable", 503],
    },
  },
  {
    thrown: ["RequestEntityTooLarge", "RequestEntityTooLargeException"],
    names: {
      json: ["RequestEntityTooLarge", 413],
      rest: ["RequestEntityTooLargeException", 413],
      query: ["RequestEntityTooLarge", 413],
      ec2: ["RequestEntityTooLarge", 413],
      s3: ["MaxMessageLengthExceeded", 400],
    },
  },
  {
    thrown: ["UnknownOperation"],
    names: {
      json: ["UnknownOperationException", 400],
      rest: ["UnknownOperationException", 404],
      query: ["InvalidAction", 400],
      ec2: ["InvalidAction", 400],
      s3: ["MethodNotAllowed", 405],
    },
  },
  {
    thrown: ["UnsupportedMediaType"],
    modelled: ["UnsupportedMediaTypeException"],
    names: {
      json: ["UnsupportedMediaTypeException", 415],
      rest: ["UnsupportedMediaTypeException", 415],
      query: ["UnsupportedMediaType", 415],
      ec2: ["UnsupportedMediaType", 415],
      s3: ["UnsupportedMediaType", 415],
    },
  },
  {
    thrown: ["IncompleteBody"],
    names: {
      json: ["RequestTimeoutException", 408],
      rest: ["RequestTimeoutException", 408],
      query: ["RequestTimeout", 408],
      ec2: ["RequestTimeout", 408],
      s3: ["IncompleteBody", 400],
    },
  },
  {
    thrown: ["InvalidURI"],
    names: {
      json: ["SerializationException", 400],
      rest: ["SerializationException", 400],
      query: ["MalformedQueryString", 404],
      ec2: ["MalformedQueryString", 404],
      s3: ["InvalidURI", 400],
    },
  },
  {
    thrown: ["MissingAuthenticationToken"],
    names: {
      json: ["MissingAuthenticationTokenException", 403],
      rest: ["MissingAuthenticationTokenException", 403],
      query: ["MissingAuthenticationToken", 403],
      ec2: ["MissingAuthenticationToken", 403],
      s3: ["AccessDenied", 403],
    },
  },
  {
    thrown: ["IncompleteSignature"],
    names: {
      json: ["IncompleteSignatureException", 400],
      rest: ["IncompleteSignatureException", 400],
      query: ["IncompleteSignature", 400],
      ec2: ["IncompleteSignature", 400],
      s3: ["AuthorizationHeaderMalformed", 400],
    },
  },
  {
    thrown: ["IncompletePresignedQuery"],
    names: {
      json: ["IncompleteSignatureException", 400],
      rest: ["IncompleteSignatureException", 400],
      query: ["IncompleteSignature", 400],
      ec2: ["IncompleteSignature", 400],
      s3: ["AuthorizationQueryParametersError", 400],
    },
  },
  {
    thrown: ["InvalidClientTokenId"],
    names: {
      json: ["UnrecognizedClientException", 400],
      rest: ["UnrecognizedClientException", 403],
      query: ["InvalidClientTokenId", 403],
      ec2: ["AuthFailure", 401],
      s3: ["InvalidAccessKeyId", 403],
    },
  },
  {
    thrown: ["InvalidSessionToken"],
    names: {
      json: ["UnrecognizedClientException", 400],
      rest: ["UnrecognizedClientException", 403],
      query: ["InvalidClientTokenId", 403],
      ec2: ["AuthFailure", 401],
      s3: ["InvalidToken", 400],
    },
  },
  {
    thrown: ["ExpiredToken"],
    names: {
      json: ["ExpiredTokenException", 400],
      rest: ["ExpiredTokenException", 403],
      query: ["ExpiredToken", 403],
      ec2: ["RequestExpired", 400],
      s3: ["ExpiredToken", 400],
    },
  },
  {
    thrown: ["SignatureDoesNotMatch"],
    names: {
      json: ["InvalidSignatureException", 400],
      rest: ["InvalidSignatureException", 403],
      query: ["SignatureDoesNotMatch", 403],
      ec2: ["SignatureDoesNotMatch", 403],
      s3: ["SignatureDoesNotMatch", 403],
    },
  },
  {
    // The date of the signature is too far from the clock.
    thrown: ["RequestTimeTooSkewed"],
    names: {
      json: ["InvalidSignatureException", 400],
      rest: ["InvalidSignatureException", 403],
      query: ["SignatureDoesNotMatch", 403],
      ec2: ["RequestExpired", 400],
      s3: ["RequestTimeTooSkewed", 403],
    },
  },
  {
    // A presigned URL has outlived its `X-Amz-Expires`.
    thrown: ["RequestExpired"],
    names: {
      json: ["InvalidSignatureException", 400],
      rest: ["InvalidSignatureException", 403],
      query: ["RequestExpired", 400],
      ec2: ["RequestExpired", 400],
      s3: ["AccessDenied", 403],
    },
  },
];

function same(code: string, status: number): Row {
  const name = [code, status] as const;
  return { thrown: [code], names: { json: name, rest: name, query: name, ec2: name, s3: name } };
}

const byThrown = new Map(rows.flatMap((row) => row.thrown.map((code) => [code, row] as const)));

/** What a family calls a fault that the service itself does not model; undefined for a code that is not common. */
export function commonError(code: string, family: Family): (CommonError & { modelled: readonly string[] }) | undefined {
  const row = byThrown.get(code);
  if (row === undefined) return undefined;
  const [name, status] = row.names[family];
  return { code: name, status, modelled: row.modelled ?? [] };
}

/** Status of the codes that S3 answers without modelling them; the others are 400. */
const s3Statuses: Readonly<Record<string, number>> = {
  NotModified: 304,
  PermanentRedirect: 301,
  TemporaryRedirect: 307,
  AllAccessDisabled: 403,
  AccountProblem: 403,
  NotSignedUp: 403,
  InvalidPayer: 403,
  InvalidObjectState: 403,
  XAmzContentSHA256Mismatch: 400,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchObjectLockConfiguration: 404,
  NoSuchPublicAccessBlockConfiguration: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NoSuchWebsiteConfiguration: 404,
  NotFound: 404,
  ObjectLockConfigurationNotFoundError: 404,
  OwnershipControlsNotFoundError: 404,
  ReplicationConfigurationNotFoundError: 404,
  ServerSideEncryptionConfigurationNotFoundError: 404,
  MethodNotAllowed: 405,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  InvalidBucketState: 409,
  OperationAborted: 409,
  MissingContentLength: 411,
  PreconditionFailed: 412,
  InvalidRange: 416,
};

export function s3Status(code: string): number {
  return s3Statuses[code] ?? 400;
}
