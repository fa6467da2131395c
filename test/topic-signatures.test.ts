/** Signed messages, as npm's `sns-validator` checks them: the certificate comes over HTTPS, by a load balancer before the node. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ACMClient, ImportCertificateCommand } from "@aws-sdk/client-acm";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  ConfirmSubscriptionCommand,
  CreateTopicCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
} from "@aws-sdk/client-sns";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issueCertificate } from "../src/base/x509.ts";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { startEndpoint } from "../src/services/sns/endpoint.suite.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { run } from "./command.ts";
import { freePort } from "./upstream.ts";

const home = fileURLToPath(new URL("./clients/messaging/", import.meta.url));
const installed = existsSync(join(home, "node_modules", "sns-validator"));

/** Validates the messages of a file, one after the other; prints for each what became of it. */
const program = `
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const MessageValidator = createRequire(${JSON.stringify(join(home, "package.json"))})("sns-validator");
const validator = new MessageValidator(/^127\\.0\\.0\\.1:\\d+$/);
for (const message of JSON.parse(readFileSync(process.argv[1], "utf8"))) {
  const verdict = await new Promise((resolve) => {
    validator.validate(message, (error) => resolve(error === null ? "valid" : error.message));
  });
  console.log(verdict);
}`;

let directory: string;
let mikan: Mikan;
let sns: SNSClient;

function ownCertificate() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = { commonName: "links" };
  const [notBefore, notAfter] = [Date.now() - 3_600_000, Date.now() + 3_600_000];
  const contents = { subject, names: ["127.0.0.1"], publicKey, notBefore, notAfter, serial: randomBytes(16) };
  const certificate = issueCertificate(contents, { subject, privateKey, publicKey });
  return { certificate, privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) };
}

/** HTTPS on this port, with a certificate that is written to `ca.pem`. */
async function serveHttps(port: number): Promise<void> {
  const acm = new ACMClient(mikan.clientConfig());
  const elb = new ElasticLoadBalancingV2Client(mikan.clientConfig());
  const { certificate, privateKey } = ownCertificate();
  await writeFile(join(directory, "ca.pem"), certificate);
  const bytes = { Certificate: Buffer.from(certificate), PrivateKey: Buffer.from(privateKey) };
  const { CertificateArn } = await acm.send(new ImportCertificateCommand(bytes));
  const balancer = await elb.send(new CreateLoadBalancerCommand({ Name: "links", Subnets: ["subnet-a", "subnet-b"] }));
  const group = await elb.send(
    new CreateTargetGroupCommand({
      Name: "node",
      Protocol: "HTTP",
      Port: mikan.port,
      VpcId: "vpc-1",
      TargetType: "ip",
      HealthCheckPath: "/_mikan/health",
    }),
  );
  const TargetGroupArn = group.TargetGroups?.[0]?.TargetGroupArn;
  await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: "127.0.0.1", Port: mikan.port }] }));
  await elb.send(
    new CreateListenerCommand({
      LoadBalancerArn: balancer.LoadBalancers?.[0]?.LoadBalancerArn,
      Port: port,
      Protocol: "HTTPS",
      Certificates: [{ CertificateArn }],
      DefaultActions: [{ Type: "forward", TargetGroupArn }],
    }),
  );
  acm.destroy();
  elb.destroy();
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-signatures-"));
  const port = await freePort();
  mikan = await startMikan({ log: silentLog, linkUrl: `https://127.0.0.1:${port}` });
  sns = new SNSClient(mikan.clientConfig());
  await serveHttps(port);
}, 60_000);
afterAll(async () => {
  sns.destroy();
  await mikan.close(0);
  await rm(directory, { recursive: true, force: true });
});

async function verdictsOf(messages: readonly object[]): Promise<string[]> {
  const file = join(directory, "messages.json");
  await writeFile(file, JSON.stringify(messages));
  const env = { NODE_EXTRA_CA_CERTS: join(directory, "ca.pem") };
  const { code, out, err } = await run(process.execPath, ["--input-type=module", "-e", program, file], { env });
  expect(code, err).toBe(0);
  return out.trim().split("\n");
}

describe.skipIf(!installed)(
  "sns-validator [SKIPPED where it is not installed: npm ci --prefix test/clients/messaging]",
  { timeout: 60_000 },
  () => {
    it.each(["1", "2"])(
      "takes messages of signature version %s, and none that was changed",
      async (SignatureVersion) => {
        await using endpoint = await startEndpoint();
        const Name = `signed-${SignatureVersion}`;
        const { TopicArn } = await sns.send(new CreateTopicCommand({ Name, Attributes: { SignatureVersion } }));
        await sns.send(new SubscribeCommand({ TopicArn, Protocol: "http", Endpoint: endpoint.url }));
        await endpoint.arrived(1);
        const sent = (n: number) => JSON.parse(endpoint.deliveries[n]?.body ?? "{}") as Record<string, string>;
        await sns.send(new ConfirmSubscriptionCommand({ TopicArn, Token: sent(0)["Token"] }));
        await sns.send(new PublishCommand({ TopicArn, Message: 'grüße\n"all"', Subject: "s" }));
        await sns.send(new PublishCommand({ TopicArn, Message: "without a subject" }));
        await endpoint.arrived(3);
        const messages = [sent(0), sent(1), sent(2), { ...sent(1), Message: "other" }];
        expect(sent(1)).toMatchObject({ SignatureVersion });
        expect(await verdictsOf(messages)).toEqual(["valid", "valid", "valid", "The message signature is invalid."]);
      },
    );
  },
);
