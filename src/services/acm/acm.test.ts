/** ACM through the official client, on a whole node. */
import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate, type KeyObject } from "node:crypto";
import {
  ACMClient,
  AddTagsToCertificateCommand,
  DeleteCertificateCommand,
  DescribeCertificateCommand,
  ExportCertificateCommand,
  GetCertificateCommand,
  ImportCertificateCommand,
  ListCertificatesCommand,
  ListTagsForCertificateCommand,
  RemoveTagsFromCertificateCommand,
  RenewCertificateCommand,
  RequestCertificateCommand,
  UpdateCertificateOptionsCommand,
  type RequestCertificateCommandInput,
} from "@aws-sdk/client-acm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issueCertificate, type CertificateContents, type Issuer } from "../../base/x509.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
let acm: ACMClient;
const account = "000000000000";
const dayMs = 24 * 3_600_000;

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  const credentials = { accessKeyId: account, secretAccessKey: "test" };
  acm = new ACMClient({ endpoint: mikan.url, region: "us-east-1", credentials });
}, 60_000);
afterAll(async () => {
  acm.destroy();
  await mikan.close();
});

async function request(input: Partial<RequestCertificateCommandInput> = {}): Promise<string> {
  const { CertificateArn = "" } = await acm.send(
    new RequestCertificateCommand({ DomainName: "example.com", KeyAlgorithm: "EC_prime256v1", ...input }),
  );
  return CertificateArn;
}
const describeOne = async (CertificateArn: string) =>
  (await acm.send(new DescribeCertificateCommand({ CertificateArn }))).Certificate;
const get = (CertificateArn: string) => acm.send(new GetCertificateCommand({ CertificateArn }));

const authorityKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
const authority: Issuer = { subject: { commonName: "Elsewhere" }, ...authorityKeys };

function certificate(publicKey: KeyObject, changes: Partial<CertificateContents> = {}, issuer = authority): string {
  return issueCertificate(
    {
      subject: { commonName: "www.example.com" },
      names: ["www.example.com", "example.com"],
      publicKey,
      notBefore: Date.now() - dayMs,
      notAfter: Date.now() + dayMs,
      serial: randomBytes(16),
      ...changes,
    },
    issuer,
  );
}
const chain = certificate(authorityKeys.publicKey, { subject: authority.subject, names: [], authority: true });
const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

interface Parts {
  body?: string;
  key?: string;
  links?: string | undefined;
  arn?: string;
}

function importing({ body = certificate(own.publicKey), key = pem(own.privateKey), links = chain, arn }: Parts = {}) {
  return acm.send(
    new ImportCertificateCommand({
      Certificate: Buffer.from(body),
      PrivateKey: Buffer.from(key),
      ...(links === "" ? {} : { CertificateChain: Buffer.from(links) }),
      ...(arn === undefined ? {} : { CertificateArn: arn }),
    }),
  );
}

