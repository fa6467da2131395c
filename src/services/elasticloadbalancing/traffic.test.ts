/** Load balancers as their users see them: official clients on the API side, real sockets on the other. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DeleteRuleCommand,
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeTargetHealthCommand,
  DuplicateListenerException,
  InvalidConfigurationRequestException,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
  TargetGroupNotFoundException,
  type Action,
  type ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { AddPermissionCommand, CreateFunctionCommand } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { freePort, startUpstream, type Upstream } from "../../../test/upstream.ts";
import { zipOf } from "../../../test/zip.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { must } from "./bench.suite.ts";

interface Answer {
  status: number;
  reason: string;
  headers: IncomingMessage["headers"];
  rawHeaders: string[];
  body: string;
}

interface Asking {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

function ask(port: number, path: string, { method = "GET", headers = {}, body }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, method, headers, host: "127.0.0.1", agent: false }, (response) => {
      text(response).then((content) => {
        const { statusCode = 0, statusMessage = "", headers: fields, rawHeaders } = response;
        resolve({ status: statusCode, reason: statusMessage, headers: fields, rawHeaders, body: content });
      }, reject);
    });
    asked.on("error", reject).end(body);
  });
}

const subnets = ["subnet-a", "subnet-b"];
const respond = (body: string): Action[] => [
  { Type: "fixed-response", FixedResponseConfig: { StatusCode: "200", ContentType: "text/plain", MessageBody: body } },
];
const path = (...Values: string[]) => [{ Field: "path-pattern", PathPatternConfig: { Values } }];

async function createLoadBalancer(elb: ElasticLoadBalancingV2Client, Name: string) {
  const { LoadBalancers } = await elb.send(new CreateLoadBalancerCommand({ Name, Subnets: subnets }));
  return must(LoadBalancers?.[0]?.LoadBalancerArn);
}

async function createListener(
  elb: ElasticLoadBalancingV2Client,
  LoadBalancerArn: string,
  Port: number,
  actions: Action[],
) {
  const input = { LoadBalancerArn, Protocol: "HTTP" as const, Port, DefaultActions: actions };
  const { Listeners } = await elb.send(new CreateListenerCommand(input));
  return must(Listeners?.[0]?.ListenerArn);
}

let mikan: Mikan;
let clients: Clients;
let upstream: Upstream;
const seen: IncomingMessage[] = [];
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
  upstream = await startUpstream((incoming, response) => {
    seen.push(incoming);
    incoming.resume();
    response.end("monolith");
  });
});
afterAll(async () => {
  clients.destroy();
  await upstream[Symbol.asyncDispose]();
  await mikan.close(0);
});

async function createGroup(name: string, targetPort: number): Promise<string> {
  const { TargetGroups } = await clients.elb.send(
    new CreateTargetGroupCommand({
      Name: name,
      Protocol: "HTTP",
      Port: targetPort,
      VpcId: "vpc-1",
      TargetType: "ip",
      HealthCheckIntervalSeconds: 5,
      HealthCheckTimeoutSeconds: 2,
      HealthyThresholdCount: 2,
    }),
  );
  const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
  await clients.elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: "127.0.0.1" }] }));
  return TargetGroupArn;
}

describe("traffic", () => {
  it("reaches a target with the headers of a load balancer, which calls it healthy", async () => {
    const { elb } = clients;
    const port = await freePort();
    const TargetGroupArn = await createGroup("web", upstream.port);
    await createListener(elb, await createLoadBalancer(elb, "web"), port, [{ Type: "forward", TargetGroupArn }]);
    const answer = await ask(port, "/a?b=c", { headers: { Host: `shop.example.com:${port}` } });
    expect([answer.status, answer.body]).toEqual([200, "monolith"]);
    const request = must(seen.find(({ url }) => url === "/a?b=c"));
    expect(request.headers).toMatchObject({
      host: `shop.example.com:${port}`,
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-port": String(port),
      "x-amzn-trace-id": expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/),
    });
    const health = async () => {
      const { TargetHealthDescriptions } = await elb.send(new DescribeTargetHealthCommand({ TargetGroupArn }));
      return TargetHealthDescriptions?.[0]?.TargetHealth?.State;
    };
    await expect.poll(health, { timeout: 10_000 }).toBe("healthy");
    expect(seen.some(({ headers }) => headers["user-agent"] === "ELB-HealthChecker/2.0")).toBe(true);
  });

  it("follows rules the moment they are acknowledged, and falls back the moment they are gone", async () => {
    const { elb } = clients;
    const port = await freePort();
    const listener = await createListener(elb, await createLoadBalancer(elb, "rules"), port, respond("default"));
    const create = async (Priority: number, Conditions: ReturnType<typeof path>, Actions: Action[]) => {
      const { Rules } = await elb.send(new CreateRuleCommand({ ListenerArn: listener, Priority, Conditions, Actions }));
      return must(Rules?.[0]?.RuleArn);
    };
    for (let round = 0; round < 5; round += 1) {
      const rule = await create(10, path("/map/*"), respond("map"));
      expect((await ask(port, "/map/1")).body).toBe("map");
      await elb.send(new DeleteRuleCommand({ RuleArn: rule }));
      expect((await ask(port, "/map/1")).body).toBe("default");
    }
    const redirect = { StatusCode: "HTTP_301" as const, Host: "new.example.com", Path: "/v2/#{path}", Port: "80" };
    await create(1, path("/old/*"), [{ Type: "redirect", RedirectConfig: redirect }]);
    const answer = await ask(port, "/old/a?b=1");
    expect([answer.status, answer.headers.location]).toEqual([301, "http://new.example.com:80/v2/old/a?b=1"]);
    expect((await ask(port, "/")).headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      server: "awselb/2.0",
    });
  });

  it("is answered 503 without targets", async () => {
    const { elb } = clients;
    const port = await freePort();
    const { TargetGroups } = await elb.send(
      new CreateTargetGroupCommand({ Name: "empty", Protocol: "HTTP", Port: 80, VpcId: "vpc-1" }),
    );
    const actions = [{ Type: "forward" as const, TargetGroupArn: must(TargetGroups?.[0]?.TargetGroupArn) }];
    await createListener(elb, await createLoadBalancer(elb, "empty"), port, actions);
    expect((await ask(port, "/")).status).toBe(503);
  });

  it("finds no door after the load balancer is deleted", async () => {
    const { elb } = clients;
    const port = await freePort();
    const LoadBalancerArn = await createLoadBalancer(elb, "short");
    await createListener(elb, LoadBalancerArn, port, respond("here"));
    expect((await ask(port, "/")).body).toBe("here");
    await elb.send(new DeleteLoadBalancerCommand({ LoadBalancerArn }));
    await expect(ask(port, "/")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("a function behind a load balancer", () => {
  const source = `export const handler = async (event) => {
    if (event.path === "/break") throw new Error("broken on purpose");
    if (event.path === "/null") return null;
    return { statusCode: 203, statusDescription: "203 Mapped", headers: { "X-Served-By": "function" }, body: JSON.stringify(event) };
  };`;

  async function createFunction(name: string) {
    const { lambda } = clients;
    const { FunctionArn } = await lambda.send(
      new CreateFunctionCommand({
        FunctionName: name,
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        Role: "arn:aws:iam::000000000000:role/tiles",
        Code: { ZipFile: await zipOf({ "index.mjs": source }) },
      }),
    );
    return must(FunctionArn);
  }

  it("receives the event of the guide, and answers as itself", async () => {
    const { elb, lambda } = clients;
    const port = await freePort();
    const functionArn = await createFunction("tiles");
    const { TargetGroups } = await elb.send(new CreateTargetGroupCommand({ Name: "tiles", TargetType: "lambda" }));
    const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
    const register = new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: functionArn }] });
    await expect(elb.send(register)).rejects.toMatchObject({
      name: "AccessDenied",
      message: `elasticloadbalancing principal does not have permission to invoke ${functionArn} from target group ${TargetGroupArn}`,
    });
    await lambda.send(
      new AddPermissionCommand({
        FunctionName: "tiles",
        StatementId: "elb1",
        Action: "lambda:InvokeFunction",
        Principal: "elasticloadbalancing.amazonaws.com",
        SourceArn: TargetGroupArn,
      }),
    );
    await elb.send(register);
    await createListener(elb, await createLoadBalancer(elb, "tiles"), port, [{ Type: "forward", TargetGroupArn }]);

    const headers = { Host: "front.example.com", "X-Own": ["1", "2"], "Content-Type": "text/plain" };
    const answer = await ask(port, "/map/a%20b?x=%C3%A9&x=2", { method: "POST", headers, body: "hello" });
    expect(answer).toMatchObject({ status: 203, reason: "Mapped", headers: { "x-served-by": "function" } });
    expect(JSON.parse(answer.body)).toEqual({
      requestContext: { elb: { targetGroupArn: TargetGroupArn } },
      httpMethod: "POST",
      path: "/map/a%20b",
      queryStringParameters: { x: "2" },
      headers: {
        host: expect.stringContaining("front.example.com"),
        "x-own": "2",
        "content-type": "text/plain",
        "content-length": "5",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": String(port),
        "x-forwarded-proto": "http",
        "x-amzn-trace-id": expect.stringMatching(/^Root=1-/),
      },
      body: "hello",
      isBase64Encoded: false,
    });
    for (const broken of ["/break", "/null"]) {
      const { status, body, headers: fields } = await ask(port, broken);
      expect([status, fields.server, fields["content-type"]]).toEqual([502, "awselb/2.0", "text/html"]);
      expect(body).toContain("<h1>502 Bad Gateway</h1>");
      expect(fields).not.toHaveProperty("mikan-error-reason");
    }
    const tooLong = await ask(port, "/", { method: "POST", body: new Uint8Array(1_048_577) });
    expect(tooLong.status).toBe(413);

    const Attributes = [{ Key: "lambda.multi_value_headers.enabled", Value: "true" }];
    await elb.send(new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes }));
    const multi = JSON.parse((await ask(port, "/?x=1&x=2", { headers })).body) as Record<string, unknown>;
    expect(multi).toMatchObject({
      multiValueQueryStringParameters: { x: ["1", "2"] },
      multiValueHeaders: { "x-own": ["1", "2"] },
    });
    expect(multi).not.toHaveProperty("headers");
  });
});

describe("a port that is in use", () => {
  it("fails the listener with the port and the process, and leaves nothing", async () => {
    const { elb } = clients;
    const LoadBalancerArn = await createLoadBalancer(elb, "blocked");
    const attempt = createListener(elb, LoadBalancerArn, upstream.port, respond("x"));
    await expect(attempt).rejects.toThrow(InvalidConfigurationRequestException);
    await expect(attempt).rejects.toThrow(`Port ${upstream.port} is in use by `);
    await expect(attempt).rejects.toThrow(String(process.pid));
    const { Listeners } = await elb.send(new DescribeListenersCommand({ LoadBalancerArn }));
    expect(Listeners).toEqual([]);
  });

  it("does not stop a node from starting, and is opened when it is free", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-elb-"));
    const port = await freePort();
    const open = await freePort();
    try {
      {
        await using first = await startMikan({ data: directory });
        using own = clientsOf(first.url);
        const LoadBalancerArn = await createLoadBalancer(own.elb, "kept");
        await createListener(own.elb, LoadBalancerArn, port, respond("kept"));
        await createListener(own.elb, LoadBalancerArn, open, respond("open"));
      }
      const squatter = createServer((_, response) => response.end("squatter"));
      await new Promise<void>((resolve) => {
        squatter.listen(port, "127.0.0.1", resolve);
      });
      await using _second = await startMikan({ data: directory, log: silentLog });
      expect((await ask(open, "/")).body).toBe("open");
      expect((await ask(port, "/")).body).toBe("squatter");
      squatter.closeAllConnections();
      await new Promise((resolve) => {
        squatter.close(resolve);
      });
      const body = () =>
        ask(port, "/").then(
          (answer) => answer.body,
          () => "",
        );
      await expect.poll(body, { timeout: 15_000, interval: 100 }).toBe("kept");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe("errors on the wire", () => {
  it("are those that the client knows", async () => {
    const { elb } = clients;
    const LoadBalancerArn = await createLoadBalancer(elb, "errors");
    const port = await freePort();
    await createListener(elb, LoadBalancerArn, port, respond("a"));
    await expect(createListener(elb, LoadBalancerArn, port, respond("b"))).rejects.toThrow(DuplicateListenerException);
    const group = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/none/0123456789abcdef";
    await expect(elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: group }))).rejects.toThrow(
      TargetGroupNotFoundException,
    );
    await expect(elb.send(new DescribeLoadBalancersCommand({ PageSize: 401 }))).rejects.toMatchObject({
      name: "ValidationError",
    });
  });

  const boto = spawnSync("python3", ["-c", "import boto3"]).status === 0;
  it.skipIf(!boto)("and those that boto3 knows, which reads and signs by its own code", async () => {
    const script = `
import boto3, json, os
elb = boto3.client("elbv2", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1",
    aws_access_key_id="test", aws_secret_access_key="test")
lb = elb.create_load_balancer(Name="boto", Subnets=["subnet-a", "subnet-b"])["LoadBalancers"][0]
tg = elb.create_target_group(Name="boto", Protocol="HTTP", Port=80, VpcId="vpc-1", TargetType="ip")["TargetGroups"][0]
listener = elb.create_listener(LoadBalancerArn=lb["LoadBalancerArn"], Protocol="HTTP", Port=int(os.environ["PORT"]),
    DefaultActions=[{"Type": "forward", "TargetGroupArn": tg["TargetGroupArn"]}])["Listeners"][0]
rule = elb.create_rule(ListenerArn=listener["ListenerArn"], Priority=7,
    Conditions=[{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}],
    Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Rules"][0]
failures = []
for call in (lambda: elb.delete_target_group(TargetGroupArn=tg["TargetGroupArn"]),
             lambda: elb.create_load_balancer(Name="boto", Subnets=["subnet-a", "subnet-c"]),
             lambda: elb.create_rule(ListenerArn=listener["ListenerArn"], Priority=7,
                 Conditions=[{"Field": "path-pattern", "Values": ["/x"]}], Actions=rule["Actions"])):
    try: call()
    except elb.exceptions.ClientError as error: failures.append([type(error).__name__, error.response["Error"]["Code"]])
elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[lb["LoadBalancerArn"]], WaiterConfig={"MaxAttempts": 1})
tags = elb.describe_tags(ResourceArns=[lb["LoadBalancerArn"]])["TagDescriptions"]
attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=lb["LoadBalancerArn"])["Attributes"]
elb.delete_load_balancer(LoadBalancerArn=lb["LoadBalancerArn"])
elb.delete_target_group(TargetGroupArn=tg["TargetGroupArn"])
print(json.dumps({"dns": lb["DNSName"], "rule": rule, "failures": failures, "tags": tags, "attributes": len(attributes),
    "created": lb["CreatedTime"].isoformat()}))
`;
    const env = { ...process.env, ENDPOINT: mikan.url, PORT: String(await freePort()) };
    const child = spawn("python3", ["-c", script], { env });
    const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(errors).toBe("");
    expect(JSON.parse(out)).toMatchObject({
      dns: expect.stringMatching(/^boto-[0-9a-f]{16}\.elb\.localhost$/),
      rule: {
        Priority: "7",
        IsDefault: false,
        Conditions: [{ Field: "query-string", QueryStringConfig: { Values: [{ Key: "v", Value: "2" }] } }],
        Actions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "404" } }],
      },
      failures: [
        ["ResourceInUseException", "ResourceInUse"],
        ["DuplicateLoadBalancerNameException", "DuplicateLoadBalancerName"],
        ["PriorityInUseException", "PriorityInUse"],
      ],
      tags: [{ Tags: [] }],
      attributes: 23,
      created: expect.stringMatching(/^\d{4}-/),
    });
  });
});
