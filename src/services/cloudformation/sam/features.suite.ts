/** Samples of what SAM knows beside plain functions: events, layers, applications, connectors, policies, roles. */
import type { Json } from "../json.ts";
import { policyParameters, policyTemplateNames } from "./policy-templates.ts";
import { goodRules, refusedRules } from "./rule-event.suite.ts";
import { goodSchedules, refusedSchedules } from "./schedule-event.suite.ts";
import { code, one, runs, sample, type Sample } from "./templates.suite.ts";

const lambda = (properties: Record<string, Json> = {}, rest: Record<string, Json> = {}): Json => ({
  Type: "AWS::Serverless::Function",
  ...rest,
  Properties: { ...runs, ...code, ...properties },
});
const resources = (title: string, Resources: Record<string, Json>, rest: Record<string, Json> = {}): Sample =>
  sample(title, { ...rest, Resources });
const bucket: Json = { Type: "AWS::S3::Bucket" };
const layer = (properties: Record<string, Json> = {}, rest: Record<string, Json> = {}): Json => ({
  Type: "AWS::Serverless::LayerVersion",
  ...rest,
  Properties: { ContentUri: "s3://code/layer.zip", ...properties },
});
const connector = (properties: Record<string, Json>, rest: Record<string, Json> = {}): Json => ({
  Type: "AWS::Serverless::Connector",
  ...rest,
  Properties: properties,
});
const onUpload = (Bucket: Json, more: Record<string, Json> = {}): Json => ({
  Type: "S3",
  Properties: { Bucket, Events: "s3:ObjectCreated:*", ...more },
});
const conditions = { Conditions: { Prod: { "Fn::Equals": [{ Ref: "AWS::Region" }, "us-east-1"] } } };
const elsewhere = (type: string, name: string): Json => ({ Type: type, Destination: `arn:aws:x:us-east-1:0:${name}` });

/** A function with each of AWS's policy templates, under the template's name. */
export const everyPolicy: Sample = resources("every policy template", {
  Thing: bucket,
  ...Object.fromEntries(
    policyTemplateNames.map((name) => {
      const values = policyParameters(name).map((parameter): [string, Json] => [parameter, { Ref: "Thing" }]);
      return [idOf(name), lambda({ Policies: [{ [name]: Object.fromEntries(values) }] })];
    }),
  ),
});

/** `KMSEncryptPolicy_v2` cannot be a logical id. */
export function idOf(policy: string): string {
  return policy.replaceAll("_", "");
}