describe("requested certificates", () => {
  it("are issued at once, for every name, by the node's authority", async () => {
    const arn = await request({ SubjectAlternativeNames: ["*.example.com", "example.com"], ValidationMethod: "DNS" });
    expect(arn).toMatch(/^arn:aws:acm:us-east-1:000000000000:certificate\/[0-9a-f-]{36}$/);
    const detail = await describeOne(arn);
    expect(detail).toMatchObject({
      DomainName: "example.com",
      SubjectAlternativeNames: ["example.com", "*.example.com"],
      Status: "ISSUED",
      Type: "AMAZON_ISSUED",
      KeyAlgorithm: "EC_prime256v1",
      SignatureAlgorithm: "SHA256WITHECDSA",
      InUseBy: [],
      RenewalEligibility: "INELIGIBLE",
    });
    expect(detail?.DomainValidationOptions?.map(({ ValidationStatus }) => ValidationStatus)).toEqual([
      "SUCCESS",
      "SUCCESS",
    ]);
    expect(detail?.DomainValidationOptions?.[0]?.ResourceRecord?.Name).toMatch(/^_[0-9a-f]{32}\.example\.com\.$/);
    const { Certificate = "", CertificateChain = "" } = await get(arn);
    const [leaf, root] = [new X509Certificate(Certificate), new X509Certificate(CertificateChain)];
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(root.ca).toBe(true);
    expect(leaf.checkHost("www.example.com")).toBe("*.example.com");
    expect(detail?.Serial?.replaceAll(":", "").toUpperCase()).toBe(leaf.serialNumber);
    const other = await get(await request({ DomainName: "other.example.com" }));
    expect(other.CertificateChain).toBe(CertificateChain);
    const told = (await (await fetch(`${mikan.url}/_mikan/ca`)).json()) as { certificate: string };
    expect(told.certificate).toBe(CertificateChain);
  });

  it.each([
    ["RSA_2048", "rsa"],
    ["EC_secp384r1", "ec"],
  ] as const)("have a key of %s", async (KeyAlgorithm, type) => {
    const { Certificate = "" } = await get(await request({ KeyAlgorithm }));
    expect(new X509Certificate(Certificate).publicKey.asymmetricKeyType).toBe(type);
  });

  it("are the same for the same token", async () => {
    const token = { IdempotencyToken: "once", DomainName: "once.example.com" };
    expect(await request(token)).toBe(await request(token));
    expect(await request({ DomainName: "once.example.com" })).not.toBe(await request(token));
  });

  it("are renewed under the same ARN", async () => {
    const arn = await request();
    const before = await get(arn);
    await acm.send(new RenewCertificateCommand({ CertificateArn: arn }));
    const after = await get(arn);
    expect(after.Certificate).not.toBe(before.Certificate);
    expect((await describeOne(arn))?.RenewalSummary?.RenewalStatus).toBe("SUCCESS");
  });

  it("are exported under a passphrase, once they may be", async () => {
    const arn = await request();
    const exporting = () =>
      acm.send(new ExportCertificateCommand({ CertificateArn: arn, Passphrase: Buffer.from("secret") }));
    await expect(exporting()).rejects.toMatchObject({ name: "ValidationException" });
    await acm.send(new UpdateCertificateOptionsCommand({ CertificateArn: arn, Options: { Export: "ENABLED" } }));
    const { Certificate = "", PrivateKey = "" } = await exporting();
    const key = createPrivateKey({ key: PrivateKey, passphrase: "secret" });
    expect(new X509Certificate(Certificate).checkPrivateKey(key)).toBe(true);
  });

  it("refuse what is not done, by name", async () => {
    const CertificateAuthorityArn = `arn:aws:acm-pca:us-east-1:${account}:certificate-authority/1`;
    await expect(request({ CertificateAuthorityArn })).rejects.toMatchObject({ name: "NotImplemented" });
    await expect(request({ KeyAlgorithm: "RSA_1024" })).rejects.toMatchObject({ name: "ValidationException" });
  });
});

