/** SAM templates that are transformed, and that are refused: for the tests with and without AWS's own translator. */
import type { Json, JsonObject } from "../json.ts";

export interface Sample {
  title: string;
  template: JsonObject;
  parameters: Readonly<Record<string, string>>;
}

export const runs = { Runtime: "nodejs22.x", Handler: "index.handler" };
export const code = { CodeUri: "s3://code/tiles.zip" };

export function sample(title: string, sections: Record<string, Json>, parameters: Record<string, string> = {}): Sample {
  return { title, template: { Transform: "AWS::Serverless-2016-10-31", ...sections }, parameters };
}

export function one(title: string, properties: Record<string, Json>, rest: Record<string, Json> = {}): Sample {
  return sample(title, {
    Resources: { Tiles: { Type: "AWS::Serverless::Function", ...rest, Properties: properties } },
  });
}

/** The template of the journey: what one peeled app is. */
const peeled: Record<string, Json> = {
  AWSTemplateFormatVersion: "2010-09-09",
  Parameters: {
    AppName: { Type: "String" },
    Cap: { Type: "Number", Default: 20 },
    CodeBucket: { Type: "String" },
    CodeKey: { Type: "String" },
  },
  Resources: {
    App: {
      Type: "AWS::Serverless::Function",
      Metadata: { Team: { Name: "tiles" } },
      Properties: {
        ...runs,
        FunctionName: { Ref: "AppName" },
        CodeUri: { Bucket: { Ref: "CodeBucket" }, Key: { Ref: "CodeKey" } },
        ReservedConcurrentExecutions: { Ref: "Cap" },
        Environment: { Variables: { APP: { Ref: "AppName" } } },
      },
    },
    Permission: {
      Type: "AWS::Lambda::Permission",
      Properties: {
        FunctionName: { "Fn::GetAtt": ["App", "Arn"] },
        Action: "lambda:InvokeFunction",
        Principal: "elasticloadbalancing.amazonaws.com",
      },
    },
  },
  Outputs: { Arn: { Value: { "Fn::GetAtt": ["App", "Arn"] } } },
};
const peeledParameters = { AppName: "map", CodeBucket: "code", CodeKey: "map/abc.zip" };

