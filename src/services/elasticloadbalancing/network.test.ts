/** Network load balancers as their users see them: official clients on the API side, real sockets on the other. */
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { ACMClient, GetCertificateCommand, RequestCertificateCommand } from "@aws-sdk/client-acm";
import {
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ModifyListenerAttributesCommand,
  ModifyListenerCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
  SetSecurityGroupsCommand,
  type CreateListenerCommandInput,
  type CreateTargetGroupCommandInput,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { freePort } from "../../../test/upstream.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { must } from "./bench.suite.ts";

let mikan: Mikan;
let clients: Clients;
let elb: Clients["elb"];
let acm: ACMClient;
let target: Server;
let targetPort: number;
let balancer: string;
let certificate: string;
let ca: string;

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  clients = clientsOf(mikan.url);
  ({ elb } = clients);
  acm = new ACMClient({
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  // Says back what it was told, in hex, once the client has ended.
  target = createServer({ allowHalfOpen: true }, (socket) => {
    const told: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => told.push(bytes));
    socket.on("end", () => socket.end(Buffer.concat(told).toString("hex")));
    // A health check leaves as it came.
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    target.listen(0, "127.0.0.1", resolve);
  });
  targetPort = (target.address() as AddressInfo).port;
  balancer = await createLoadBalancer("net");
  const DomainName = "net.example.com";
  const made = await acm.send(new RequestCertificateCommand({ DomainName, KeyAlgorithm: "EC_prime256v1" }));
  certificate = must(made.CertificateArn);
  ca = must((await acm.send(new GetCertificateCommand({ CertificateArn: certificate }))).CertificateChain);
}, 60_000);

afterAll(async () => {
  clients.destroy();
  acm.destroy();
  target.close();
  await mikan.close(0);
});

async function createLoadBalancer(Name: string): Promise<string> {
  const { LoadBalancers } = await elb.send(
    new CreateLoadBalancerCommand({ Name, Type: "network", Subnets: ["subnet-a"] }),
  );
  return must(LoadBalancers?.[0]?.LoadBalancerArn);
}

async function createGroup(Name: string, changes: Partial<CreateTargetGroupCommandInput> = {}): Promise<string> {
  const input = { Name, Protocol: "TCP" as const, Port: targetPort, VpcId: "vpc-1", TargetType: "ip" as const };
  const { TargetGroups } = await elb.send(new CreateTargetGroupCommand({ ...input, ...changes }));
  const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
  if (changes.TargetType !== "lambda") {
    await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: "127.0.0.1" }] }));
  }
  return TargetGroupArn;
}

async function listen(TargetGroupArn: string, changes: Partial<CreateListenerCommandInput> = {}) {
  const port = await freePort();
  const input = {
    LoadBalancerArn: balancer,
    Protocol: "TCP" as const,
    Port: port,
    DefaultActions: [{ Type: "forward" as const, TargetGroupArn }],
  };
  const { Listeners } = await elb.send(new CreateListenerCommand({ ...input, ...changes }));
  return { port, listener: must(Listeners?.[0]), arn: must(Listeners?.[0]?.ListenerArn) };
}

const pairs = (set: Record<string, string>) => Object.entries(set).map(([Key, Value]) => ({ Key, Value }));

/** What the target was told by a client that says `words` to `port`. */
async function told(port: number, words: string): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(words);
  return Buffer.from(await text(socket), "hex");
}

/** The start of PROXY protocol v2: signature, version 2, PROXY. */
const proxyStart = "0d0a0d0a000d0a515549540a21";