const functions: readonly Sample[] = [
  one("policy templates among others, and under a condition", {
    ...runs,
    ...code,
    Policies: [
      "AWSLambdaKinesisExecutionRole",
      "ViewOnlyAccess",
      { S3ReadPolicy: { BucketName: { "Fn::ImportValue": { "Fn::Sub": "${AWS::Region}-BucketName" } } } },
      { "Fn::If": ["Prod", { KMSDecryptPolicy: { KeyId: "1", More: "ignored" } }, { Ref: "AWS::NoValue" }] },
      { VPCAccessPolicy: {} },
    ],
  }),
  one("a dead-letter queue", { ...runs, ...code, DeadLetterQueue: { Type: "SQS", TargetArn: "arn:aws:sqs:::q" } }),
  one("a dead-letter topic", { ...runs, ...code, DeadLetterQueue: { Type: "SNS", TargetArn: { Ref: "AWS::Region" } } }),
  one("tags for everything", {
    ...runs,
    ...code,
    Tags: { team: "map" },
    PropagateTags: true,
    AutoPublishAlias: "live",
  }),
  one("a deployment that is switched off", {
    ...runs,
    ...code,
    AutoPublishAlias: "live",
    DeploymentPreference: { Enabled: false, Type: "Canary10Percent5Minutes", Hooks: { PreTraffic: "x" } },
  }),
  one("a version that goes", { ...runs, ...code, AutoPublishAlias: "live", VersionDeletionPolicy: "Delete" }),
  one("an open URL", {
    ...runs,
    ...code,
    FunctionUrlConfig: { AuthType: "NONE", Cors: { AllowOrigins: ["*"], MaxAge: 9 } },
  }),
  one("a URL of an alias", {
    ...runs,
    ...code,
    AutoPublishAlias: "live",
    FunctionUrlConfig: { AuthType: "AWS_IAM", InvokeMode: "RESPONSE_STREAM" },
  }),
  one("asynchronous invocations", { ...runs, ...code, EventInvokeConfig: { MaximumRetryAttempts: 1 } }),
  one("asynchronous invocations of an alias, with destinations", {
    ...runs,
    ...code,
    AutoPublishAlias: "live",
    EventInvokeConfig: {
      MaximumEventAgeInSeconds: 70,
      DestinationConfig: { OnSuccess: elsewhere("Lambda", "done"), OnFailure: elsewhere("S3Bucket", "failed") },
    },
  }),
  resources(
    "destinations that SAM makes",
    {
      Tiles: lambda({
        EventInvokeConfig: { DestinationConfig: { OnSuccess: { Type: "SNS" }, OnFailure: { Type: "SQS" } } },
      }),
      Other: lambda({
        EventInvokeConfig: {
          DestinationConfig: {
            OnSuccess: { Type: "SQS", Destination: { "Fn::If": ["Prod", "arn:q", { Ref: "AWS::NoValue" }] } },
            OnFailure: { Type: "SNS", Destination: { "Fn::If": ["Prod", { Ref: "AWS::NoValue" }, "arn:t"] } },
          },
        },
      }),
    },
    {
      ...conditions,
      Outputs: {
        Topic: { Value: { Ref: "Tiles.DestinationTopic" } },
        Queue: { Value: { "Fn::GetAtt": ["Tiles.DestinationQueue", "Arn"] } },
      },
    },
  ),
  ...(
    [
      ["the first", [{ Ref: "AWS::NoValue" }, "arn:aws:iam::000000000000:role/mine"]],
      ["the second", ["arn:aws:iam::000000000000:role/mine", { Ref: "AWS::NoValue" }]],
      ["neither", [{ Ref: "AWS::NoValue" }, { Ref: "AWS::NoValue" }]],
      ["both", ["arn:aws:iam::000000000000:role/a", "arn:aws:iam::000000000000:role/b"]],
    ] as const
  ).map(([which, sides]) =>
    resources(
      `a role by condition: ${which}`,
      { Tiles: lambda({ Role: { "Fn::If": ["Prod", ...sides] } }) },
      conditions,
    ),
  ),
];

const events: readonly Sample[] = [
  resources("an event of a bucket", {
    Photos: bucket,
    Tiles: lambda({ Events: { Uploaded: onUpload({ Ref: "Photos" }) } }),
  }),
  resources("events of two functions on a bucket that has its own", {
    Photos: {
      Type: "AWS::S3::Bucket",
      DependsOn: "Policy",
      Properties: {
        Tags: [{ Key: "a", Value: "b" }],
        NotificationConfiguration: {
          EventBridgeConfiguration: {},
          LambdaConfigurations: [{ Event: "s3:ObjectRemoved:*", Function: "arn:aws:lambda:::function:f" }],
        },
      },
    },
    Policy: { Type: "AWS::S3::BucketPolicy", Properties: {} },
    One: lambda({
      Events: {
        Made: onUpload(
          { Ref: "Photos" },
          {
            Events: ["s3:ObjectCreated:Put", "s3:ObjectCreated:Post"],
            Filter: { S3Key: { Rules: [{ Name: "suffix", Value: ".png" }] } },
          },
        ),
        Gone: onUpload({ Ref: "Photos" }, { Events: "s3:ObjectRemoved:Delete" }),
      },
    }),
    Two: lambda(
      { AutoPublishAlias: "live", Events: { Made: onUpload({ Ref: "Photos" }) } },
      { DeletionPolicy: "Retain" },
    ),
  }),
  resources(
    "an event under a condition",
    {
      Photos: { Type: "AWS::S3::Bucket", Properties: { BucketName: "photos" } },
      Tiles: lambda({ Events: { Made: onUpload({ Ref: "Photos" }) } }, { Condition: "Prod" }),
    },
    conditions,
  ),
];

const queue: Json = { "Fn::GetAtt": ["Orders", "Arn"] };
const pulled = (Type: string, Properties: Record<string, Json>): Json => ({ Type, Properties });
const fromStream = (Stream: string, more: Record<string, Json> = {}): Record<string, Json> => ({
  Stream: { "Fn::GetAtt": [Stream, "Arn"] },
  StartingPosition: "LATEST",
  ...more,
});
const givenUp = (Type: string, Destination: Json): Json => ({ OnFailure: { Type, Destination } });

const published = (Properties: Record<string, Json>): Json => ({ Type: "SNS", Properties });

