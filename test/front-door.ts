/** A load balancer made by hand with the official client, for tests of what it does to requests. */
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  RegisterTargetsCommand,
  type Action,
  type CreateTargetGroupCommandInput,
  type RuleCondition,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  PutFunctionConcurrencyCommand,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { must } from "../src/base/errors.ts";
import type { Clients } from "./clients.ts";
import { freePort } from "./upstream.ts";
import { zipOf } from "./zip.ts";

export interface FrontDoor {
  port: number;
  listenerArn: string;
  /** Adds a rule behind those that there are. */
  rule(conditions: RuleCondition[], ...actions: Action[]): Promise<string>;
}

export const toGroup = (TargetGroupArn: string): Action => ({ Type: "forward", TargetGroupArn });
export const onPath = (...Values: string[]): RuleCondition[] => [
  { Field: "path-pattern", PathPatternConfig: { Values } },
];

export async function openFrontDoor({ elb }: Clients, name: string, otherwise: Action): Promise<FrontDoor> {
  const { LoadBalancers } = await elb.send(
    new CreateLoadBalancerCommand({ Name: name, Subnets: ["subnet-a", "subnet-b"] }),
  );
  const LoadBalancerArn = must(LoadBalancers?.[0]?.LoadBalancerArn, "the load balancer");
  const port = await freePort();
  const { Listeners } = await elb.send(
    new CreateListenerCommand({ LoadBalancerArn, Protocol: "HTTP", Port: port, DefaultActions: [otherwise] }),
  );
  const listenerArn = must(Listeners?.[0]?.ListenerArn, "the listener");
  let priority = 0;
  return {
    port,
    listenerArn,
    async rule(conditions, ...actions) {
      const input = { ListenerArn: listenerArn, Priority: ++priority, Conditions: conditions, Actions: actions };
      const { Rules } = await elb.send(new CreateRuleCommand(input));
      return must(Rules?.[0]?.RuleArn, "the rule");
    },
  };
}

/** A target group of addresses on this machine, quick to notice how they are. */
export async function addressGroup(
  { elb }: Clients,
  Name: string,
  ports: readonly number[],
  settings: Partial<CreateTargetGroupCommandInput> = {},
): Promise<string> {
  const { TargetGroups } = await elb.send(
    new CreateTargetGroupCommand({
      Name,
      Protocol: "HTTP",
      Port: 80,
      VpcId: "vpc-1",
      TargetType: "ip",
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      HealthyThresholdCount: 2,
      UnhealthyThresholdCount: 2,
      ...settings,
    }),
  );
  const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn, "the target group");
  const Targets = ports.map((Port) => ({ Id: "127.0.0.1", Port }));
  await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets }));
  return TargetGroupArn;
}

export interface FunctionSettings {
  cap?: number;
  timeoutSeconds?: number;
  handler?: string;
}

export async function createFunction(
  { lambda }: Clients,
  FunctionName: string,
  source: string,
  { cap, timeoutSeconds = 10, handler = "index.handler" }: FunctionSettings = {},
): Promise<string> {
  const { FunctionArn } = await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: "nodejs24.x",
      Handler: handler,
      Role: "arn:aws:iam::000000000000:role/functions",
      Timeout: timeoutSeconds,
      Code: { ZipFile: await zipOf({ "index.mjs": source }) },
    }),
  );
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 1 }, { FunctionName });
  if (cap !== undefined) {
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: cap }));
  }
  return must(FunctionArn, "the function");
}

/** A target group of one function, which lets the load balancer in. */
export async function functionGroup(clients: Clients, functionArn: string): Promise<string> {
  const name = must(functionArn.split(":").at(-1), "the function's name");
  const { TargetGroups } = await clients.elb.send(new CreateTargetGroupCommand({ Name: name, TargetType: "lambda" }));
  const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn, "the target group");
  await clients.lambda.send(
    new AddPermissionCommand({
      FunctionName: name,
      StatementId: "load-balancer",
      Action: "lambda:InvokeFunction",
      Principal: "elasticloadbalancing.amazonaws.com",
      SourceArn: TargetGroupArn,
    }),
  );
  await clients.elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: functionArn }] }));
  return TargetGroupArn;
}
