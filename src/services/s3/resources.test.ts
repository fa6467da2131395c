import { CreateStackCommand, DeleteStackCommand, UpdateStackCommand } from "@aws-sdk/client-cloudformation";
import {
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetBucketWebsiteCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { failuresOf, restingStatus } from "../../../test/stacks.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients.destroy();
  await mikan.close();
});

const named = (name: string) => expect.objectContaining({ name });
const Bucket = "from-a-stack";
const code = "exports.handler = async () => {};";
const template = (properties: object) => ({
  Resources: {
    Role: {
      Type: "AWS::IAM::Role",
      Properties: { AssumeRolePolicyDocument: { Version: "2012-10-17", Statement: [] } },
    },
    Told: {
      Type: "AWS::Lambda::Function",
      Properties: {
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Role: { "Fn::GetAtt": ["Role", "Arn"] },
        Code: { ZipFile: code },
      },
    },
    Permission: {
      Type: "AWS::Lambda::Permission",
      Properties: {
        Action: "lambda:InvokeFunction",
        FunctionName: { Ref: "Told" },
        Principal: "s3.amazonaws.com",
        SourceArn: `arn:aws:s3:::${Bucket}`,
      },
    },
    Files: {
      Type: "AWS::S3::Bucket",
      DependsOn: "Permission",
      Properties: { BucketName: Bucket, ...properties },
    },
    Open: {
      Type: "AWS::S3::BucketPolicy",
      Properties: {
        Bucket: { Ref: "Files" },
        PolicyDocument: {
          Version: "2012-10-17",
          Statement: [
            {
              Effect: "Allow",
              Principal: "*",
              Action: "s3:GetObject",
              Resource: { "Fn::Sub": "${Files.Arn}/*" },
            },
          ],
        },
      },
    },
  },
  Outputs: { Site: { Value: { "Fn::GetAtt": ["Files", "WebsiteURL"] } } },
});

const full = {
  VersioningConfiguration: { Status: "Enabled" },
  Tags: [{ Key: "team", Value: "files" }],
  PublicAccessBlockConfiguration: { BlockPublicAcls: true, IgnorePublicAcls: true },
  OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
  BucketEncryption: {
    ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
  },
  CorsConfiguration: { CorsRules: [{ AllowedMethods: ["GET"], AllowedOrigins: ["*"], MaxAge: "30" }] },
  LifecycleConfiguration: {
    Rules: [
      { Id: "old", Status: "Enabled", Prefix: "tmp/", ExpirationInDays: 3 },
      { Id: "up", Status: "Enabled", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    ],
  },
  WebsiteConfiguration: { IndexDocument: "index.html", ErrorDocument: "error.html" },
  NotificationConfiguration: {
    LambdaConfigurations: [
      {
        Event: "s3:ObjectCreated:*",
        Function: { "Fn::GetAtt": ["Told", "Arn"] },
        Filter: { S3Key: { Rules: [{ Name: "suffix", Value: ".jpg" }] } },
      },
    ],
  },
};

const ended = (stack: string) => restingStatus(clients, stack);

const make = (StackName: string, properties: object) =>
  clients.cloudformation.send(
    new CreateStackCommand({
      StackName,
      TemplateBody: JSON.stringify(template(properties)),
      Capabilities: ["CAPABILITY_IAM"],
    }),
  );

describe("AWS::S3::Bucket", () => {
  it("is made with all its configurations, changed in place, and deleted", async () => {
    const { s3, cloudformation } = clients;
    const { StackId: StackName = "" } = await make("files", full);
    expect([await ended(StackName), await failuresOf(clients, StackName)]).toEqual(["CREATE_COMPLETE", []]);
    expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe("Enabled");
    expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toContainEqual(full.Tags[0]);
    expect(await s3.send(new GetPublicAccessBlockCommand({ Bucket }))).toMatchObject({
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: false },
    });
    expect(
      (await s3.send(new GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration?.Rules,
    ).toEqual([{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }]);
    expect((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules).toMatchObject([{ MaxAgeSeconds: 30 }]);
    expect((await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules).toMatchObject([
      { ID: "old", Expiration: { Days: 3 } },
      { ID: "up", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    ]);
    const told = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
    expect(told.LambdaFunctionConfigurations).toMatchObject([
      { Events: ["s3:ObjectCreated:*"], Filter: { Key: { FilterRules: [{ Name: "suffix", Value: ".jpg" }] } } },
    ]);
    const website = await s3.send(new GetBucketWebsiteCommand({ Bucket }));
    expect(website.IndexDocument).toEqual({ Suffix: "index.html" });
    const { Policy = "" } = await s3.send(new GetBucketPolicyCommand({ Bucket }));
    expect(JSON.parse(Policy)).toMatchObject({ Statement: [{ Resource: `arn:aws:s3:::${Bucket}/*` }] });

    const less = { LifecycleConfiguration: { Rules: [{ Id: "new", Status: "Enabled", ExpirationInDays: 9 }] } };
    const TemplateBody = JSON.stringify(template(less));
    await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody, Capabilities: ["CAPABILITY_IAM"] }));
    expect(await ended(StackName)).toBe("UPDATE_COMPLETE");
    expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe("Suspended");
    await expect(s3.send(new GetBucketCorsCommand({ Bucket }))).rejects.toThrow(named("NoSuchCORSConfiguration"));
    expect((await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules).toMatchObject([
      { ID: "new" },
    ]);

    await cloudformation.send(new DeleteStackCommand({ StackName }));
    expect(await ended(StackName)).toBe("DELETE_COMPLETE");
    await expect(s3.send(new HeadBucketCommand({ Bucket }))).rejects.toThrow(named("NotFound"));
  });

  it("refuses by name what is not run, and leaves nothing behind", async () => {
    const Rules = [{ Status: "Enabled", ExpirationInDays: 9, Transition: { StorageClass: "GLACIER" } }];
    const rules = { LifecycleConfiguration: { Rules } };
    const { StackId: StackName = "" } = await make("refused", rules);
    expect(await ended(StackName)).toBe("ROLLBACK_COMPLETE");
    const failures = await failuresOf(clients, StackName);
    expect(failures.join("\n")).toContain("LifecycleConfiguration.Rules[0].Transition");
    await expect(clients.s3.send(new HeadBucketCommand({ Bucket }))).rejects.toThrow(named("NotFound"));
  });
});