const topics: readonly Sample[] = [
  resources("messages of a topic", {
    News: { Type: "AWS::SNS::Topic" },
    Steps: { Type: "AWS::SNS::Topic", Properties: { FifoTopic: true } },
    Tiles: lambda({
      Events: {
        Told: published({
          Topic: { Ref: "News" },
          FilterPolicy: { kind: ["new"] },
          FilterPolicyScope: "MessageBody",
          RedrivePolicy: { deadLetterTargetArn: queue },
        }),
        Elsewhere: published({ Topic: "arn:aws:sns:eu-west-1:0:t", Region: "eu-west-1", SqsSubscription: false }),
        Queued: published({ Topic: { Ref: "News" }, SqsSubscription: true }),
        Ordered: published({ Topic: { Ref: "Steps" }, SqsSubscription: true }),
        Owned: published({
          Topic: { Ref: "News" },
          SqsSubscription: {
            QueueArn: queue,
            QueueUrl: { Ref: "Orders" },
            QueuePolicyLogicalId: "OrdersPolicy",
            BatchSize: 3,
          },
        }),
      },
    }),
    Orders: { Type: "AWS::SQS::Queue" },
  }),
];

const pulls: readonly Sample[] = [
  resources("messages of a queue", {
    Orders: { Type: "AWS::SQS::Queue" },
    Tiles: lambda({
      Events: {
        Ordered: pulled("SQS", {
          Queue: queue,
          BatchSize: 5,
          Enabled: false,
          FilterCriteria: { Filters: [{ Pattern: '{"body": {"kind": ["new"]}}' }] },
          FunctionResponseTypes: ["ReportBatchItemFailures"],
          ScalingConfig: { MaximumConcurrency: 5 },
        }),
        Other: pulled("SQS", { Queue: "arn:aws:sqs:us-east-1:0:other" }),
      },
    }),
  }),
  resources(
    "records of streams, and where those go that fail",
    {
      Clicks: { Type: "AWS::Kinesis::Stream" },
      Rows: { Type: "AWS::DynamoDB::Table" },
      Tiles: lambda(
        {
          AutoPublishAlias: "live",
          Events: {
            Clicked: pulled(
              "Kinesis",
              fromStream("Clicks", { DestinationConfig: givenUp("SQS", queue), BatchSize: 7 }),
            ),
            Again: pulled("Kinesis", fromStream("Clicks", { DestinationConfig: givenUp("SQS", queue) })),
            Changed: pulled("DynamoDB", fromStream("Rows", { DestinationConfig: givenUp("SNS", { Ref: "Topic" }) })),
            Kept: pulled("DynamoDB", fromStream("Rows", { DestinationConfig: givenUp("S3", "arn:aws:s3:::b") })),
            Logged: pulled("DynamoDB", fromStream("Rows", { DestinationConfig: givenUp("Kafka", "kafka://b") })),
            Untyped: pulled(
              "DynamoDB",
              fromStream("Rows", { DestinationConfig: { OnFailure: { Destination: "arn" } } }),
            ),
          },
        },
        { Condition: "Prod" },
      ),
      Owned: lambda({ Role: "arn:aws:iam::0:role/r", Events: { Clicked: pulled("Kinesis", fromStream("Clicks")) } }),
    },
    conditions,
  ),
];

const layers: readonly Sample[] = [
  resources(
    "a layer and everything that refers to it",
    {
      Fonts: layer(),
      Tiles: lambda({ Layers: [{ Ref: "Fonts" }] }, { DependsOn: "Fonts" }),
      Other: lambda({ Layers: [{ Ref: "Fonts" }] }, { DependsOn: ["Fonts", "Tiles"] }),
    },
    { Outputs: { Arn: { Value: { Ref: "Fonts" } }, Text: { Value: { "Fn::Sub": "${Fonts} and ${Fonts.Arn}" } } } },
  ),
  sample(
    "a layer with all its properties",
    {
      ...conditions,
      Parameters: { Name: { Type: "String" }, Keep: { Type: "String", Default: "delete" } },
      Resources: {
        Photos: bucket,
        Fonts: layer(
          {
            LayerName: { Ref: "Name" },
            Description: { "Fn::Sub": "fonts of ${Name} in ${AWS::StackName}" },
            ContentUri: { Bucket: "code", Key: { Ref: "Name" }, Version: "1" },
            CompatibleArchitectures: ["arm64", "x86_64"],
            CompatibleRuntimes: ["nodejs22.x"],
            LicenseInfo: "MIT",
            RetentionPolicy: { Ref: "Keep" },
          },
          {
            Condition: "Prod",
            DependsOn: "Photos",
            DeletionPolicy: "Retain",
            UpdateReplacePolicy: "Retain",
            Metadata: { a: 1 },
          },
        ),
      },
    },
    { Name: "fönts" },
  ),
  resources(
    "a version for a change of the layer",
    {
      Fonts: layer({ Description: "fonts" }),
      Tiles: lambda({ Layers: [{ Ref: "Fonts" }], AutoPublishAlias: "live", AutoPublishAliasAllProperties: true }),
    },
    { Globals: { LayerVersion: { PublishLambdaVersion: true }, Api: { TracingEnabled: true } } },
  ),
];