export const good: readonly Sample[] = [
  one("a function with a URI", { ...runs, ...code }),
  one("a version of the object", { ...runs, CodeUri: "s3://code/a/b.zip?versionId=v1" }),
  one("a location as a map", { ...runs, CodeUri: { Bucket: "code", Key: "a.zip", Version: "7" } }),
  one("code in the template", { ...runs, InlineCode: "exports.handler = async () => 1" }),
  one("tags after SAM's own", { ...runs, ...code, Tags: { team: "map", stage: { Ref: "AWS::StackName" } } }),
  one("all that is passed through", {
    ...runs,
    ...code,
    FunctionName: "tiles",
    Description: "Tiles",
    MemorySize: 512,
    Timeout: 10,
    ReservedConcurrentExecutions: 5,
    Architectures: ["arm64"],
    EphemeralStorage: { Size: 1024 },
    Environment: { Variables: { A: "1" } },
    KmsKeyArn: "arn:aws:kms:us-east-1:000000000000:key/1",
    Layers: ["arn:aws:lambda:us-east-1:000000000000:layer:a:1"],
    LoggingConfig: { LogFormat: "JSON" },
    VpcConfig: { SubnetIds: ["subnet-1"], SecurityGroupIds: ["sg-1"] },
    Tracing: "Active",
  }),
  one("tracing switched off", { ...runs, ...code, Tracing: "Disabled" }),
  one("a role of its own", { ...runs, ...code, Role: "arn:aws:iam::000000000000:role/mine" }),
  one("policies of every kind", {
    ...runs,
    ...code,
    RolePath: "/apps/",
    PermissionsBoundary: "arn:aws:iam::000000000000:policy/limit",
    Policies: [
      "AmazonS3ReadOnlyAccess",
      "AWSLambdaBasicExecutionRole",
      "AWSLambdaSQSQueueExecutionRole",
      "arn:aws:iam::000000000000:policy/own",
      { Ref: "Managed" },
      { Statement: [{ Effect: "Allow", Action: "s3:GetObject", Resource: "*" }] },
      { Version: "2012-10-17", Statement: { Effect: "Deny", Action: "s3:*", Resource: "*" } },
    ],
  }),
  one("one policy, not in a list", { ...runs, ...code, Policies: "AmazonDynamoDBReadOnlyAccess" }),
  one(
    "attributes for everything that is made",
    { ...runs, ...code, AutoPublishAlias: "live" },
    {
      DeletionPolicy: "Delete",
      UpdateReplacePolicy: "Retain",
      Metadata: { Team: { Name: "maps" } },
      DependsOn: ["Other"],
    },
  ),
  sample("policies by condition", {
    Conditions: { Prod: { "Fn::Equals": [{ Ref: "AWS::Region" }, "us-east-1"] } },
    Resources: {
      Tiles: {
        Type: "AWS::Serverless::Function",
        Condition: "Prod",
        Properties: {
          ...runs,
          ...code,
          Policies: [
            { "Fn::If": ["Prod", "AmazonS3FullAccess", { Ref: "AWS::NoValue" }] },
            {
              "Fn::If": [
                "Prod",
                { Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] },
                { Ref: "AWS::NoValue" },
              ],
            },
          ],
        },
      },
    },
  }),
  sample("globals merged into functions", {
    Globals: {
      Function: {
        Runtime: "nodejs22.x",
        Handler: "global.handler",
        Timeout: 3,
        Tags: { team: "map" },
        Environment: { Variables: { A: "global", B: { Ref: "AWS::Region" } } },
        Layers: ["arn:aws:lambda:us-east-1:000000000000:layer:a:1"],
      },
    },
    Resources: {
      One: { Type: "AWS::Serverless::Function", Properties: { ...code } },
      Two: {
        Type: "AWS::Serverless::Function",
        Properties: {
          ...code,
          Handler: "own.handler",
          Environment: { Variables: { A: "own", C: "3" } },
          Layers: ["arn:aws:lambda:us-east-1:000000000000:layer:b:1"],
        },
      },
      Three: {
        Type: "AWS::Serverless::Function",
        IgnoreGlobals: ["Layers", "Environment"],
        Properties: { ...code },
      },
      Four: { Type: "AWS::Serverless::Function", IgnoreGlobals: "*", Properties: { ...runs, ...code } },
    },
  }),
  sample("the template of a peeled app", peeled, peeledParameters),
  sample(
    "an alias that is published, and references to it",
    {
      Parameters: { Alias: { Type: "String" }, Key: { Type: "String", Default: "é/ключ.zip" } },
      Resources: {
        Tiles: {
          Type: "AWS::Serverless::Function",
          Properties: {
            ...runs,
            CodeUri: { Bucket: "code", Key: { Ref: "Key" } },
            AutoPublishAlias: { Ref: "Alias" },
            MemorySize: 256,
            Environment: { Variables: { B: "2", A: { "Fn::Sub": "${AWS::Region}-x" } } },
            VersionDescription: "a version",
            ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 },
          },
        },
      },
      Outputs: {
        Alias: { Value: { Ref: "Tiles.Alias" } },
        Version: { Value: { "Fn::GetAtt": ["Tiles.Version", "Version"] } },
        Both: { Value: { "Fn::Sub": "${Tiles.Alias} ${Tiles.Version.Version} ${Tiles} ${Tiles.Arn}" } },
        Mapped: { Value: { "Fn::Sub": ["${Tiles.Alias}-${x}", { x: { Ref: "Tiles.Version" } }] } },
      },
    },
    { Alias: "blue-green_1" },
  ),
  one("a hash of the code that is given", {
    ...runs,
    ...code,
    Description: "Tiles",
    AutoPublishAlias: "live",
    AutoPublishCodeSha256: "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
  }),
  one("a new version for any change", {
    ...runs,
    ...code,
    Timeout: 9,
    AutoPublishAlias: "live",
    AutoPublishAliasAllProperties: true,
  }),
];

/** Refused by AWS too. */
export const refused: readonly Sample[] = [
  one("a local path", { ...runs, CodeUri: "./src" }),
  one("a location without key", { ...runs, CodeUri: { Bucket: "code" } }),
  one("no code", { ...runs }),
  one("an unknown property", { ...runs, ...code, Colour: "blue" }),
  one("an alias with a wrong name", { ...runs, ...code, AutoPublishAlias: "a b" }),
  one("provisioned concurrency without an alias", {
    ...runs,
    ...code,
    ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 },
  }),
  one("no handler", { ...code, Runtime: "nodejs22.x" }),
  one("an environment that is a list", { ...runs, ...code, Environment: ["A"] }),
  one("tags that are a list", { ...runs, ...code, Tags: ["A"] }),
  one("layers that are a text", { ...runs, ...code, Layers: "A" }),
  sample("an unknown section of globals", {
    Globals: { Functions: {} },
    Resources: { A: { Type: "AWS::S3::Bucket" } },
  }),
  sample("two functions that are wrong", {
    Resources: {
      One: { Type: "AWS::Serverless::Function", Properties: { ...runs, CodeUri: "." } },
      Two: { Type: "AWS::Serverless::Function", Properties: { ...runs } },
    },
  }),
  sample("a role whose id is taken", {
    Resources: {
      Tiles: { Type: "AWS::Serverless::Function", Properties: { ...runs, ...code } },
      TilesRole: { Type: "AWS::S3::Bucket" },
    },
  }),
];
