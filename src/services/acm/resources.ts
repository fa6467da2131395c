/** ACM's CloudFormation type. */
import type { RequestCertificateRequest } from "@aws-sdk/client-acm";
import { isFault } from "../../base/errors.ts";
import { asProperties, unlessAbsent, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import type { Received } from "../../kit/handlers.ts";
import { certificateOperations } from "./certificates.ts";
import { invalid } from "./faults.ts";
import { certificateRequest } from "./issuing.ts";
import { arnOf, existing, type AcmDeps } from "./lookup.ts";
import { setCertificate, type Tag } from "./tables.ts";
import { checkTags } from "./tags.ts";

const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
const texts = (value: Json | undefined) =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function allTags(tags: Readonly<Record<string, string>>, own: Json | undefined): Tag[] {
  const list: readonly Json[] = Array.isArray(own) ? own : [];
  const named = list.filter(isObject).map((tag) => ({ Key: text(tag["Key"]) ?? "", Value: text(tag["Value"]) ?? "" }));
  // Those of the stack may begin with `aws:`.
  return [...Object.entries(tags).map(([Key, Value]) => ({ Key, Value })), ...checkTags([], named)];
}

/** One of `known`, or nothing; anything else is refused. */
function oneOf<T extends string>(properties: JsonObject, name: string, known: readonly T[]): T | undefined {
  const value = text(properties[name]);
  const found = known.find((item) => item === value);
  if (value !== undefined && found === undefined) throw invalid(`Property ${name} must be one of ${known.join(", ")}.`);
  return found;
}

function optionsOf(properties: JsonObject) {
  const transparency = oneOf(properties, "CertificateTransparencyLoggingPreference", ["ENABLED", "DISABLED"]);
  const exporting = oneOf(properties, "CertificateExport", ["ENABLED", "DISABLED"]);
  return { transparency: transparency ?? "ENABLED", exportable: exporting === "ENABLED" } as const;
}

function requestOf(properties: JsonObject): Received<RequestCertificateRequest> {
  const { transparency, exportable } = optionsOf(properties);
  const keyAlgorithm = oneOf(properties, "KeyAlgorithm", ["RSA_2048", "EC_prime256v1", "EC_secp384r1"]);
  const authority = text(properties["CertificateAuthorityArn"]);
  return {
    DomainName: text(properties["DomainName"]) ?? "",
    SubjectAlternativeNames: texts(properties["SubjectAlternativeNames"]),
    ValidationMethod: oneOf(properties, "ValidationMethod", ["DNS", "EMAIL"]) ?? "EMAIL",
    Options: {
      CertificateTransparencyLoggingPreference: transparency,
      Export: exportable ? "ENABLED" : "DISABLED",
    },
    ...(keyAlgorithm === undefined ? {} : { KeyAlgorithm: keyAlgorithm }),
    ...(authority === undefined ? {} : { CertificateAuthorityArn: authority }),
  };
}

export function certificateResource(deps: AcmDeps): Resource {
  const { store } = deps;
  const request = certificateRequest(deps);
  const { DeleteCertificate } = certificateOperations(deps);
  return {
    type: "AWS::CertificateManager::Certificate",
    properties: [
      "CertificateAuthorityArn",
      "CertificateExport",
      "CertificateTransparencyLoggingPreference",
      "DomainName",
      "DomainValidationOptions",
      "KeyAlgorithm",
      "SubjectAlternativeNames",
      "Tags",
      "ValidationMethod",
    ],
    required: ["DomainName"],
    attributes: [],
    replaceOn: [
      "CertificateAuthorityArn",
      "DomainName",
      "DomainValidationOptions",
      "KeyAlgorithm",
      "SubjectAlternativeNames",
      "ValidationMethod",
    ],
    async create({ properties, token, tags }, call) {
      const row = await request(requestOf(properties), allTags(tags, properties["Tags"]), `stack ${token}`, call);
      return { physicalId: arnOf(row), attributes: {} };
    },
    async update({ physicalId, properties, tags }, call) {
      const changes = { options: optionsOf(properties), tags: allTags(tags, properties["Tags"]) };
      await store.tx(async (tx) => setCertificate(tx, await existing(tx, physicalId, call), changes));
      return { physicalId, attributes: {} };
    },
    async read({ physicalId }, call) {
      const row = await unlessAbsent(
        store.read((tx) => existing(tx, physicalId, call)),
        "ResourceNotFoundException",
      );
      if (row === undefined) return undefined;
      return asProperties({
        DomainName: row.domain,
        SubjectAlternativeNames: row.names.slice(1),
        KeyAlgorithm: row.key_algorithm,
        ValidationMethod: row.validation ?? undefined,
        CertificateExport: row.options.exportable ? "ENABLED" : "DISABLED",
        CertificateTransparencyLoggingPreference: row.options.transparency,
        Tags: row.tags,
      });
    },
    comparison: { DomainValidationOptions: "unread" },
    async delete({ physicalId }, call) {
      try {
        await DeleteCertificate({ CertificateArn: physicalId }, call);
      } catch (error) {
        if (!isFault(error, "ResourceNotFoundException")) throw error;
      }
    },
  };
}