const applications: readonly Sample[] = [
  resources("an application at a URL", {
    Shop: {
      Type: "AWS::Serverless::Application",
      DependsOn: ["Photos"],
      DeletionPolicy: "Retain",
      Metadata: { a: 1 },
      Properties: {
        Location: "https://s3.amazonaws.com/code/shop.yaml",
        Parameters: { Name: { Ref: "AWS::StackName" } },
        NotificationARNs: ["arn:aws:sns:::t"],
        Tags: { team: "shop" },
        TimeoutInMinutes: 5,
      },
    },
    Photos: bucket,
  }),
];

const connectors: readonly Sample[] = [
  resources("connectors between functions and buckets", {
    One: lambda(),
    Two: lambda({ Role: { "Fn::GetAtt": ["Own", "Arn"] } }),
    Own: { Type: "AWS::IAM::Role", Properties: {} },
    Photos: { Type: "AWS::S3::Bucket", DependsOn: ["Calls"] },
    Calls: connector({ Source: { Id: "One" }, Destination: { Id: "Two" }, Permissions: ["Write"] }),
    Reads: connector({ Source: { Id: "Two" }, Destination: { Id: "Photos" }, Permissions: ["Write", "Read"] }),
    Tells: connector(
      { Source: { Id: "Photos" }, Destination: { Id: "One" }, Permissions: ["Write"] },
      { Condition: "Prod", DependsOn: "Own" },
    ),
    Many: connector({ Source: { Id: "One" }, Destination: [{ Id: "Photos" }, { Id: "Two" }], Permissions: ["Write"] }),
    Named: connector({
      Source: { Type: "AWS::Serverless::Function", RoleName: "mine" },
      Destination: { Type: "AWS::S3::Bucket", Arn: "arn:aws:s3:::photos" },
      Permissions: ["Read"],
    }),
  }),
  resources("connectors that stand in their sources", {
    One: {
      ...(lambda() as Record<string, Json>),
      Connectors: {
        Photos: { Properties: { Destination: { Id: "Photos" }, Permissions: ["Read"] } },
        Two: { Properties: { Destination: [{ Id: "Two" }], Permissions: ["Write"] } },
      },
    },
    Two: lambda(),
    Photos: bucket,
  }),
];

export const goodFeatures: readonly Sample[] = [
  ...functions,
  ...events,
  ...pulls,
  ...topics,
  ...goodSchedules,
  ...goodRules,
  ...layers,
  ...applications,
  ...connectors,
];

