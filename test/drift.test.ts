/** Drift of every resource type: one stack of all, as its template says, then changed through the services' own APIs. */
import { randomUUID } from "node:crypto";
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackDriftDetectionStatusCommand,
  DescribeStackResourceDriftsCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
  DetectStackDriftCommand,
  DetectStackResourceDriftCommand,
  waitUntilStackCreateComplete,
} from "@aws-sdk/client-cloudformation";
import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  PutRetentionPolicyCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  AddTagsCommand,
  DeregisterTargetsCommand,
  ElasticLoadBalancingV2Client,
  ModifyListenerCommand,
  ModifyRuleCommand,
  ModifyTargetGroupCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  AttachRolePolicyCommand,
  CreatePolicyVersionCommand,
  DeleteUserPolicyCommand,
  IAMClient,
  PutGroupPolicyCommand,
  PutRolePolicyCommand,
  RemoveRoleFromInstanceProfileCommand,
  RemoveUserFromGroupCommand,
  UpdateAccessKeyCommand,
  UpdateRoleCommand,
} from "@aws-sdk/client-iam";
import {
  KMSClient,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
} from "@aws-sdk/client-kms";
import {
  DeleteAliasCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  RemovePermissionCommand,
  UpdateAliasCommand as UpdateFunctionAliasCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import {
  DeleteResourcePolicyCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  TagResourceCommand,
  UpdateSecretCommand,
} from "@aws-sdk/client-secrets-manager";
import { DeleteQueueCommand, SetQueueAttributesCommand, SQSClient, TagQueueCommand } from "@aws-sdk/client-sqs";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { document, everyType } from "./drift.suite.ts";
import { freePort } from "./upstream.ts";

let mikan: Mikan;
let physical: ReadonlyMap<string, string>;
let send: ReturnType<typeof clientsOf>;
const StackName = "drifting";

function clientsOf({ clientConfig }: Mikan) {
  const config = clientConfig();
  return {
    cloudformation: new CloudFormationClient(config),
    elb: new ElasticLoadBalancingV2Client(config),
    iam: new IAMClient(config),
    kms: new KMSClient(config),
    lambda: new LambdaClient(config),
    logs: new CloudWatchLogsClient(config),
    s3: new S3Client(config),
    secrets: new SecretsManagerClient(config),
    sqs: new SQSClient(config),
    ssm: new SSMClient(config),
  };
}

const idOf = (logicalId: string) => physical.get(logicalId) ?? "";
/** As ARNs have it; a queue is known by its URL. */
const nameOf = (logicalId: string) => physical.get(logicalId)?.replace(/^https?:.*\//, "");

beforeAll(async () => {
  mikan = await startMikan();
  send = clientsOf(mikan);
  const child = { Parameters: { Days: { Type: "Number" } }, Resources: { L: { Type: "AWS::Logs::LogGroup" } } };
  await send.s3.send(new CreateBucketCommand({ Bucket: "templates" }));
  await send.s3.send(new PutObjectCommand({ Bucket: "templates", Key: "child", Body: JSON.stringify(child) }));
  const all = Object.entries(everyType(await freePort(), `${mikan.url}/templates/child`));
  const Resources = Object.fromEntries(
    all.map(([id, [Type, Properties, rest]]) => [id, { Type, Properties, ...rest }]),
  );
  await send.cloudformation.send(
    new CreateStackCommand({
      StackName,
      TemplateBody: JSON.stringify({ Resources }),
      Capabilities: ["CAPABILITY_NAMED_IAM"],
      Tags: [{ Key: "team", Value: "maps" }],
    }),
  );
  await waitUntilStackCreateComplete(
    { client: send.cloudformation, minDelay: 1, maxDelay: 1, maxWaitTime: 60 },
    { StackName },
  );
  const { StackResources = [] } = await send.cloudformation.send(new DescribeStackResourcesCommand({ StackName }));
  physical = new Map(StackResources.map(({ LogicalResourceId: id = "", PhysicalResourceId: made = "" }) => [id, made]));
}, 90_000);
afterAll(() => mikan?.close());

async function detected() {
  const { cloudformation } = send;
  const { StackDriftDetectionId } = await cloudformation.send(new DetectStackDriftCommand({ StackName }));
  for (;;) {
    const status = await cloudformation.send(new DescribeStackDriftDetectionStatusCommand({ StackDriftDetectionId }));
    if (status.DetectionStatus !== "DETECTION_IN_PROGRESS") return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

it("every type is as its template says", async () => {
  expect(await detected()).toMatchObject({ DetectionStatus: "DETECTION_COMPLETE" });
  const { StackResourceDrifts: drifts = [] } = await send.cloudformation.send(
    new DescribeStackResourceDriftsCommand({ StackName }),
  );
  const told = drifts.map(({ LogicalResourceId: id, StackResourceDriftStatus: status, PropertyDifferences: all }) => ({
    [`${id}`]: [status, ...(all ?? [])],
  }));
  const wanted = Object.keys(everyType(0, "")).toSorted();
  expect(Object.assign({}, ...told)).toEqual(Object.fromEntries(wanted.map((id) => [id, ["IN_SYNC"]])));
  const { Stacks: [stack] = [] } = await send.cloudformation.send(new DescribeStacksCommand({ StackName }));
  expect(stack?.DriftInformation?.StackDriftStatus).toBe("IN_SYNC");
});

type Told = readonly string[] | "DELETED";
const policy = (action: string) => JSON.stringify(document(action));

/** What somebody does by hand, and what drift detection tells of it; one of the other after each other. */
const cases: readonly [string, string, () => Promise<unknown>, Told][] = [
  [
    "Bucket",
    "versioning suspended",
    () =>
      send.s3.send(
        new PutBucketVersioningCommand({
          Bucket: idOf("Bucket"),
          VersioningConfiguration: { Status: "Suspended" },
        }),
      ),
    ["NOT_EQUAL /VersioningConfiguration/Status Enabled Suspended"],
  ],
  [
    "Bucket",
    "public access opened",
    () =>
      send.s3.send(
        new PutPublicAccessBlockCommand({
          Bucket: idOf("Bucket"),
          PublicAccessBlockConfiguration: { BlockPublicAcls: false, BlockPublicPolicy: true },
        }),
      ),
    [
      "NOT_EQUAL /PublicAccessBlockConfiguration/BlockPublicAcls true false",
      "NOT_EQUAL /VersioningConfiguration/Status Enabled Suspended",
    ],
  ],
  ["BucketPolicy", "deleted", () => send.s3.send(new DeleteBucketPolicyCommand({ Bucket: idOf("Bucket") })), "DELETED"],
  [
    "Role",
    "a policy attached, another changed, the session longer",
    async () => {
      const RoleName = idOf("Role");
      const PolicyArn = "arn:aws:iam::aws:policy/AdministratorAccess";
      await send.iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
      await send.iam.send(new UpdateRoleCommand({ RoleName, MaxSessionDuration: 7200, Description: "runs it" }));
      const PolicyDocument = JSON.stringify(document(["s3:PutObject", "s3:*"]));
      await send.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "own", PolicyDocument }));
    },
    [
      "ADD /ManagedPolicyArns/1 null arn:aws:iam::aws:policy/AdministratorAccess",
      "ADD /Policies/0/PolicyDocument/Statement/0/Action/1 null s3:*",
      "NOT_EQUAL /MaxSessionDuration 3600 7200",
      "REMOVE /Policies/0/PolicyDocument/Statement/0/Action/0 s3:GetObject null",
    ],
  ],
  [
    "Profile",
    "without its role",
    () =>
      send.iam.send(
        new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName: idOf("Profile"), RoleName: idOf("Role") }),
      ),
    [`REMOVE /Roles/0 {Role} null`],
  ],
  [
    "Group",
    "its policy changed",
    () =>
      send.iam.send(
        new PutGroupPolicyCommand({ GroupName: idOf("Group"), PolicyName: "own", PolicyDocument: policy("s3:Get*") }),
      ),
    ["NOT_EQUAL /Policies/0/PolicyDocument/Statement/0/Action s3:* s3:Get*"],
  ],
  [
    "User",
    "out of its group",
    () => send.iam.send(new RemoveUserFromGroupCommand({ GroupName: idOf("Group"), UserName: idOf("User") })),
    ["REMOVE /Groups/0 {Group} null"],
  ],
  [
    "Members",
    "nobody left",
    () => send.iam.send(new RemoveUserFromGroupCommand({ GroupName: idOf("Group"), UserName: idOf("OtherUser") })),
    "DELETED",
  ],
  [
    "AccessKey",
    "switched off",
    () =>
      send.iam.send(
        new UpdateAccessKeyCommand({ UserName: idOf("User"), AccessKeyId: idOf("AccessKey"), Status: "Inactive" }),
      ),
    ["NOT_EQUAL /Status Active Inactive"],
  ],
  [
    "ManagedPolicy",
    "another default version",
    () =>
      send.iam.send(
        new CreatePolicyVersionCommand({
          PolicyArn: idOf("ManagedPolicy"),
          PolicyDocument: policy("*"),
          SetAsDefault: true,
        }),
      ),
    ["NOT_EQUAL /PolicyDocument/Statement/0/Action sqs:* *"],
  ],
  [
    "Policy",
    "changed in one of its holders",
    () =>
      send.iam.send(
        new PutGroupPolicyCommand({ GroupName: idOf("Group"), PolicyName: "written", PolicyDocument: policy("*") }),
      ),
    ["NOT_EQUAL /PolicyDocument/Statement/0/Action sns:* *"],
  ],
  [
    "RolePolicy",
    "changed",
    () =>
      send.iam.send(new PutRolePolicyCommand({ RoleName: idOf("Role"), PolicyName: "r", PolicyDocument: policy("*") })),
    ["NOT_EQUAL /PolicyDocument/Statement/0/Action sns:* *"],
  ],
  [
    "UserPolicy",
    "deleted",
    () => send.iam.send(new DeleteUserPolicyCommand({ UserName: idOf("User"), PolicyName: "u" })),
    "DELETED",
  ],
  [
    "GroupPolicy",
    "changed",
    () =>
      send.iam.send(
        new PutGroupPolicyCommand({ GroupName: idOf("Group"), PolicyName: "g", PolicyDocument: policy("*") }),
      ),
    ["NOT_EQUAL /PolicyDocument/Statement/0/Action sns:* *"],
  ],
  [
    "Logs",
    "kept longer",
    () => send.logs.send(new PutRetentionPolicyCommand({ logGroupName: idOf("Logs"), retentionInDays: 14 })),
    ["NOT_EQUAL /RetentionInDays 7 14"],
  ],
  ["Logs", "deleted", () => send.logs.send(new DeleteLogGroupCommand({ logGroupName: idOf("Logs") })), "DELETED"],
  [
    "Key",
    "described otherwise",
    () => send.kms.send(new UpdateKeyDescriptionCommand({ KeyId: idOf("Key"), Description: "opens it" })),
    ["NOT_EQUAL /Description seals it opens it"],
  ],
  [
    "KeyAlias",
    "of another key",
    () => send.kms.send(new UpdateAliasCommand({ AliasName: "alias/drift", TargetKeyId: idOf("OtherKey") })),
    ["NOT_EQUAL /TargetKeyId arn:aws:kms:us-east-1:000000000000:key/{Key} {OtherKey}"],
  ],
  [
    "OtherKey",
    "to be deleted",
    () => send.kms.send(new ScheduleKeyDeletionCommand({ KeyId: idOf("OtherKey"), PendingWindowInDays: 7 })),
    "DELETED",
  ],
  [
    "Parameter",
    "another value",
    () => send.ssm.send(new PutParameterCommand({ Name: idOf("Parameter"), Value: "81", Overwrite: true })),
    ["NOT_EQUAL /Value 80 81"],
  ],
  [
    "Secret",
    "described and tagged by hand",
    async () => {
      const SecretId = idOf("Secret");
      await send.secrets.send(new UpdateSecretCommand({ SecretId, Description: "x", SecretString: "y" }));
      await send.secrets.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "more", Value: "2" }] }));
    },
    ['ADD /Tags/1 null {"Key":"more","Value":"2"}', "NOT_EQUAL /Description of it x"],
  ],
  [
    "SecretPolicy",
    "deleted",
    () => send.secrets.send(new DeleteResourcePolicyCommand({ SecretId: idOf("Secret") })),
    "DELETED",
  ],
  [
    "Rotation",
    "another rhythm",
    () =>
      send.secrets.send(
        new RotateSecretCommand({
          SecretId: idOf("Secret"),
          RotationLambdaARN: `arn:aws:lambda:us-east-1:000000000000:function:${idOf("Function")}`,
          RotationRules: { AutomaticallyAfterDays: 60 },
          RotateImmediately: false,
          ClientRequestToken: randomUUID(),
        }),
      ),
    ["NOT_EQUAL /RotationRules/AutomaticallyAfterDays 30 60"],
  ],
  [
    "Queue",
    "another delay, another tag",
    async () => {
      const QueueUrl = idOf("Queue");
      await send.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { DelaySeconds: "6" } }));
      await send.sqs.send(new TagQueueCommand({ QueueUrl, Tags: { own: "2" } }));
    },
    ["NOT_EQUAL /DelaySeconds 5 6", "NOT_EQUAL /Tags/0/Value 1 2"],
  ],
  ["FifoQueue", "deleted", () => send.sqs.send(new DeleteQueueCommand({ QueueUrl: idOf("FifoQueue") })), "DELETED"],
  [
    "QueuePolicy",
    "open to all",
    () =>
      send.sqs.send(
        new SetQueueAttributesCommand({
          QueueUrl: idOf("Queue"),
          Attributes: {
            Policy: JSON.stringify({
              Version: "2012-10-17",
              Statement: [{ Effect: "Allow", Principal: "*", Action: "sqs:*", Resource: "*" }],
            }),
          },
        }),
      ),
    [
      "NOT_EQUAL /PolicyDocument/Statement/0/Action sqs:ReceiveMessage sqs:*",
      'NOT_EQUAL /PolicyDocument/Statement/0/Principal {"AWS":"arn:aws:iam::123456789012:root"} *',
      "NOT_EQUAL /PolicyDocument/Statement/0/Resource arn:aws:sqs:us-east-1:000000000000:{Queue} *",
    ],
  ],
  [
    "InlinePolicy",
    "gone",
    () => send.sqs.send(new SetQueueAttributesCommand({ QueueUrl: idOf("DeadQueue"), Attributes: { Policy: "" } })),
    "DELETED",
  ],
  [
    "Function",
    "memory, variables and concurrency",
    async () => {
      const FunctionName = idOf("Function");
      const Environment = { Variables: { STAGE: "prod", MORE: "1" } };
      await send.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, MemorySize: 256, Environment }));
      await send.lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 3 }));
    },
    [
      "ADD /Environment/Variables/MORE null 1",
      "NOT_EQUAL /Environment/Variables/STAGE test prod",
      "NOT_EQUAL /MemorySize 128 256",
      "NOT_EQUAL /ReservedConcurrentExecutions 2 3",
      "REMOVE /Environment/Variables/LEVEL 3 null",
    ],
  ],
  [
    "Alias",
    "of the newest",
    () =>
      send.lambda.send(
        new UpdateFunctionAliasCommand({ FunctionName: idOf("Function"), Name: "live", FunctionVersion: "$LATEST" }),
      ),
    ["NOT_EQUAL /FunctionVersion 1 $LATEST"],
  ],
  [
    "Alias",
    "deleted",
    () => send.lambda.send(new DeleteAliasCommand({ FunctionName: idOf("Function"), Name: "live" })),
    "DELETED",
  ],
  [
    "Permission",
    "taken away",
    () =>
      send.lambda.send(
        new RemovePermissionCommand({ FunctionName: idOf("Function"), StatementId: idOf("Permission") }),
      ),
    "DELETED",
  ],
  [
    "LoadBalancer",
    "tagged by hand",
    () =>
      send.elb.send(new AddTagsCommand({ ResourceArns: [idOf("LoadBalancer")], Tags: [{ Key: "own", Value: "2" }] })),
    ["NOT_EQUAL /Tags/0/Value 1 2"],
  ],
  [
    "TargetGroup",
    "another check, another target",
    async () => {
      const TargetGroupArn = idOf("TargetGroup");
      await send.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn, HealthCheckPath: "/other" }));
      await send.elb.send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: "127.0.0.1", Port: 9 }] }));
    },
    ["NOT_EQUAL /HealthCheckPath /health /other", 'REMOVE /Targets/0 {"Id":"127.0.0.1","Port":9} null'],
  ],
  [
    "Listener",
    "answers by itself",
    () =>
      send.elb.send(
        new ModifyListenerCommand({
          ListenerArn: idOf("Listener"),
          DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "404" } }],
        }),
      ),
    [
      "NOT_EQUAL /DefaultActions/0/Type forward fixed-response",
      "REMOVE /DefaultActions/0/TargetGroupArn {TargetGroup} null",
    ],
  ],
  [
    "Rule",
    "of other paths",
    () =>
      send.elb.send(
        new ModifyRuleCommand({
          RuleArn: idOf("Rule"),
          Conditions: [{ Field: "path-pattern", Values: ["/b/*"] }],
        }),
      ),
    ["NOT_EQUAL /Conditions/0/Values/0 /a/* /b/*"],
  ],
];

describe("a change by hand", () => {
  it.each(cases)("%s: %s", async (LogicalResourceId, _, act, told) => {
    await act();
    const { StackResourceDrift: drift } = await send.cloudformation.send(
      new DetectStackResourceDriftCommand({ StackName, LogicalResourceId }),
    );
    if (told === "DELETED") {
      expect(drift?.StackResourceDriftStatus).toBe("DELETED");
      return;
    }
    const lines = (drift?.PropertyDifferences ?? []).map(
      (each) => `${each.DifferenceType} ${each.PropertyPath} ${each.ExpectedValue} ${each.ActualValue}`,
    );
    const wanted = told.map((line) => line.replaceAll(/\{(\w+)\}/g, (whole, id: string) => nameOf(id) ?? whole));
    expect(lines.toSorted()).toEqual(wanted);
  });

  it("is told of the whole stack", async () => {
    const status = await detected();
    expect(status).toMatchObject({ DetectionStatus: "DETECTION_COMPLETE", StackDriftStatus: "DRIFTED" });
    expect(status.DriftedStackResourceCount).toBe(new Set(cases.map(([id]) => id)).size);
  });
});
