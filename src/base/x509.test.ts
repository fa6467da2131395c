import { generateKeyPairSync, X509Certificate, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { issueCertificate, type CertificateContents } from "./x509.ts";

const from = Date.UTC(2026, 0, 1);
const until = Date.UTC(2027, 5, 1, 12, 30, 15);

function contents(publicKey: KeyObject, changes: Partial<CertificateContents> = {}): CertificateContents {
  return {
    subject: { commonName: "example.com", organization: "Ünïcode & Co" },
    names: ["example.com", "*.example.com", "127.0.0.1", "2001:db8::1"],
    publicKey,
    notBefore: from,
    notAfter: until,
    serial: Buffer.from("ff00112233445566778899aabbccddee", "hex"),
    ...changes,
  };
}

const authority = generateKeyPairSync("ec", { namedCurve: "P-384" });
const subject = { commonName: "Root" };

const keys = {
  "RSA 2048": () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "EC P-256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "EC P-384": () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  "EC P-521": () => generateKeyPairSync("ec", { namedCurve: "P-521" }),
};

describe("certificates", () => {
  it.each(Object.entries(keys))("signs with %s, for its own kind of key", (_, generate) => {
    const pair = generate();
    const issuer = { subject, ...pair };
    const root = new X509Certificate(
      issueCertificate(contents(pair.publicKey, { subject, names: [], authority: true }), issuer),
    );
    const leaf = new X509Certificate(issueCertificate(contents(pair.publicKey), issuer));
    expect(root.ca).toBe(true);
    expect(root.verify(root.publicKey)).toBe(true);
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.checkIssued(root)).toBe(true);
    expect(leaf.checkPrivateKey(pair.privateKey)).toBe(true);
  });

  it("says what it was told", () => {
    const { publicKey } = keys["EC P-256"]();
    const certificate = new X509Certificate(issueCertificate(contents(publicKey), { subject, ...authority }));
    expect(certificate.ca).toBe(false);
    expect(certificate.subject).toBe("O=Ünïcode & Co\nCN=example.com");
    expect(certificate.issuer).toBe("CN=Root");
    expect(certificate.subjectAltName).toBe(
      "DNS:example.com, DNS:*.example.com, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1",
    );
    expect(certificate.serialNumber).toBe("7F00112233445566778899AABBCCDDEE");
    expect(Date.parse(certificate.validFrom)).toBe(from);
    expect(Date.parse(certificate.validTo)).toBe(until);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(certificate.checkHost("www.example.com")).toBe("*.example.com");
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  });

  it("writes years after 2049, and leaves out a common name that is too long", () => {
    const long = `${"a".repeat(62)}.example.com`;
    const certificate = new X509Certificate(
      issueCertificate(
        contents(keys["EC P-256"]().publicKey, {
          subject: { commonName: long },
          names: [long],
          notAfter: Date.UTC(2055, 0, 1),
        }),
        { subject, ...authority },
      ),
    );
    expect(Date.parse(certificate.validTo)).toBe(Date.UTC(2055, 0, 1));
    expect(certificate.subject).toBeFalsy();
    expect(certificate.checkHost(long)).toBe(long);
  });
});
