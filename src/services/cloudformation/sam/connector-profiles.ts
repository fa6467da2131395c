/**
 * What a connector writes between two kinds of resources. Source: SAM guide, "AWS SAM connector reference", as
 * `aws-sam-translator` 1.110.0 has it. A pair whose service lands later is a row here.
 */

/** Actions that a role gets, in the ARNs of the destination, each with its suffix. */
interface RolePermissions {
  kind: "role";
  access: Readonly<Record<string, { actions: readonly string[]; suffixes: readonly string[] }>>;
}
/** A service that may invoke the destination, for the source and its account. */
interface InvokePermissions {
  kind: "invoke";
  access: Readonly<Record<string, { principal: string }>>;
}

export type Profile = RolePermissions | InvokePermissions;

const s3 = (names: string) => ({ actions: names.split(" ").map((name) => `s3:${name}`), suffixes: ["", "/*"] });

const profiles: Readonly<Record<string, Profile>> = {
  "AWS::Lambda::Function AWS::Lambda::Function": {
    kind: "role",
    access: { Write: { actions: ["lambda:InvokeAsync", "lambda:InvokeFunction"], suffixes: [""] } },
  },
  "AWS::Lambda::Function AWS::S3::Bucket": {
    kind: "role",
    access: {
      Read: s3(
        "GetObject GetObjectAcl GetObjectLegalHold GetObjectRetention GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionForReplication GetObjectVersionTorrent ListBucket ListBucketMultipartUploads ListBucketVersions ListMultipartUploadParts",
      ),
      Write: s3(
        "AbortMultipartUpload DeleteObject DeleteObjectVersion PutObject PutObjectLegalHold PutObjectRetention RestoreObject",
      ),
    },
  },
  "AWS::S3::Bucket AWS::Lambda::Function": { kind: "invoke", access: { Write: { principal: "s3.amazonaws.com" } } },
};

/** AWS's other pairs: one of their ends is not here yet. */
const awaited: Readonly<Record<string, readonly string[]>> = {
  "AWS::ApiGateway::RestApi": ["AWS::Lambda::Function"],
  "AWS::ApiGatewayV2::Api": ["AWS::Lambda::Function"],
  "AWS::AppSync::DataSource": ["AWS::DynamoDB::Table", "AWS::Events::EventBus", "AWS::Lambda::Function"],
  "AWS::AppSync::GraphQLApi": ["AWS::Lambda::Function"],
  "AWS::DynamoDB::Table": ["AWS::Lambda::Function"],
  "AWS::Events::Rule": [
    "AWS::Events::EventBus",
    "AWS::Lambda::Function",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
  ],
  "AWS::Lambda::Function": [
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::Location::PlaceIndex",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
  ],
  "AWS::SNS::Topic": ["AWS::Lambda::Function", "AWS::SQS::Queue"],
  "AWS::SQS::Queue": ["AWS::Lambda::Function"],
  "AWS::StepFunctions::StateMachine": [
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::Lambda::Function",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
  ],
};

export function profileOf(source: string, destination: string): Profile | undefined {
  const pair = `${source} ${destination}`;
  return Object.hasOwn(profiles, pair) ? profiles[pair] : undefined;
}

export function isAwaited(source: string, destination: string): boolean {
  return awaited[source]?.includes(destination) ?? false;
}
