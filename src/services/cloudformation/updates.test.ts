/** Updates of the services' own types, through the official clients on a whole node: in place, taken back, and replaced. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ListStackResourcesCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { DescribeLogGroupsCommand, CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import {
  DescribeLoadBalancerAttributesCommand,
  DescribeRulesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { GetRoleCommand, GetRolePolicyCommand, IAMClient, ListRolePoliciesCommand } from "@aws-sdk/client-iam";
import { GetAliasCommand, GetFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let clients: ReturnType<typeof clientsFor>;

function clientsFor(endpoint: string) {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const config = { endpoint, region: "us-east-1", credentials, maxAttempts: 1 };
  return {
    cloudformation: new CloudFormationClient(config),
    logs: new CloudWatchLogsClient(config),
    elb: new ElasticLoadBalancingV2Client(config),
    iam: new IAMClient(config),
    lambda: new LambdaClient(config),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsFor(mikan.url);
});
afterAll(async () => {
  for (const client of Object.values(clients)) client.destroy();
  await mikan.close(0);
});

const assume = { Version: "2012-10-17", Statement: [] };
const policy = (action: string) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: action, Resource: "*" }],
});

/** Every type with something to change, as of one of two editions. */
function edition(which: 1 | 2, port: number, more: object = {}): string {
  const second = which === 2;
  const code = `exports.handler = async () => "${which} " + process.env.SAYS;`;
  return JSON.stringify({
    Resources: {
      Role: {
        Type: "AWS::IAM::Role",
        Properties: {
          AssumeRolePolicyDocument: assume,
          ...(second ? { Description: "second" } : {}),
          Policies: [{ PolicyName: second ? "new" : "old", PolicyDocument: policy("s3:GetObject") }],
          Tags: [{ Key: second ? "b" : "a", Value: "x" }],
        },
      },
      Policy: {
        Type: "AWS::IAM::Policy",
        Properties: {
          PolicyName: "extra",
          PolicyDocument: policy(second ? "s3:PutObject" : "s3:GetObject"),
          Roles: [{ Ref: "Role" }],
        },
      },
      Group: {
        Type: "AWS::Logs::LogGroup",
        Properties: { LogGroupName: "group", ...(second ? { RetentionInDays: 7 } : { RetentionInDays: 3 }) },
      },
      Function: {
        Type: "AWS::Lambda::Function",
        Properties: {
          FunctionName: "app",
          Runtime: "nodejs24.x",
          Handler: "index.handler",
          Role: { "Fn::GetAtt": ["Role", "Arn"] },
          Code: { ZipFile: code },
          Environment: { Variables: { SAYS: `hello ${which}` } },
          ...(second ? { ReservedConcurrentExecutions: 4, Description: "second" } : { Timeout: 9 }),
          Tags: [{ Key: second ? "b" : "a", Value: "x" }],
        },
      },
      [`Version${which}`]: { Type: "AWS::Lambda::Version", Properties: { FunctionName: { Ref: "Function" } } },
      Alias: {
        Type: "AWS::Lambda::Alias",
        Properties: {
          FunctionName: { Ref: "Function" },
          Name: "live",
          FunctionVersion: { "Fn::GetAtt": [`Version${which}`, "Version"] },
        },
      },
      Bucket: { Type: "AWS::S3::Bucket" },
      Balancer: {
        Type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Properties: {
          Subnets: ["subnet-a", "subnet-b"],
          LoadBalancerAttributes: second ? [] : [{ Key: "idle_timeout.timeout_seconds", Value: "90" }],
        },
      },
      Targets: {
        Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
        Properties: {
          TargetType: "ip",
          Protocol: "HTTP",
          Port: 80,
          VpcId: "vpc-default",
          HealthCheckPath: second ? "/two" : "/one",
          Targets: [{ Id: "127.0.0.1", Port: second ? 9002 : 9001 }],
        },
      },
      Replaced: {
        Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
        Properties: { TargetType: "ip", Protocol: "HTTP", Port: second ? 82 : 81, VpcId: "vpc-default" },
      },
      Listener: {
        Type: "AWS::ElasticLoadBalancingV2::Listener",
        Properties: {
          LoadBalancerArn: { Ref: "Balancer" },
          Port: port,
          Protocol: "HTTP",
          DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: second ? "202" : "201" } }],
        },
      },
      Rule: {
        Type: "AWS::ElasticLoadBalancingV2::ListenerRule",
        Properties: {
          ListenerArn: { Ref: "Listener" },
          Priority: which,
          Conditions: [{ Field: "path-pattern", Values: [second ? "/two/*" : "/one/*"] }],
          Actions: [{ Type: "forward", TargetGroupArn: { Ref: "Replaced" } }],
        },
      },
      ...more,
    },
  });
}

