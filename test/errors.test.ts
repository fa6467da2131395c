/** Wrong input, through the official clients and by hand: each with the error that AWS gives, and nothing changed. */
import {
  CreateStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ListStacksCommand,
  type CreateStackCommandInput,
} from "@aws-sdk/client-cloudformation";
import { DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DescribeLoadBalancersCommand, DescribeTargetGroupsCommand } from "@aws-sdk/client-elastic-load-balancing-v2";
import { ListRolesCommand } from "@aws-sdk/client-iam";
import { ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { CreateBucketCommand, ListBucketsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { restingStatus } from "./stacks.ts";
import { freePort, startUpstream, type Upstream } from "./upstream.ts";
import { zipOf } from "./zip.ts";

let mikan: Mikan;
let clients: Clients;
let holder: Upstream;
let free: number;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
  holder = await startUpstream();
  free = await freePort();
  await clients.s3.send(new CreateBucketCommand({ Bucket: "code" }));
  const put = (Key: string, Body: Uint8Array) => clients.s3.send(new PutObjectCommand({ Bucket: "code", Key, Body }));
  await put("good.zip", await zipOf({ "index.mjs": "export const handler = async () => 1" }));
  await put("bad.zip", Buffer.from("not a zip"));
  await put("empty.zip", await zipOf({}));
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
  await holder[Symbol.asyncDispose]();
});

/** Everything that the stacks of this file could have left behind. */
async function inventory(): Promise<Record<string, unknown[]>> {
  const { elb, iam, lambda, logs, s3 } = clients;
  return {
    loadBalancers: (await elb.send(new DescribeLoadBalancersCommand({}))).LoadBalancers ?? [],
    targetGroups: (await elb.send(new DescribeTargetGroupsCommand({}))).TargetGroups ?? [],
    functions: (await lambda.send(new ListFunctionsCommand({}))).Functions ?? [],
    roles: (await iam.send(new ListRolesCommand({}))).Roles ?? [],
    logGroups: (await logs.send(new DescribeLogGroupsCommand({}))).logGroups ?? [],
    buckets: ((await s3.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name }) => Name),
  };
}
const nothing = { loadBalancers: [], targetGroups: [], functions: [], roles: [], logGroups: [], buckets: ["code"] };

type Resources = Record<string, object>;
const role = {
  Type: "AWS::IAM::Role",
  Properties: { AssumeRolePolicyDocument: { Version: "2012-10-17", Statement: [] } },
};
const balancer = {
  Type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
  Properties: { Subnets: ["subnet-a", "subnet-b"] },
};
const group = (properties: object = {}) => ({
  Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
  Properties: { Port: 80, Protocol: "HTTP", VpcId: "vpc-1", TargetType: "ip", ...properties },
});
const listener = (Port: number, properties: object = {}) => ({
  Type: "AWS::ElasticLoadBalancingV2::Listener",
  Properties: {
    LoadBalancerArn: { Ref: "Balancer" },
    Port,
    Protocol: "HTTP",
    DefaultActions: [{ Type: "forward", TargetGroupArn: { Ref: "Group" } }],
    ...properties,
  },
});
const rule = (properties: object = {}) => ({
  Type: "AWS::ElasticLoadBalancingV2::ListenerRule",
  Properties: {
    ListenerArn: { Ref: "Listener" },
    Priority: 1,
    Conditions: [{ Field: "path-pattern", Values: ["/x"] }],
    Actions: [{ Type: "forward", TargetGroupArn: { Ref: "Group" } }],
    ...properties,
  },
});
const front = (port: number, ruleProperties?: object): Resources => ({
  Balancer: balancer,
  Group: group(),
  Listener: listener(port),
  ...(ruleProperties === undefined ? {} : { Rule: rule(ruleProperties) }),
});
const app = (properties: object = {}): Resources => ({
  Role: role,
  Function: {
    Type: "AWS::Lambda::Function",
    Properties: {
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: { "Fn::GetAtt": ["Role", "Arn"] },
      Code: { S3Bucket: "code", S3Key: "good.zip" },
      ...properties,
    },
  },
});