describe("a network load balancer", () => {
  it("is shown as one: its ARN, its zone, one subnet, no security groups", async () => {
    const { LoadBalancers } = await elb.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [balancer] }));
    expect(LoadBalancers?.[0]).toMatchObject({
      LoadBalancerArn: expect.stringMatching(/:loadbalancer\/net\/net\/[0-9a-f]{16}$/),
      Type: "network",
      CanonicalHostedZoneId: "Z26RNL4JYFTOTI",
      AvailabilityZones: [{ SubnetId: "subnet-a" }],
    });
    expect(LoadBalancers?.[0]?.SecurityGroups).toBeUndefined();
    const setting = elb.send(new SetSecurityGroupsCommand({ LoadBalancerArn: balancer, SecurityGroups: ["sg-1"] }));
    await expect(setting).rejects.toMatchObject({ name: "InvalidConfigurationRequestException" });
  });

  it("is not one of another type and the same name", async () => {
    const pair = { Name: "pair", Subnets: ["subnet-a", "subnet-b"] };
    await elb.send(new CreateLoadBalancerCommand({ ...pair, Type: "network" }));
    const creating = elb.send(new CreateLoadBalancerCommand(pair));
    await expect(creating).rejects.toMatchObject({ name: "DuplicateLoadBalancerNameException" });
    expect(await createLoadBalancer("net")).toBe(balancer);
  });

  it("passes TCP on to its targets, and says how healthy they are", async () => {
    const group = await createGroup("plain", { HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2 });
    const { port, listener } = await listen(group);
    expect(listener).toMatchObject({ Protocol: "TCP", Port: port, DefaultActions: [{ TargetGroupArn: group }] });
    expect(String(await told(port, "hello"))).toBe("hello");
    const { TargetGroups } = await elb.send(new DescribeTargetGroupsCommand({ TargetGroupArns: [group] }));
    expect(TargetGroups?.[0]).toMatchObject({
      Protocol: "TCP",
      HealthCheckProtocol: "TCP",
      LoadBalancerArns: [balancer],
    });
    expect(TargetGroups?.[0]?.Matcher).toBeUndefined();
    await expect
      .poll(
        async () => {
          const health = await elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: group }));
          return health.TargetHealthDescriptions?.[0]?.TargetHealth?.State;
        },
        { timeout: 30_000 },
      )
      .toBe("healthy");
  }, 60_000);

  it("tells targets who the client is by PROXY protocol v2, once that is set", async () => {
    const group = await createGroup("proxied");
    const { port } = await listen(group);
    expect(String(await told(port, "a"))).toBe("a");
    await elb.send(
      new ModifyTargetGroupAttributesCommand({
        TargetGroupArn: group,
        Attributes: pairs({ "proxy_protocol_v2.enabled": "true" }),
      }),
    );
    const heard = await told(port, "b");
    expect(heard.toString("hex").startsWith(proxyStart)).toBe(true);
    expect(heard.at(-1)).toBe("b".charCodeAt(0));
    // Source and destination address, after signature, version, family and length.
    expect([...heard.subarray(16, 24)]).toEqual([127, 0, 0, 1, 127, 0, 0, 1]);
    expect(heard.readUInt16BE(26)).toBe(port);
  });

  it("shares connections among target groups by weight", async () => {
    const [first, second] = [await createGroup("whole"), await createGroup("nothing", { Port: await freePort() })];
    const TargetGroups = [
      { TargetGroupArn: first, Weight: 5 },
      { TargetGroupArn: second, Weight: 0 },
    ];
    const { port } = await listen(first, { DefaultActions: [{ Type: "forward", ForwardConfig: { TargetGroups } }] });
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => told(port, `${i}`)));
    expect(all.map(String)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
  });

  it("ends TLS with a certificate of ACM, and offers what its ALPN policy says", async () => {
    const { port, arn } = await listen(await createGroup("secured"), {
      Protocol: "TLS",
      Certificates: [{ CertificateArn: certificate }],
      AlpnPolicy: ["HTTP2Preferred"],
    });
    const { Listeners } = await elb.send(new DescribeListenersCommand({ ListenerArns: [arn] }));
    expect(Listeners?.[0]).toMatchObject({ Protocol: "TLS", AlpnPolicy: ["HTTP2Preferred"] });
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      servername: "net.example.com",
      ca,
      ALPNProtocols: ["http/1.1", "h2"],
    });
    await new Promise((resolve, reject) => {
      socket.once("secureConnect", resolve).once("error", reject);
    });
    expect([socket.authorized, socket.alpnProtocol]).toEqual([true, "h2"]);
    socket.end("secret");
    expect(String(Buffer.from(await text(socket), "hex"))).toBe("secret");
  });

  it("frees its ports when it is deleted", async () => {
    const LoadBalancerArn = await createLoadBalancer("gone");
    const { port } = await listen(await createGroup("gone"), { LoadBalancerArn });
    expect(String(await told(port, "here"))).toBe("here");
    await elb.send(new DeleteLoadBalancerCommand({ LoadBalancerArn }));
    await expect(told(port, "gone")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("names whose port it is that a listener asks for", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => {
      taken.listen(0, "127.0.0.1", resolve);
    });
    const { port } = taken.address() as AddressInfo;
    await expect(listen(await createGroup("late"), { Port: port })).rejects.toMatchObject({
      name: "InvalidConfigurationRequestException",
      message: expect.stringContaining(`Port ${port} is in use`),
    });
    await new Promise((resolve) => {
      taken.close(resolve);
    });
  });
});