describe("imported certificates", () => {
  it("are given back as they came, but for the key", async () => {
    const body = certificate(own.publicKey);
    const { CertificateArn = "" } = await importing({ body });
    expect(await get(CertificateArn)).toMatchObject({ Certificate: body, CertificateChain: chain });
    expect(await describeOne(CertificateArn)).toMatchObject({
      Type: "IMPORTED",
      Status: "ISSUED",
      DomainName: "www.example.com",
      SubjectAlternativeNames: ["www.example.com", "example.com"],
      Issuer: "CN=Elsewhere",
    });
  });

  it("are replaced under their ARN", async () => {
    const { CertificateArn: arn = "" } = await importing();
    const body = certificate(own.publicKey, { names: ["new.example.com"], subject: { commonName: "new.example.com" } });
    expect((await importing({ body, arn })).CertificateArn).toBe(arn);
    expect((await describeOne(arn))?.DomainName).toBe("new.example.com");
    await expect(importing({ arn: await request() })).rejects.toMatchObject({ name: "ValidationException" });
  });

  it("may be signed by themselves, without a chain", async () => {
    const subject = { commonName: "self.example.com" };
    const body = certificate(own.publicKey, { subject }, { subject, ...own });
    expect((await importing({ body, links: "" })).CertificateArn).toBeDefined();
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ed25519 = generateKeyPairSync("ed25519");
  const encrypted = rsa.privateKey
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
    .toString();
  const refused: [string, Parts, RegExp][] = [
    ["garbage", { body: "garbage" }, /not in a valid PEM format/],
    [
      "a block of garbage",
      { body: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
      /not in a valid PEM format/,
    ],
    ["two certificates", { body: certificate(own.publicKey) + chain }, /contains more than one certificate/],
    ["another's key", { key: pem(rsa.privateKey) }, /does not match/],
    ["a key of garbage", { key: "garbage" }, /private key is not supported/],
    ["an encrypted key", { key: encrypted }, /encrypted/],
    [
      "a key that no load balancer takes",
      { body: certificate(ed25519.publicKey), key: pem(ed25519.privateKey) },
      /private key is not supported/,
    ],
    ["one that has expired", { body: certificate(own.publicKey, { notAfter: Date.now() - 60_000 }) }, /expired/],
    ["one of the future", { body: certificate(own.publicKey, { notBefore: Date.now() + 60_000 }) }, /not valid yet/],
    ["no chain", { links: "" }, /valid self-signed certificate or certificate chain/],
    ["another's chain", { links: certificate(own.publicKey) }, /Could not validate the certificate with the/],
    ["a chain of garbage", { links: "garbage" }, /not in a valid PEM format/],
  ];
  it.each(refused)("are refused with %s", async (_, parts, message) => {
    await expect(importing(parts)).rejects.toMatchObject({
      name: "ValidationException",
      message: expect.stringMatching(message) as string,
    });
  });
});

describe("certificates", () => {
  it("are listed by key type and status, in pages", async () => {
    const made = new Set<string>();
    for (let i = 0; i < 3; i += 1) made.add(await request({ KeyAlgorithm: "EC_secp384r1" }));
    const listed = new Set<string>();
    let NextToken: string | undefined;
    do {
      const answer = await acm.send(
        new ListCertificatesCommand({ Includes: { keyTypes: ["EC_secp384r1"] }, MaxItems: 2, NextToken }),
      );
      for (const { CertificateArn = "" } of answer.CertificateSummaryList ?? []) listed.add(CertificateArn);
      ({ NextToken } = answer);
    } while (NextToken !== undefined);
    for (const arn of made) expect(listed).toContain(arn);
    const usual = await acm.send(new ListCertificatesCommand());
    expect(usual.CertificateSummaryList?.every(({ KeyAlgorithm }) => KeyAlgorithm === "RSA_2048")).toBe(true);
    const expired = await acm.send(new ListCertificatesCommand({ CertificateStatuses: ["EXPIRED"] }));
    expect(expired.CertificateSummaryList).toEqual([]);
  });

  it("have tags", async () => {
    const CertificateArn = await request({ Tags: [{ Key: "a", Value: "1" }] });
    await acm.send(new AddTagsToCertificateCommand({ CertificateArn, Tags: [{ Key: "b", Value: "2" }, { Key: "a" }] }));
    const tags = async () => (await acm.send(new ListTagsForCertificateCommand({ CertificateArn }))).Tags;
    expect(await tags()).toEqual([{ Key: "a" }, { Key: "b", Value: "2" }]);
    await acm.send(new RemoveTagsFromCertificateCommand({ CertificateArn, Tags: [{ Key: "b", Value: "other" }] }));
    await acm.send(new RemoveTagsFromCertificateCommand({ CertificateArn, Tags: [{ Key: "a" }] }));
    expect(await tags()).toEqual([{ Key: "b", Value: "2" }]);
  });

  it("are gone once they are deleted, and are nobody else's", async () => {
    const CertificateArn = await request();
    const stranger = new ACMClient({
      endpoint: mikan.url,
      region: "us-east-1",
      credentials: { accessKeyId: "111111111111", secretAccessKey: "test" },
    });
    const notFound = { name: "ResourceNotFoundException" };
    await expect(stranger.send(new GetCertificateCommand({ CertificateArn }))).rejects.toMatchObject(notFound);
    stranger.destroy();
    await acm.send(new DeleteCertificateCommand({ CertificateArn }));
    await expect(get(CertificateArn)).rejects.toMatchObject(notFound);
  });
});
