/**
 * A whole front door as a CDK construct synthesizes it (ApplicationLoadBalancedFargateService, the load balancer's part),
 * with what such templates add by hand: deployed, asked over TLS, changed and deleted.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect, createServer as createHttp2, type Http2Server } from "node:http2";
import { request as requestTls } from "node:https";
import { text } from "node:stream/consumers";
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
  DescribeListenerCertificatesCommand,
  DescribeTargetGroupAttributesCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { freePort, startUpstream, type Upstream } from "../../../test/upstream.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { must } from "./bench.suite.ts";

let mikan: Mikan;
let clients: Clients;
let cloudformation: Clients["cloudformation"];
let elb: Clients["elb"];
let upstream: Upstream;
let keys: Server;
let modern: Http2Server;
let port: number;
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  clients = clientsOf(mikan.url);
  ({ cloudformation, elb } = clients);
  upstream = await startUpstream((incoming: IncomingMessage, response) => {
    incoming.resume();
    response.setHeader("X-Frame-Options", "SAMEORIGIN");
    response.setHeader(
      "X-Seen",
      JSON.stringify([incoming.url, incoming.headers.host, incoming.headers["x-amzn-tls-version"]]),
    );
    response.end("app");
  });
  keys = createServer((_, response) => {
    const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" };
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => {
    keys.listen(0, "127.0.0.1", resolve);
  });
  modern = createHttp2((incoming, response) => {
    response.end(`HTTP/${incoming.httpVersion}`);
  });
  await new Promise<void>((resolve) => {
    modern.listen(0, "127.0.0.1", resolve);
  });
  port = await freePort();
}, 60_000);

afterAll(async () => {
  clients.destroy();
  keys.close();
  modern.close();
  await upstream[Symbol.asyncDispose]();
  await mikan.close(0);
});

const pairs = (set: Record<string, string>) => Object.entries(set).map(([Key, Value]) => ({ Key, Value }));

function template(changes: { algorithm: string; others: string[] }): string {
  const certificate = (DomainName: string) => ({
    Type: "AWS::CertificateManager::Certificate",
    Properties: { DomainName, ValidationMethod: "DNS" },
  });
  const endpoint = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`;
  return JSON.stringify({
    Resources: {
      Certificate: certificate("shop.example.com"),
      OtherCertificate: certificate("other.example.com"),
      ThirdCertificate: certificate("third.example.com"),
      ServiceLBE9A1ADBC: {
        Type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Properties: {
          LoadBalancerAttributes: pairs({
            "deletion_protection.enabled": "false",
            "routing.http.desync_mitigation_mode": "strictest",
            "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true",
          }),
          Scheme: "internet-facing",
          SecurityGroups: ["sg-1"],
          Subnets: ["subnet-a", "subnet-b"],
          Type: "application",
        },
      },
      ServiceLBPublicListener46709EAA: {
        Type: "AWS::ElasticLoadBalancingV2::Listener",
        Properties: {
          Certificates: [{ CertificateArn: { Ref: "Certificate" } }],
          DefaultActions: [{ TargetGroupArn: { Ref: "ServiceLBPublicListenerECSGroup0CC8688C" }, Type: "forward" }],
          ListenerAttributes: pairs({
            "routing.http.response.x_frame_options.header_value": "DENY",
            "routing.http.response.strict_transport_security.header_value": "max-age=60",
          }),
          LoadBalancerArn: { Ref: "ServiceLBE9A1ADBC" },
          Port: port,
          Protocol: "HTTPS",
          SslPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
        },
      },
      MoreCertificates: {
        Type: "AWS::ElasticLoadBalancingV2::ListenerCertificate",
        Properties: {
          ListenerArn: { Ref: "ServiceLBPublicListener46709EAA" },
          Certificates: changes.others.map((Ref) => ({ CertificateArn: { Ref } })),
        },
      },
      ServiceLBPublicListenerECSGroup0CC8688C: {
        Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
        Properties: {
          Port: 80,
          Protocol: "HTTP",
          TargetGroupAttributes: pairs({
            "stickiness.enabled": "true",
            "stickiness.type": "lb_cookie",
            "load_balancing.algorithm.type": changes.algorithm,
          }),
          TargetType: "ip",
          Targets: [{ Id: "127.0.0.1", Port: upstream.port }],
          VpcId: "vpc-1",
        },
      },
      Modern: {
        Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
        Properties: {
          Port: 80,
          Protocol: "HTTP",
          ProtocolVersion: "HTTP2",
          TargetType: "ip",
          Targets: [{ Id: "127.0.0.1", Port: (modern.address() as AddressInfo).port }],
          VpcId: "vpc-1",
        },
      },
      ModernRule: {
        Type: "AWS::ElasticLoadBalancingV2::ListenerRule",
        Properties: {
          ListenerArn: { Ref: "ServiceLBPublicListener46709EAA" },
          Priority: 20,
          Conditions: [{ Field: "path-pattern", Values: ["/modern"] }],
          Actions: [{ Type: "forward", TargetGroupArn: { Ref: "Modern" } }],
        },
      },
      Api: {
        Type: "AWS::ElasticLoadBalancingV2::ListenerRule",
        Properties: {
          ListenerArn: { Ref: "ServiceLBPublicListener46709EAA" },
          Priority: 10,
          Conditions: [{ Field: "path-pattern", PathPatternConfig: { RegexValues: ["^/api/v[0-9]+/"] } }],
          Actions: [
            {
              Type: "jwt-validation",
              Order: 1,
              JwtValidationConfig: { JwksEndpoint: endpoint, Issuer: "https://idp" },
            },
            { Type: "forward", Order: 2, TargetGroupArn: { Ref: "ServiceLBPublicListenerECSGroup0CC8688C" } },
          ],
          Transforms: [
            { Type: "url-rewrite", UrlRewriteConfig: { Rewrites: [{ Regex: "^/api/v[0-9]+/(.*)$", Replace: "/$1" }] } },
            { Type: "host-header-rewrite", HostHeaderRewriteConfig: { Rewrites: [{ Regex: "^shop", Replace: "in" }] } },
          ],
        },
      },
    },
    Outputs: {
      Listener: { Value: { Ref: "ServiceLBPublicListener46709EAA" } },
      Group: { Value: { Ref: "ServiceLBPublicListenerECSGroup0CC8688C" } },
    },
  });
}

function ask(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage & { body: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, headers: { host: "shop.example.com", ...headers }, agent: false };
    const asked = requestTls({ ...options, servername: "shop.example.com", rejectUnauthorized: false }, (answer) => {
      text(answer).then((body) => resolve(Object.assign(answer, { body })), reject);
    });
    asked.on("error", reject).end();
  });
}

/** Over HTTP/2, as a browser would. */
function askH2(path: string): Promise<{ status: unknown; body: string }> {
  const session = connect(`https://127.0.0.1:${port}`, { servername: "shop.example.com", rejectUnauthorized: false });
  return new Promise<{ status: unknown; body: string }>((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({ ":path": path, ":authority": "shop.example.com" });
    stream.on("error", reject);
    stream.on("response", (headers) => {
      text(stream).then((body) => resolve({ status: headers[":status"], body }), reject);
    });
  }).finally(() => session.close());
}