describe("what a network load balancer does not do is refused:", () => {
  let group: string;
  let arn: string;
  beforeAll(async () => {
    group = await createGroup("refused");
    ({ arn } = await listen(group));
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ["a listener of UDP", () => listen(group, { Protocol: "UDP" }), "does not run listeners with protocol 'UDP'"],
    [
      "a listener of TCP_UDP",
      () => listen(group, { Protocol: "TCP_UDP" }),
      "does not run listeners with protocol 'TCP_UDP'",
    ],
    [
      "a listener of HTTP",
      () => listen(group, { Protocol: "HTTP" }),
      "Listener protocol 'HTTP' must be one of 'TCP, UDP, TCP_UDP, TLS'",
    ],
    ["TLS without a certificate", () => listen(group, { Protocol: "TLS" }), "A certificate must be specified"],
    [
      "a fixed response",
      () => listen(group, { DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "200" } }] }),
      "Actions of type 'fixed-response' are not supported",
    ],
    [
      "sticky target groups",
      () =>
        listen(group, {
          DefaultActions: [
            {
              Type: "forward",
              ForwardConfig: {
                TargetGroups: [{ TargetGroupArn: group }],
                TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
              },
            },
          ],
        }),
      "Target group stickiness is not supported",
    ],
    [
      "a rule",
      () =>
        elb.send(
          new CreateRuleCommand({
            ListenerArn: arn,
            Priority: 1,
            Conditions: [{ Field: "path-pattern", Values: ["/a"] }],
            Actions: [{ Type: "forward", TargetGroupArn: group }],
          }),
        ),
      "Rules are not supported for listeners with protocol 'TCP'",
    ],
    [
      "a group of HTTP",
      async () => listen(await createGroup("of-http", { Protocol: "HTTP" })),
      "have incompatible protocols: 'TCP' and 'HTTP'",
    ],
    [
      "a group of TLS behind TCP",
      async () => listen(await createGroup("of-tls", { Protocol: "TLS" })),
      "have incompatible protocols: 'TCP' and 'TLS'",
    ],
    [
      "a function",
      async () => {
        const none = { Protocol: undefined, Port: undefined, VpcId: undefined };
        return listen(await createGroup("fn", { ...none, TargetType: "lambda" }));
      },
      "Target groups with target type 'lambda' are not supported for listeners with protocol 'TCP'",
    ],
    [
      "the client's address as the source",
      () =>
        elb.send(
          new ModifyTargetGroupAttributesCommand({
            TargetGroupArn: group,
            Attributes: pairs({ "preserve_client_ip.enabled": "true" }),
          }),
        ),
      "does not run the attribute 'preserve_client_ip.enabled' set to 'true'",
    ],
    [
      "opening to all before none is healthy",
      () =>
        elb.send(
          new ModifyTargetGroupAttributesCommand({
            TargetGroupArn: group,
            Attributes: pairs({ "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "2" }),
          }),
        ),
      "does not run the attribute",
    ],
    [
      "an idle timeout out of range",
      () =>
        elb.send(
          new ModifyListenerAttributesCommand({
            ListenerArn: arn,
            Attributes: pairs({ "tcp.idle_timeout.seconds": "59" }),
          }),
        ),
      "must be between '60-6000' inclusive",
    ],
  ])("%s", async (_, attempt, message) => {
    await expect(attempt()).rejects.toMatchObject({ message: expect.stringContaining(message) });
  });

  it("a listener that turns to TCP before a group of TLS, which it keeps", async () => {
    const { arn: secured } = await listen(await createGroup("turned", { Protocol: "TLS" }), {
      Protocol: "TLS",
      Certificates: [{ CertificateArn: certificate }],
    });
    const turning = elb.send(new ModifyListenerCommand({ ListenerArn: secured, Protocol: "TCP" }));
    await expect(turning).rejects.toMatchObject({ name: "IncompatibleProtocolsException" });
    const { Listeners } = await elb.send(new DescribeListenersCommand({ ListenerArns: [secured] }));
    expect(Listeners?.[0]?.Protocol).toBe("TLS");
  });
});

