/** HTTPS listeners through the official clients, and real handshakes with them. */
import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect, createSecureContext, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import {
  ACMClient,
  DeleteCertificateCommand,
  DescribeCertificateCommand,
  GetCertificateCommand,
  ListCertificatesCommand,
  RenewCertificateCommand,
  RequestCertificateCommand,
} from "@aws-sdk/client-acm";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import {
  AddListenerCertificatesCommand,
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  DeleteListenerCommand,
  DescribeListenerCertificatesCommand,
  DescribeListenersCommand,
  DescribeSSLPoliciesCommand,
  ElasticLoadBalancingV2Client,
  ModifyListenerCommand,
  RemoveListenerCertificatesCommand,
  type Action,
  type CreateListenerCommandInput,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  DeleteServerCertificateCommand,
  GetServerCertificateCommand,
  IAMClient,
  ListServerCertificatesCommand,
  UploadServerCertificateCommand,
} from "@aws-sdk/client-iam";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issueCertificate } from "../../base/x509.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { edgePolicy, tlsPolicies } from "./tls-policies.ts";

const account = "000000000000";
let mikan: Mikan;
let acm: ACMClient;
let elb: ElasticLoadBalancingV2Client;
let balancer: string;
let ca: string;
/** By the name that they are for. */
let first: string;
let second: string;

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  const settings = {
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: account, secretAccessKey: "test" },
  };
  acm = new ACMClient(settings);
  elb = new ElasticLoadBalancingV2Client(settings);
  const made = await elb.send(new CreateLoadBalancerCommand({ Name: "secure", Subnets: ["subnet-a", "subnet-b"] }));
  balancer = made.LoadBalancers?.[0]?.LoadBalancerArn ?? "";
  first = await issued("first.example.com");
  second = await issued("second.example.com");
  ca = (await acm.send(new GetCertificateCommand({ CertificateArn: first }))).CertificateChain ?? "";
}, 60_000);

afterAll(async () => {
  acm.destroy();
  elb.destroy();
  await mikan.close();
});

async function issued(DomainName: string): Promise<string> {
  const made = await acm.send(new RequestCertificateCommand({ DomainName, KeyAlgorithm: "EC_prime256v1" }));
  return made.CertificateArn ?? "";
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

const hello: Action[] = [
  { Type: "fixed-response", FixedResponseConfig: { StatusCode: "200", ContentType: "text/plain", MessageBody: "hi" } },
];

async function listen(input: Partial<CreateListenerCommandInput> = {}): Promise<{ arn: string; port: number }> {
  const port = await freePort();
  const made = await elb.send(
    new CreateListenerCommand({
      LoadBalancerArn: balancer,
      Port: port,
      Protocol: "HTTPS",
      Certificates: [{ CertificateArn: first }],
      DefaultActions: hello,
      ...input,
    }),
  );
  return { arn: made.Listeners?.[0]?.ListenerArn ?? "", port };
}

/** The serial number of the certificate that a client is shown. */
async function shown(port: number, servername: string): Promise<string> {
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const connecting = connect({ port, host: "127.0.0.1", servername, ca, rejectUnauthorized: false }, () =>
      resolve(connecting),
    );
    connecting.once("error", reject);
  });
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? "";
  socket.destroy();
  return serial;
}

async function serialOf(CertificateArn: string): Promise<string> {
  const { Certificate } = await acm.send(new DescribeCertificateCommand({ CertificateArn }));
  return Certificate?.Serial?.replaceAll(":", "").toUpperCase() ?? "";
}