export const refusedFeatures: readonly Sample[] = [
  ...refusedSchedules,
  ...refusedRules,
  one("a policy template without its parameters", { ...runs, ...code, Policies: [{ S3ReadPolicy: {} }] }),
  one("a policy template that is a list", { ...runs, ...code, Policies: [{ S3ReadPolicy: [] }] }),
  one("a queue without a type", { ...runs, ...code, DeadLetterQueue: { TargetArn: "a" } }),
  one("a queue of another type", { ...runs, ...code, DeadLetterQueue: { Type: "S3", TargetArn: "a" } }),
  one("a URL for nobody", { ...runs, ...code, FunctionUrlConfig: { AuthType: "ALL" } }),
  one("a URL with wrong CORS", { ...runs, ...code, FunctionUrlConfig: { AuthType: "NONE", Cors: { MaxAge: "1" } } }),
  one("a URL with unknown CORS", { ...runs, ...code, FunctionUrlConfig: { AuthType: "NONE", Cors: { Max: 1 } } }),
  one("a destination of another type", {
    ...runs,
    ...code,
    EventInvokeConfig: { DestinationConfig: { OnFailure: { Type: "DynamoDB" } } },
  }),
  one("a destination that is nowhere", {
    ...runs,
    ...code,
    EventInvokeConfig: { DestinationConfig: { OnFailure: { Type: "Lambda" } } },
  }),
  one("a deployment without an alias", { ...runs, ...code, DeploymentPreference: { Type: "AllAtOnce" } }),
  one("a reserved tag", { ...runs, ...code, Tags: { "serverlessrepo:applicationId": "a" } }),
  one("an event without a bucket", { ...runs, ...code, Events: { A: { Type: "S3", Properties: { Events: "s3:*" } } } }),
  one("an event of a bucket elsewhere", { ...runs, ...code, Events: { A: onUpload({ Ref: "Photos" }) } }),
  one("a queue's event without its queue", { ...runs, ...code, Events: { A: pulled("SQS", { BatchSize: 1 }) } }),
  one("a stream's event without a position", { ...runs, ...code, Events: { A: pulled("Kinesis", { Stream: "s" }) } }),
  one("an event with a batch of words", {
    ...runs,
    ...code,
    Events: { A: pulled("SQS", { Queue: "q", BatchSize: "a" }) },
  }),
  one("an event with an unknown property", { ...runs, ...code, Events: { A: pulled("SQS", { Queue: "q", Size: 1 }) } }),
  one("an event with a filter of another form", {
    ...runs,
    ...code,
    Events: { A: pulled("SQS", { Queue: "q", FilterCriteria: { Patterns: [] } }) },
  }),
  one("an event with a consumer group", {
    ...runs,
    ...code,
    Events: { A: pulled("SQS", { Queue: "q", ConsumerGroupId: "g" }) },
  }),
  one("an event with another destination", {
    ...runs,
    ...code,
    Events: {
      A: pulled("DynamoDB", { Stream: "s", StartingPosition: "LATEST", DestinationConfig: givenUp("Lambda", "b") }),
    },
  }),
  one("an event with a text for a destination", {
    ...runs,
    ...code,
    Events: {
      A: pulled("DynamoDB", { Stream: "s", StartingPosition: "LATEST", DestinationConfig: { OnFailure: "b" } }),
    },
  }),
  one("a topic's event without its topic", { ...runs, ...code, Events: { A: published({ Region: "r" }) } }),
  one("a topic's event with an unknown property", {
    ...runs,
    ...code,
    Events: { A: published({ Topic: "t", Size: 1 }) },
  }),
  one("a topic's event with a queue without its URL", {
    ...runs,
    ...code,
    Events: { A: published({ Topic: "t", SqsSubscription: { QueueArn: "q" } }) },
  }),
  one("an event of a kind that nobody has", { ...runs, ...code, Events: { A: { Type: "S4" } } }),
  resources("a layer without contents", { Fonts: { Type: "AWS::Serverless::LayerVersion", Properties: {} } }),
  resources("a layer from here", { Fonts: layer({ ContentUri: "./fonts" }) }),
  resources("a layer of another architecture", { Fonts: layer({ CompatibleArchitectures: ["sparc"] }) }),
  resources("a layer with another policy", { Fonts: layer({ RetentionPolicy: "Snapshot" }) }),
  resources("a layer with an unknown property", { Fonts: layer({ Colour: "blue" }) }),
  resources("a layer with a list for a name", { Fonts: layer({ LayerName: ["a"] }) }),
  resources("an application that is nowhere", { Shop: { Type: "AWS::Serverless::Application", Properties: {} } }),
  resources("a connector without permissions", {
    One: lambda(),
    Photos: bucket,
    C: connector({ Source: { Id: "One" }, Destination: { Id: "Photos" }, Permissions: [] }),
  }),
  resources("a connector with another permission", {
    One: lambda(),
    Photos: bucket,
    C: connector({ Source: { Id: "One" }, Destination: { Id: "Photos" }, Permissions: ["Delete"] }),
  }),
  resources("a connector to nothing", {
    One: lambda(),
    C: connector({ Source: { Id: "One" }, Destination: { Id: "Nobody" }, Permissions: ["Read"] }),
  }),
  resources("a connector to no destination", {
    One: lambda(),
    C: connector({ Source: { Id: "One" }, Destination: [], Permissions: ["Read"] }),
  }),
  resources("a connector between what cannot be connected", {
    Photos: bucket,
    Group: { Type: "AWS::Logs::LogGroup" },
    C: connector({ Source: { Id: "Photos" }, Destination: { Id: "Group" }, Permissions: ["Write"] }),
  }),
  resources("a connector from a function whose role is nobody's", {
    One: lambda({ Role: "arn:aws:iam::000000000000:role/mine" }),
    Photos: bucket,
    C: connector({ Source: { Id: "One" }, Destination: { Id: "Photos" }, Permissions: ["Read"] }),
  }),
];