/** As a CDK construct synthesizes it. */
const template = (Port: number, attributes: Record<string, string>) =>
  JSON.stringify({
    Resources: {
      LB8A12904C: {
        Type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Properties: {
          LoadBalancerAttributes: pairs({ "deletion_protection.enabled": "false" }),
          Scheme: "internal",
          Subnets: ["subnet-a"],
          Type: "network",
        },
      },
      LBListener49E825B4: {
        Type: "AWS::ElasticLoadBalancingV2::Listener",
        Properties: {
          DefaultActions: [{ TargetGroupArn: { Ref: "LBListenerTargetsGroup76EF81E8" }, Type: "forward" }],
          ListenerAttributes: pairs({ "tcp.idle_timeout.seconds": "60" }),
          LoadBalancerArn: { Ref: "LB8A12904C" },
          Port,
          Protocol: "TCP",
        },
      },
      LBListenerTargetsGroup76EF81E8: {
        Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
        Properties: {
          Port: targetPort,
          Protocol: "TCP",
          TargetGroupAttributes: pairs(attributes),
          TargetType: "ip",
          Targets: [{ Id: "127.0.0.1" }],
          VpcId: "vpc-1",
        },
      },
    },
    Outputs: { Zone: { Value: { "Fn::GetAtt": ["LB8A12904C", "CanonicalHostedZoneID"] } } },
  });

it("a stack has a network load balancer, and changes it", async () => {
  const { cloudformation } = clients;
  const Port = await freePort();
  const StackName = "network";
  const TemplateBody = template(Port, { "preserve_client_ip.enabled": "false", "stickiness.enabled": "false" });
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody }));
  const waiting = { client: cloudformation, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };
  await waitUntilStackCreateComplete(waiting, { StackName });
  expect(String(await told(Port, "stacked"))).toBe("stacked");
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  expect(Stacks?.[0]?.Outputs?.[0]?.OutputValue).toBe("Z26RNL4JYFTOTI");
  const changed = template(Port, { "proxy_protocol_v2.enabled": "true" });
  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: changed }));
  await waitUntilStackUpdateComplete(waiting, { StackName });
  expect((await told(Port, "changed")).toString("hex").startsWith(proxyStart)).toBe(true);
  await cloudformation.send(new DeleteStackCommand({ StackName }));
  await waitUntilStackDeleteComplete(waiting, { StackName });
  await expect(told(Port, "gone")).rejects.toMatchObject({ code: "ECONNREFUSED" });
}, 120_000);