let stacks = 0;
const stackOf = (Resources: Resources): CreateStackCommandInput => ({
  StackName: `stack-${++stacks}`,
  TemplateBody: JSON.stringify({ Resources }),
  Capabilities: ["CAPABILITY_IAM"],
});

describe.concurrent("a stack that cannot be made is rolled back, with the reason", () => {
  const cases: [what: string, resources: () => Resources, failing: string, reason: RegExp][] = [
    ["a port in use", () => front(holder.port), "Listener", /"Port \d+ is in use by .+ \(pid \d+\)\./],
    [
      "no such key",
      () => app({ Code: { S3Bucket: "code", S3Key: "no.zip" } }),
      "Function",
      /"Error occurred while GetObject\. S3 Error Code: NoSuchKey\. S3 Error Message: The specified key does not exist\."/,
    ],
    [
      "no such bucket",
      () => app({ Code: { S3Bucket: "nobodys", S3Key: "no.zip" } }),
      "Function",
      /S3 Error Code: NoSuchBucket\. S3 Error Message: The specified bucket does not exist"/,
    ],
    [
      "a bad zip",
      () => app({ Code: { S3Bucket: "code", S3Key: "bad.zip" } }),
      "Function",
      /"Could not unzip uploaded file\. Please check your file, then try to upload again\."/,
    ],
    [
      "an empty zip",
      () => app({ Code: { S3Bucket: "code", S3Key: "empty.zip" } }),
      "Function",
      /"Uploaded file must be a non-empty zip"/,
    ],
    [
      "an unknown runtime",
      () => app({ Runtime: "nodejs1.x" }),
      "Function",
      /"Value nodejs1\.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*\] or be a valid ARN"/,
    ],
    [
      "no handler",
      () => app({ Handler: { Ref: "AWS::NoValue" } }),
      "Function",
      /Runtime and Handler are mandatory parameters/,
    ],
    [
      "another account's role",
      () => app({ Role: "arn:aws:iam::999999999999:role/x" }),
      "Function",
      /Cross-account pass role is not allowed/,
    ],
    ["a role that is no ARN", () => app({ Role: "x" }), "Function", /'role' failed to satisfy constraint/],
    [
      "too long a timeout",
      () => app({ Timeout: 901 }),
      "Function",
      /Value '901' at 'timeout' .* less than or equal to 900/,
    ],
    [
      "no timeout at all",
      () => app({ Timeout: 0 }),
      "Function",
      /Value '0' at 'timeout' .* greater than or equal to 1/,
    ],
    [
      "too little memory",
      () => app({ MemorySize: 127 }),
      "Function",
      /Value '127' at 'memorySize' .* greater than or equal to 128/,
    ],
    [
      "less than no concurrency",
      () => app({ ReservedConcurrentExecutions: -1 }),
      "Function",
      /Value '-1' at 'reservedConcurrentExecutions' .* greater than or equal to 0/,
    ],
    [
      "more concurrency than the account has",
      () => app({ ReservedConcurrentExecutions: 5_000 }),
      "Function",
      /"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value/,
    ],
    [
      "a reserved variable",
      () => app({ Environment: { Variables: { AWS_REGION: "x" } } }),
      "Function",
      /Reserved keys used in this request: AWS_REGION/,
    ],
    [
      "a target that does not let the load balancer in",
      () => ({
        ...app(),
        Group: group({
          TargetType: "lambda",
          Port: { Ref: "AWS::NoValue" },
          Protocol: { Ref: "AWS::NoValue" },
          VpcId: { Ref: "AWS::NoValue" },
          Targets: [{ Id: { "Fn::GetAtt": ["Function", "Arn"] } }],
        }),
      }),
      "Group",
      /"elasticloadbalancing principal does not have permission to invoke arn:aws:lambda:/,
    ],
    [
      "one subnet",
      () => ({ Balancer: { ...balancer, Properties: { Subnets: ["subnet-a"] } } }),
      "Balancer",
      /At least two subnets/,
    ],
    [
      "a listener that has no certificate",
      () => ({ Balancer: balancer, Group: group(), Listener: listener(free, { Protocol: "HTTPS" }) }),
      "Listener",
      /A certificate must be specified for HTTPS listeners/,
    ],
    [
      "an unknown condition",
      () => front(free, { Conditions: [{ Field: "weather", Values: ["x"] }] }),
      "Rule",
      /Condition field 'weather' must be one of/,
    ],
    ["a priority out of range", () => front(free, { Priority: 50_001 }), "Rule", /50001/],
    [
      "a rule on a listener that is not there",
      () => ({
        Group: group(),
        Rule: rule({
          ListenerArn:
            "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/x/0000000000000000/0000000000000000",
        }),
      }),
      "Rule",
      /One or more listeners not found/,
    ],
  ];
  // Those that open a listener take turns at the one free port.
  let turn = Promise.resolve();
  it.each(cases)("%s", async (_, resources, failing, reason) => {
    const before = turn;
    let done = () => {};
    turn = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    try {
      const { StackId = "" } = await clients.cloudformation.send(new CreateStackCommand(stackOf(resources())));
      expect(await restingStatus(clients, StackId)).toBe("ROLLBACK_COMPLETE");
      const { StackEvents = [] } = await clients.cloudformation.send(
        new DescribeStackEventsCommand({ StackName: StackId }),
      );
      const failed = StackEvents.filter(
        ({ LogicalResourceId: id, ResourceStatus: status }) => id === failing && status === "CREATE_FAILED",
      );
      expect(failed.map(({ ResourceStatusReason }) => ResourceStatusReason)).toEqual([expect.stringMatching(reason)]);
      const requested = StackEvents.find(({ ResourceStatus }) => ResourceStatus === "ROLLBACK_IN_PROGRESS");
      expect(requested?.ResourceStatusReason).toMatch(
        /^The following resource\(s\) failed to create: \[.*\]\. Rollback requested by user\.$/,
      );
      expect(await inventory()).toEqual(nothing);
    } finally {
      done();
    }
  });
});

describe("a template that CloudFormation does not take makes no stack", () => {
  const template = (body: object) => JSON.stringify(body);
  const bucket = { Type: "AWS::S3::Bucket" };
  const cases: [what: string, input: Partial<CreateStackCommandInput>, name: string, message: RegExp | string][] = [
    [
      "bad YAML",
      { TemplateBody: "Resources:\n  A: [1\n" },
      "ValidationError",
      /^Template format error: YAML not well-formed\. \(line \d+, column \d+\)$/,
    ],
    ["bad JSON", { TemplateBody: `{"Resources": {` }, "ValidationError", /^Template format error: /],
    ["text", { TemplateBody: "hello" }, "ValidationError", "Template format error: unsupported structure."],
    [
      "nothing",
      { TemplateBody: template({ Resources: {} }) },
      "ValidationError",
      /At least one Resources member must be defined/,
    ],
    [
      "an unknown section",
      { TemplateBody: template({ Resources: { B: bucket }, Extras: {} }) },
      "ValidationError",
      /Invalid template property or properties \[Extras\]/,
    ],
    [
      "an unknown type",
      { TemplateBody: template({ Resources: { B: { Type: "AWS::Nope::Thing" } } }) },
      "ValidationError",
      /^Template format error: Unrecognized resource types: \[AWS::Nope::Thing\]\nResources\.B\.Type \(line 1, column \d+\): There is no resource type AWS::Nope::Thing; did you mean AWS::IoT::Thing\?$/,
    ],
    [
      "an unknown property",
      { TemplateBody: template({ Resources: app({ Hendler: "x" }) }), Capabilities: ["CAPABILITY_IAM"] },
      "ValidationError",
      /^Encountered unsupported property Hendler\n.*; did you mean Handler\?$/,
    ],
    [
      "no code",
      {
        TemplateBody: template({ Resources: app({ Code: { Ref: "AWS::NoValue" } }) }),
        Capabilities: ["CAPABILITY_IAM"],
      },
      "ValidationError",
      /^Properties validation failed for resource Function with message:\n#: required key \[Code\] not found\n/,
    ],
    [
      "code that nobody packaged",
      { TemplateBody: template({ Resources: app({ Code: "./src" }) }), Capabilities: ["CAPABILITY_IAM"] },
      "ValidationError",
      /\n#\/Code: expected type: JSONObject, found: String\n/,
    ],
    [
      "text for a number",
      { TemplateBody: template({ Resources: app({ Timeout: "ten" }) }), Capabilities: ["CAPABILITY_IAM"] },
      "ValidationError",
      /\n#\/Timeout: expected type: Integer, found: String\n/,
    ],
    [
      "a circle",
      {
        TemplateBody: template({
          Resources: { A: { ...bucket, DependsOn: "B" }, B: { ...bucket, Properties: { BucketName: { Ref: "A" } } } },
        }),
      },
      "ValidationError",
      /^Circular dependency between resources: \[(A, B|B, A)\]$/,
    ],
    [
      "a reference to nobody",
      { TemplateBody: template({ Resources: { B: { ...bucket, Properties: { BucketName: { Ref: "Nobody" } } } } }) },
      "ValidationError",
      /Unresolved resource dependencies \[Nobody\] in the Resources block of the template/,
    ],
    [
      "an attribute that there is not",
      {
        TemplateBody: template({
          Resources: { B: bucket },
          Outputs: { O: { Value: { "Fn::GetAtt": ["B", "Colour"] } } },
        }),
      },
      "ValidationError",
      /Colour/,
    ],
    [
      "a missing parameter",
      { TemplateBody: template({ Parameters: { P: { Type: "String" } }, Resources: { B: bucket } }) },
      "ValidationError",
      "Parameters: [P] must have values",
    ],
    [
      "a parameter too many",
      {
        TemplateBody: template({ Resources: { B: bucket } }),
        Parameters: [{ ParameterKey: "Q", ParameterValue: "1" }],
      },
      "ValidationError",
      "Parameters: [Q] do not exist in the template",
    ],
    [
      "a parameter that is no number",
      {
        TemplateBody: template({ Parameters: { P: { Type: "Number" } }, Resources: { B: bucket } }),
        Parameters: [{ ParameterKey: "P", ParameterValue: "x" }],
      },
      "ValidationError",
      /P/,
    ],
    [
      "no capabilities",
      { TemplateBody: template({ Resources: { R: role } }) },
      "InsufficientCapabilitiesException",
      "Requires capabilities : [CAPABILITY_IAM]",
    ],
    ["no template", {}, "ValidationError", "Either Template URL or Template Body must be specified."],
  ];
  it.each(cases)("%s", async (_, input, name, message) => {
    const StackName = `refused-${++stacks}`;
    const refused = clients.cloudformation.send(new CreateStackCommand({ StackName, ...input }));
    await expect(refused).rejects.toMatchObject({
      name,
      message: typeof message === "string" ? message : expect.stringMatching(message),
      $metadata: { httpStatusCode: 400 },
    });
    await expect(clients.cloudformation.send(new DescribeStacksCommand({ StackName }))).rejects.toMatchObject({
      name: "ValidationError",
      message: `Stack with id ${StackName} does not exist`,
    });
  });
  it("and leaves no trace in the list", async () => {
    const { StackSummaries = [] } = await clients.cloudformation.send(new ListStacksCommand({}));
    expect(StackSummaries.filter(({ StackName }) => StackName?.startsWith("refused"))).toEqual([]);
    expect(await inventory()).toEqual(nothing);
  });
});