async function settled(): Promise<string> {
  for (;;) {
    const { Stacks: [stack] = [] } = await clients.cloudformation.send(new DescribeStacksCommand({ StackName: "s" }));
    const status = stack?.StackStatus ?? "";
    if (!status.endsWith("_IN_PROGRESS")) return status;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function failures(): Promise<string[]> {
  const { StackEvents: events = [] } = await clients.cloudformation.send(
    new DescribeStackEventsCommand({ StackName: "s" }),
  );
  return events.flatMap((event) =>
    event.ResourceStatus?.endsWith("_FAILED") ? [`${event.LogicalResourceId}: ${event.ResourceStatusReason}`] : [],
  );
}

/** What the services say, in few words. */
async function seen(port: number) {
  const { cloudformation, logs, elb, iam, lambda } = clients;
  const { StackResourceSummaries: resources = [] } = await cloudformation.send(
    new ListStackResourcesCommand({ StackName: "s" }),
  );
  const id = (logical: string) => resources.find((one) => one.LogicalResourceId === logical)?.PhysicalResourceId ?? "";
  const RoleName = id("Role");
  const { Role: role } = await iam.send(new GetRoleCommand({ RoleName }));
  const { PolicyNames: policies } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
  const extra = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName: "extra" }));
  const { logGroups: [group] = [] } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: "group" }));
  const app = await lambda.send(new GetFunctionCommand({ FunctionName: "app" }));
  const invoke = async (Qualifier?: string) => {
    const { Payload = new Uint8Array() } = await lambda.send(
      new InvokeCommand({ FunctionName: "app", ...(Qualifier === undefined ? {} : { Qualifier }) }),
    );
    return Buffer.from(Payload).toString();
  };
  const alias = await lambda.send(new GetAliasCommand({ FunctionName: "app", Name: "live" }));
  const { Attributes: attributes = [] } = await elb.send(
    new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: id("Balancer") }),
  );
  const { TargetGroups: groups = [] } = await elb.send(new DescribeTargetGroupsCommand({}));
  const { TargetHealthDescriptions: health = [] } = await elb.send(
    new DescribeTargetHealthCommand({ TargetGroupArn: id("Targets") }),
  );
  const { Rules: [rule] = [] } = await elb.send(new DescribeRulesCommand({ ListenerArn: id("Listener") }));
  return {
    role: [
      role?.Description ?? "",
      role?.Tags?.find(({ Key }) => Key?.length === 1)?.Key,
      policies?.toSorted((a, b) => (a < b ? -1 : 1)),
    ],
    extra: decodeURIComponent(extra.PolicyDocument ?? "").includes("PutObject"),
    retention: group?.retentionInDays,
    app: [
      app.Configuration?.Timeout,
      app.Configuration?.Description,
      app.Concurrency?.ReservedConcurrentExecutions,
      app.Tags?.["b"],
    ],
    answers: [await invoke(), await invoke("live")],
    version: alias.FunctionVersion,
    idle: attributes.find(({ Key }) => Key === "idle_timeout.timeout_seconds")?.Value,
    groups: groups.map((one) => `${one.Port} ${one.HealthCheckPath}`).toSorted((a, b) => (a < b ? -1 : 1)),
    targets: health.filter((one) => one.TargetHealth?.State !== "draining").map((one) => one.Target?.Port),
    rule: [rule?.Priority, rule?.Conditions?.[0]?.Values, rule?.Actions?.[0]?.TargetGroupArn === id("Replaced")],
    status: (await fetch(`http://127.0.0.1:${port}/`)).status,
    bucket: id("Bucket"),
  };
}

describe("the services' types", () => {
  it("change in place, are put back when another fails, and are replaced where they must be", async () => {
    const { cloudformation } = clients;
    const port = await freePort();
    const update = async (TemplateBody: string) => {
      await cloudformation.send(
        new UpdateStackCommand({ StackName: "s", TemplateBody, Capabilities: ["CAPABILITY_IAM"] }),
      );
      return settled();
    };
    await cloudformation.send(
      new CreateStackCommand({ StackName: "s", TemplateBody: edition(1, port), Capabilities: ["CAPABILITY_IAM"] }),
    );
    expect([await settled(), await failures()]).toEqual(["CREATE_COMPLETE", []]);
    const first = await seen(port);
    expect(first).toMatchObject({
      role: ["", "a", ["extra", "old"]],
      extra: false,
      retention: 3,
      app: [9, "", undefined, undefined],
      answers: ['"1 hello 1"', '"1 hello 1"'],
      version: "1",
      idle: "90",
      groups: ["80 /one", "81 /"],
      targets: [9001],
      rule: ["1", ["/one/*"], true],
      status: 201,
    });

    // Everything changes, and the last of all fails: AWS knows no such action.
    const bad = {
      Last: {
        Type: "AWS::Lambda::Permission",
        DependsOn: ["Rule", "Alias", "Policy", "Group", "Targets", "Bucket"],
        Properties: { FunctionName: "nobody", Action: "lambda:InvokeFunction", Principal: "*" },
      },
    };
    expect(await update(edition(2, port, bad))).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect((await failures()).map((line) => line.split(":")[0])).toEqual(["Last"]);
    expect(await seen(port)).toEqual(first);

    expect(await update(edition(2, port))).toBe("UPDATE_COMPLETE");
    expect(await seen(port)).toMatchObject({
      role: ["second", "b", ["extra", "new"]],
      extra: true,
      retention: 7,
      app: [3, "second", 4, "x"],
      answers: ['"2 hello 2"', '"2 hello 2"'],
      idle: "60",
      groups: ["80 /two", "82 /"],
      targets: [9002],
      rule: ["2", ["/two/*"], true],
      status: 202,
      bucket: first.bucket,
    });
    await expect(update(edition(2, port))).rejects.toThrow("No updates are to be performed.");
  });
});