function get(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", ca, servername, agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

describe("an HTTPS listener", () => {
  it("answers with its certificate, and is described", async () => {
    const { arn, port } = await listen();
    expect(await get(port, "first.example.com")).toBe("hi");
    const { Listeners } = await elb.send(new DescribeListenersCommand({ ListenerArns: [arn] }));
    expect(Listeners?.[0]).toMatchObject({
      Protocol: "HTTPS",
      SslPolicy: "ELBSecurityPolicy-2016-08",
      Certificates: [{ CertificateArn: first }],
      MutualAuthentication: { Mode: "off" },
    });
  });

  it("has further certificates, chosen by name", async () => {
    const { arn, port } = await listen();
    const added = [{ CertificateArn: second }];
    const answer = await elb.send(new AddListenerCertificatesCommand({ ListenerArn: arn, Certificates: added }));
    expect(answer.Certificates).toEqual([{ CertificateArn: second, IsDefault: false }]);
    expect(await get(port, "second.example.com")).toBe("hi");
    const { Certificates } = await elb.send(new DescribeListenerCertificatesCommand({ ListenerArn: arn }));
    expect(Certificates).toEqual([
      { CertificateArn: first, IsDefault: true },
      { CertificateArn: second, IsDefault: false },
    ]);
    await elb.send(new RemoveListenerCertificatesCommand({ ListenerArn: arn, Certificates: added }));
    expect(await shown(port, "second.example.com")).toBe(await serialOf(first));
    const removingDefault = new RemoveListenerCertificatesCommand({
      ListenerArn: arn,
      Certificates: [{ CertificateArn: first }],
    });
    await expect(elb.send(removingDefault)).rejects.toMatchObject({ name: "OperationNotPermittedException" });
  });

  it("becomes one of HTTP, and of HTTPS again", async () => {
    const { arn, port } = await listen();
    await elb.send(new ModifyListenerCommand({ ListenerArn: arn, Protocol: "HTTP" }));
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("hi");
    const back = { ListenerArn: arn, Protocol: "HTTPS" } as const;
    await expect(elb.send(new ModifyListenerCommand(back))).rejects.toMatchObject({ name: "ValidationError" });
    await elb.send(
      new ModifyListenerCommand({
        ...back,
        Certificates: [{ CertificateArn: second }],
        SslPolicy: "ELBSecurityPolicy-TLS13-1-3-2021-06",
      }),
    );
    expect(await get(port, "second.example.com")).toBe("hi");
  });

  it("shows a renewed certificate at once", async () => {
    const arn = await issued("third.example.com");
    const { port } = await listen({ Certificates: [{ CertificateArn: arn }] });
    const before = await serialOf(arn);
    expect(await shown(port, "third.example.com")).toBe(before);
    await acm.send(new RenewCertificateCommand({ CertificateArn: arn }));
    expect(await shown(port, "third.example.com")).not.toBe(before);
    expect(await shown(port, "third.example.com")).toBe(await serialOf(arn));
  });

  it("keeps its certificates from being deleted", async () => {
    const CertificateArn = await issued("fourth.example.com");
    const { arn } = await listen({ Certificates: [{ CertificateArn }] });
    const { Certificate } = await acm.send(new DescribeCertificateCommand({ CertificateArn }));
    expect(Certificate).toMatchObject({ InUseBy: [balancer], RenewalEligibility: "ELIGIBLE" });
    const deletion = new DeleteCertificateCommand({ CertificateArn });
    await expect(acm.send(deletion)).rejects.toMatchObject({ name: "ResourceInUseException" });
    await elb.send(new DeleteListenerCommand({ ListenerArn: arn }));
    await acm.send(new DeleteCertificateCommand({ CertificateArn }));
  });

  const unknown = `arn:aws:acm:us-east-1:${account}:certificate/12345678-1234-1234-1234-123456789012`;
  const refused: [string, () => Partial<CreateListenerCommandInput>, string, RegExp][] = [
    ["no certificate", () => ({ Certificates: [] }), "ValidationError", /A certificate must be specified/],
    [
      "two certificates",
      () => ({ Certificates: [{ CertificateArn: first }, { CertificateArn: second }] }),
      "ValidationError",
      /Up to '1' certificate ARNs/,
    ],
    [
      "an unknown certificate",
      () => ({ Certificates: [{ CertificateArn: unknown }] }),
      "CertificateNotFoundException",
      /not found/,
    ],
    ["no ARN", () => ({ Certificates: [{ CertificateArn: "mine" }] }), "ValidationError", /is not valid/],
    ["an unknown policy", () => ({ SslPolicy: "Mine" }), "SSLPolicyNotFoundException", /'Mine' not found/],
    ["a certificate for HTTP", () => ({ Protocol: "HTTP" }), "ValidationError", /cannot be specified for HTTP/],
  ];
  it.each(refused)("is refused with %s", async (_, input, name, message) => {
    await expect(listen(input())).rejects.toMatchObject({ name, message: expect.stringMatching(message) as string });
  });
});

describe("server certificates of IAM", () => {
  it("are shown by listeners, and not deleted then", async () => {
    const iam = new IAMClient({
      endpoint: mikan.url,
      region: "us-east-1",
      credentials: { accessKeyId: account, secretAccessKey: "test" },
    });
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const subject = { commonName: "old.example.com" };
    const body = issueCertificate(
      {
        subject,
        names: ["old.example.com"],
        publicKey: pair.publicKey,
        notBefore: Date.now() - 60_000,
        notAfter: Date.now() + 60 * 60_000,
        serial: randomBytes(16),
      },
      { subject, ...pair },
    );
    const key = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const uploading = (PrivateKey: string, CertificateBody = body) =>
      iam.send(
        new UploadServerCertificateCommand({
          ServerCertificateName: "old",
          Path: "/web/",
          CertificateBody,
          PrivateKey,
        }),
      );
    await expect(uploading("garbage")).rejects.toMatchObject({ name: "MalformedCertificateException" });
    await expect(uploading(key, "garbage")).rejects.toMatchObject({ name: "MalformedCertificateException" });
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const otherKey = other.export({ type: "pkcs8", format: "pem" }).toString();
    await expect(uploading(otherKey)).rejects.toMatchObject({ name: "KeyPairMismatchException" });
    const { ServerCertificateMetadata } = await uploading(key);
    const arn = ServerCertificateMetadata?.Arn ?? "";
    expect(arn).toBe(`arn:aws:iam::${account}:server-certificate/web/old`);
    await expect(uploading(key)).rejects.toMatchObject({ name: "EntityAlreadyExistsException" });
    const listed = await iam.send(new ListServerCertificatesCommand({ PathPrefix: "/web/" }));
    expect(listed.ServerCertificateMetadataList?.map(({ Arn }) => Arn)).toEqual([arn]);
    const got = await iam.send(new GetServerCertificateCommand({ ServerCertificateName: "old" }));
    expect(got.ServerCertificate?.CertificateBody).toBe(body);

    const listener = await listen({ Certificates: [{ CertificateArn: arn }] });
    expect(await shown(listener.port, "old.example.com")).toBe(new X509Certificate(body).serialNumber);
    const deletion = new DeleteServerCertificateCommand({ ServerCertificateName: "old" });
    await expect(iam.send(deletion)).rejects.toMatchObject({ name: "DeleteConflictException" });
    await elb.send(new DeleteListenerCommand({ ListenerArn: listener.arn }));
    await iam.send(deletion);
    iam.destroy();
  });
});

describe("a stack", () => {
  const template = (port: number, extra: readonly string[]) =>
    JSON.stringify({
      Resources: {
        Usual: { Type: "AWS::CertificateManager::Certificate", Properties: { DomainName: "usual.example.com" } },
        Further: {
          Type: "AWS::CertificateManager::Certificate",
          Properties: {
            DomainName: "further.example.com",
            KeyAlgorithm: "EC_prime256v1",
            ValidationMethod: "DNS",
            Tags: [{ Key: "a", Value: "b" }],
          },
        },
        Balancer: {
          Type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
          Properties: { Subnets: ["subnet-a", "subnet-b"] },
        },
        Listener: {
          Type: "AWS::ElasticLoadBalancingV2::Listener",
          Properties: {
            LoadBalancerArn: { Ref: "Balancer" },
            Port: port,
            Protocol: "HTTPS",
            SslPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
            Certificates: [{ CertificateArn: { Ref: "Usual" } }],
            DefaultActions: hello,
          },
        },
        More: {
          Type: "AWS::ElasticLoadBalancingV2::ListenerCertificate",
          Properties: {
            ListenerArn: { Ref: "Listener" },
            Certificates: [
              { CertificateArn: { Ref: "Further" } },
              ...extra.map((CertificateArn) => ({ CertificateArn })),
            ],
          },
        },
      },
    });

  it("has certificates, listeners with them, and further ones; it changes them, and takes them along", async () => {
    const cloudformation = new CloudFormationClient({
      endpoint: mikan.url,
      region: "us-east-1",
      credentials: { accessKeyId: account, secretAccessKey: "test" },
    });
    const wait = { client: cloudformation, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };
    const StackName = "secure";
    const port = await freePort();
    await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: template(port, []) }));
    await waitUntilStackCreateComplete(wait, { StackName });
    expect(await get(port, "usual.example.com")).toBe("hi");
    expect(await get(port, "further.example.com")).toBe("hi");
    await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: template(port, [second]) }));
    await waitUntilStackUpdateComplete(wait, { StackName });
    expect(await get(port, "second.example.com")).toBe("hi");
    await cloudformation.send(new DeleteStackCommand({ StackName }));
    await waitUntilStackDeleteComplete(wait, { StackName });
    const { CertificateSummaryList } = await acm.send(new ListCertificatesCommand());
    expect(CertificateSummaryList?.map(({ DomainName }) => DomainName)).not.toContain("usual.example.com");
    cloudformation.destroy();
  }, 120_000);
});

