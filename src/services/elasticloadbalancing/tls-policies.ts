/**
 * AWS's predefined security policies: versions of TLS, ciphers, groups. Source: ALB user guide, "Security policies for
 * your Application Load Balancer"; NLB user guide for `ELBSecurityPolicy-2015-05`. The order of ciphers is AWS's.
 */
import type { SslPolicy } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { ListenerTls } from "../../edge/ports.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { onePage } from "./pages.ts";
import { fault, type Elb } from "./refusals.ts";

type Version = ListenerTls["minVersion"];
const versions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const;

/** Ciphers of TLS 1.3. */
const fips13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"];
const all13 = [...fips13, "TLS_CHACHA20_POLY1305_SHA256"];

/** Ciphers of the versions before, by family, in AWS's order over all families. */
const families = {
  forwardGcm128: ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
  forwardSha256: ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256"],
  forwardSha128: ["ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA"],
  forwardGcm256: ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
  forwardSha384: ["ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384"],
  forwardSha: ["ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"],
  plainGcm128: ["AES128-GCM-SHA256", "AES128-SHA256"],
  plainSha128: ["AES128-SHA"],
  plainGcm256: ["AES256-GCM-SHA384", "AES256-SHA256"],
  plainSha256: ["AES256-SHA"],
} as const;
type Family = keyof typeof families;

const gcm: readonly Family[] = ["forwardGcm128", "forwardGcm256"];
const sha2: readonly Family[] = [...gcm, "forwardSha256", "forwardSha384"];
const forward: readonly Family[] = [...sha2, "forwardSha128", "forwardSha"];
const strongPlain: readonly Family[] = [...sha2, "plainGcm128", "plainGcm256"];
const everything: readonly Family[] = [...forward, ...strongPlain, "plainSha128", "plainSha256"];

function ciphersOf(of13: readonly string[], wanted: readonly Family[]): string[] {
  const names = Object.keys(families) as Family[];
  return [...of13, ...names.filter((name) => wanted.includes(name)).flatMap((name) => families[name])];
}

/** Groups that a policy without, and one with hybrid post-quantum key exchange agrees on. */
const classicGroups = "X25519:P-256:P-384:P-521";
const fipsGroups = "P-256:P-384:P-521";
const hybridGroups = "X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024";

interface Row {
  name: string;
  min: Version;
  max: "TLSv1.2" | "TLSv1.3";
  ciphers: readonly string[];
}

const row = (name: string, min: Version, max: Row["max"], ciphers: readonly string[]): Row => ({
  name: `ELBSecurityPolicy-${name}`,
  min,
  max,
  ciphers,
});
const upTo13 = (name: string, min: Version, wanted: readonly Family[]) =>
  row(name, min, "TLSv1.3", ciphersOf(name.includes("FIPS") ? fips13 : all13, wanted));
const upTo12 = (name: string, min: Version, wanted: readonly Family[]) =>
  row(name, min, "TLSv1.2", ciphersOf([], wanted));

