/** What each key spec is and can do. Source: KMS developer guide, "Key spec reference". */

export type Usage = "ENCRYPT_DECRYPT" | "SIGN_VERIFY" | "GENERATE_VERIFY_MAC" | "KEY_AGREEMENT";
export type Hash = "sha1" | "sha224" | "sha256" | "sha384" | "sha512";
/** As node:crypto names them. */
export type CurveName = "prime256v1" | "secp384r1" | "secp521r1" | "secp256k1";

export type Spec = { usages: readonly Usage[] } & (
  | { kind: "symmetric" }
  | { kind: "rsa"; bits: number }
  | { kind: "ec"; curve: CurveName; hash: Hash }
  | { kind: "ed25519" }
  | { kind: "hmac"; hash: Hash; keyBytes: number }
);

const rsa = (bits: number): Spec => ({ kind: "rsa", bits, usages: ["ENCRYPT_DECRYPT", "SIGN_VERIFY"] });
const nist = (curve: CurveName, hash: Hash): Spec => ({
  kind: "ec",
  curve,
  hash,
  usages: ["SIGN_VERIFY", "KEY_AGREEMENT"],
});
const hmac = (hash: Hash, keyBytes: number): Spec => ({
  kind: "hmac",
  hash,
  keyBytes,
  usages: ["GENERATE_VERIFY_MAC"],
});

const specs: Readonly<Record<string, Spec>> = {
  SYMMETRIC_DEFAULT: { kind: "symmetric", usages: ["ENCRYPT_DECRYPT"] },
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: nist("prime256v1", "sha256"),
  ECC_NIST_P384: nist("secp384r1", "sha384"),
  ECC_NIST_P521: nist("secp521r1", "sha512"),
  ECC_SECG_P256K1: { kind: "ec", curve: "secp256k1", hash: "sha256", usages: ["SIGN_VERIFY"] },
  ECC_NIST_EDWARDS25519: { kind: "ed25519", usages: ["SIGN_VERIFY"] },
  HMAC_224: hmac("sha224", 28),
  HMAC_256: hmac("sha256", 32),
  HMAC_384: hmac("sha384", 48),
  HMAC_512: hmac("sha512", 64),
};

export const specOf = (name: string): Spec | undefined => (Object.hasOwn(specs, name) ? specs[name] : undefined);

/** `SHA_256` of an algorithm's name. */
const hashSuffixes: readonly (readonly [string, Hash])[] = [
  ["SHA_1", "sha1"],
  ["SHA_224", "sha224"],
  ["SHA_256", "sha256"],
  ["SHA_384", "sha384"],
  ["SHA_512", "sha512"],
];

export function hashOf(algorithm: string): Hash | undefined {
  return hashSuffixes.find(([suffix]) => algorithm.endsWith(suffix))?.[1];
}

const shaOf = (hash: Hash) => hash.replace("sha", "SHA_");
const rsaSigning = ["RSASSA_PKCS1_V1_5", "RSASSA_PSS"].flatMap((scheme) =>
  ["SHA_256", "SHA_384", "SHA_512"].map((sha) => `${scheme}_${sha}`),
);

/** The algorithms that a key of this spec and usage takes. */
export function algorithmsOf(spec: Spec, usage: string): readonly string[] {
  if (usage === "KEY_AGREEMENT") return ["ECDH"];
  switch (spec.kind) {
    case "symmetric":
      return ["SYMMETRIC_DEFAULT"];
    case "rsa":
      return usage === "SIGN_VERIFY" ? rsaSigning : ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];
    case "ec":
      return [`ECDSA_${shaOf(spec.hash)}`];
    case "ed25519":
      return ["ED25519_SHA_512"];
    default:
      return [`HMAC_${shaOf(spec.hash)}`];
  }
}