describe("SSL policies", () => {
  it.each(tlsPolicies.map(({ name }) => name))("%s is one that OpenSSL can follow", (name) => {
    const { minVersion, maxVersion, ciphers, groups = "" } = edgePolicy(name);
    const level = minVersion === "TLSv1" || minVersion === "TLSv1.1" ? ":@SECLEVEL=0" : "";
    createSecureContext({ minVersion, maxVersion, ciphers: ciphers + level, ecdhCurve: groups });
  });

  it("are described, all or by name", async () => {
    const all = await elb.send(new DescribeSSLPoliciesCommand());
    expect(all.SslPolicies?.length).toBe(tlsPolicies.length);
    const one = await elb.send(new DescribeSSLPoliciesCommand({ Names: ["ELBSecurityPolicy-TLS13-1-2-Res-2021-06"] }));
    expect(one.SslPolicies?.[0]).toMatchObject({
      SslProtocols: ["TLSv1.2", "TLSv1.3"],
      Ciphers: [
        { Name: "TLS_AES_128_GCM_SHA256", Priority: 1 },
        { Name: "TLS_AES_256_GCM_SHA384" },
        { Name: "TLS_CHACHA20_POLY1305_SHA256" },
        { Name: "ECDHE-ECDSA-AES128-GCM-SHA256" },
        { Name: "ECDHE-RSA-AES128-GCM-SHA256" },
        { Name: "ECDHE-ECDSA-AES256-GCM-SHA384" },
        { Name: "ECDHE-RSA-AES256-GCM-SHA384" },
      ],
    });
    const unknown = elb.send(new DescribeSSLPoliciesCommand({ Names: ["Mine"] }));
    await expect(unknown).rejects.toMatchObject({ name: "SSLPolicyNotFoundException" });
  });
});

const run = promisify(execFile);
const hasCurl = await run("curl", ["--version"]).then(
  () => true,
  () => false,
);

describe.skipIf(!hasCurl)(hasCurl ? "curl" : "CURL IS NOT INSTALLED: curl against HTTPS listeners", () => {
  it("trusts the node's authority", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-ca-"));
    try {
      await writeFile(`${directory}/ca.pem`, ca);
      const { port } = await listen({ SslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" });
      const { stdout } = await run("curl", [
        "-sS",
        "--cacert",
        `${directory}/ca.pem`,
        "--resolve",
        `first.example.com:${port}:127.0.0.1`,
        `https://first.example.com:${port}/`,
      ]);
      expect(stdout).toBe("hi");
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