export const tlsPolicies: readonly Row[] = [
  upTo12("2016-08", "TLSv1", everything),
  upTo13("TLS13-1-2-2021-06", "TLSv1.2", sha2),
  upTo13("TLS13-1-2-Res-2021-06", "TLSv1.2", gcm),
  upTo13("TLS13-1-2-Ext1-2021-06", "TLSv1.2", strongPlain),
  upTo13("TLS13-1-2-Ext2-2021-06", "TLSv1.2", everything),
  upTo13("TLS13-1-1-2021-06", "TLSv1.1", everything),
  upTo13("TLS13-1-0-2021-06", "TLSv1", everything),
  upTo13("TLS13-1-3-2021-06", "TLSv1.3", []),
  upTo12("TLS-1-2-2017-01", "TLSv1.2", strongPlain),
  upTo12("TLS-1-1-2017-01", "TLSv1.1", everything),
  upTo12("TLS-1-2-Ext-2018-06", "TLSv1.2", everything),
  upTo12("FS-2018-06", "TLSv1", forward),
  upTo12("FS-1-1-2019-08", "TLSv1.1", forward),
  upTo12("FS-1-2-2019-08", "TLSv1.2", forward),
  upTo12("FS-1-2-Res-2019-08", "TLSv1.2", sha2),
  upTo12("FS-1-2-Res-2020-10", "TLSv1.2", gcm),
  upTo12("2015-05", "TLSv1", everything),
  row("TLS-1-0-2015-04", "TLSv1", "TLSv1.2", [...ciphersOf([], everything), "DES-CBC3-SHA"]),
  upTo13("TLS13-1-3-FIPS-2023-04", "TLSv1.3", []),
  upTo13("TLS13-1-2-FIPS-2023-04", "TLSv1.2", sha2),
  upTo13("TLS13-1-2-Res-FIPS-2023-04", "TLSv1.2", gcm),
  upTo13("TLS13-1-2-Ext0-FIPS-2023-04", "TLSv1.2", forward),
  upTo13("TLS13-1-2-Ext1-FIPS-2023-04", "TLSv1.2", strongPlain),
  upTo13("TLS13-1-2-Ext2-FIPS-2023-04", "TLSv1.2", everything),
  upTo13("TLS13-1-1-FIPS-2023-04", "TLSv1.1", everything),
  upTo13("TLS13-1-0-FIPS-2023-04", "TLSv1", everything),
  upTo13("TLS13-1-3-PQ-2025-09", "TLSv1.3", []),
  upTo13("TLS13-1-2-PQ-2025-09", "TLSv1.2", sha2),
  upTo13("TLS13-1-2-Res-PQ-2025-09", "TLSv1.2", gcm),
  upTo13("TLS13-1-2-Ext1-PQ-2025-09", "TLSv1.2", strongPlain),
  upTo13("TLS13-1-2-Ext2-PQ-2025-09", "TLSv1.2", everything),
  upTo13("TLS13-1-0-PQ-2025-09", "TLSv1", everything),
  upTo13("TLS13-1-3-FIPS-PQ-2025-09", "TLSv1.3", []),
  upTo13("TLS13-1-2-FIPS-PQ-2025-09", "TLSv1.2", sha2),
  upTo13("TLS13-1-2-Res-FIPS-PQ-2025-09", "TLSv1.2", gcm),
  upTo13("TLS13-1-2-Ext0-FIPS-PQ-2025-09", "TLSv1.2", forward),
  upTo13("TLS13-1-2-Ext1-FIPS-PQ-2025-09", "TLSv1.2", strongPlain),
  upTo13("TLS13-1-2-Ext2-FIPS-PQ-2025-09", "TLSv1.2", everything),
  upTo13("TLS13-1-0-FIPS-PQ-2025-09", "TLSv1", everything),
];

/** What a listener has whose creator names none, other than in AWS's console. */
export const defaultPolicy = "ELBSecurityPolicy-2016-08";

export const policyNotFound = (name: string) => fault("SSLPolicyNotFoundException", `SSL policy '${name}' not found`);

export function existingPolicy(name: string): Row {
  const found = tlsPolicies.find((policy) => policy.name === name);
  if (found === undefined) throw policyNotFound(name);
  return found;
}

/** A policy as the edge takes it. */
export function edgePolicy(name: string): Omit<ListenerTls, "certificates"> {
  const { min, max, ciphers } = existingPolicy(name);
  const classic = name.includes("FIPS") ? fipsGroups : classicGroups;
  const groups = name.includes("-PQ-") ? `${hybridGroups}:${classic}` : classic;
  return { minVersion: min, maxVersion: max, ciphers: ciphers.join(":"), groups };
}

function described({ name, min, max, ciphers }: Row): SslPolicy {
  return {
    Name: name,
    SslProtocols: versions.slice(versions.indexOf(min), versions.indexOf(max) + 1),
    Ciphers: ciphers.map((cipher, index) => ({ Name: cipher, Priority: index + 1 })),
    SupportedLoadBalancerTypes: name.endsWith("2015-05") ? ["network"] : ["application", "network"],
  };
}

export function tlsPolicyOperations() {
  return {
    async DescribeSSLPolicies(input, call) {
      const { Names, LoadBalancerType: type } = input;
      const wanted = Names === undefined ? tlsPolicies : Names.map(existingPolicy);
      const shown = wanted
        .map(described)
        .filter(({ SupportedLoadBalancerTypes: types }) => type === undefined || types?.includes(type));
      const { page, next } = await onePage<SslPolicy>({
        operation: "DescribeSSLPolicies",
        input,
        filters: [Names, type],
        call,
        keyOf: ({ Name = "" }) => Name,
        rowsAfter: async (key, limit) => {
          const from = key === undefined ? 0 : shown.findIndex(({ Name }) => Name === key) + 1;
          return shown.slice(from, from + limit);
        },
      });
      return { SslPolicies: [...page], ...next };
    },
  } satisfies Handlers<Elb>;
}