function token(): string {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: "https://idp", exp: Math.floor(Date.now() / 1000) + 600 };
  const signed = `${encoded({ alg: "RS256", kid: "k1" })}.${encoded(claims)}`;
  return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), privateKey).toString("base64url")}`;
}

const StackName = "front";
const waiting = () => [{ client: cloudformation, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { StackName }] as const;

async function output(name: string): Promise<string> {
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  return must(Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === name)?.OutputValue);
}

it("stands as its template says, changes with it, and goes with it", { timeout: 180_000 }, async () => {
  const first = template({ algorithm: "round_robin", others: ["OtherCertificate"] });
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: first }));
  await waitUntilStackCreateComplete(...waiting());

  const plain = await ask("/");
  expect([plain.statusCode, plain.body]).toEqual([200, "app"]);
  expect(plain.headers).toMatchObject({
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=60",
    "set-cookie": [expect.stringMatching(/^AWSALB=/), expect.stringMatching(/^AWSALBCORS=/)],
  });
  expect(JSON.parse(String(plain.headers["x-seen"]))).toEqual(["/", expect.stringMatching(/^shop/), "TLSv1.3"]);
  expect((await ask("/api/v2/orders")).statusCode).toBe(401);
  const api = await ask("/api/v2/orders?x=1", { authorization: `Bearer ${token()}` });
  expect(JSON.parse(String(api.headers["x-seen"]))).toEqual(["/orders?x=1", expect.stringMatching(/^in\./), "TLSv1.3"]);
  expect(await askH2("/")).toEqual({ status: 200, body: "app" });
  expect(await askH2("/modern")).toEqual({ status: 200, body: "HTTP/2.0" });
  expect((await ask("/modern")).statusCode).toBe(464);
  // Acceptable at most, which the strictest mode does not pass.
  expect((await ask("/", { "content-length": "0" })).statusCode).toBe(400);

  const second = template({
    algorithm: "least_outstanding_requests",
    others: ["OtherCertificate", "ThirdCertificate"],
  });
  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: second }));
  await waitUntilStackUpdateComplete(...waiting());
  const TargetGroupArn = await output("Group");
  const { Attributes } = await elb.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn }));
  expect(Attributes).toContainEqual({ Key: "load_balancing.algorithm.type", Value: "least_outstanding_requests" });
  const ListenerArn = await output("Listener");
  const { Certificates } = await elb.send(new DescribeListenerCertificatesCommand({ ListenerArn }));
  expect(Certificates?.map(({ IsDefault }) => IsDefault)).toEqual([true, false, false]);
  expect((await ask("/")).statusCode).toBe(200);

  await cloudformation.send(new DeleteStackCommand({ StackName }));
  await waitUntilStackDeleteComplete(...waiting());
  await expect(ask("/")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
