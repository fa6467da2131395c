/** `AWS::ElasticLoadBalancingV2::ListenerCertificate`: certificates of a listener beside its default. */
import { isFault } from "../../base/errors.ts";
import { asProperties, unlessAbsent, type JsonObject, type Resource } from "../../kit/resource.ts";
import { certificateOperations } from "./certificates.ts";
import type { ElbDeps } from "./load-balancers.ts";
import { listOf, needed, object, readProperties, text } from "./properties.ts";

const shape = { Certificates: listOf(object({ CertificateArn: text })), ListenerArn: text };

function readOf(properties: JsonObject) {
  const { Certificates, ListenerArn } = readProperties(shape, properties);
  return {
    ListenerArn: needed(ListenerArn, "#/ListenerArn"),
    arns: needed(Certificates, "#/Certificates").map(({ CertificateArn }) =>
      needed(CertificateArn, "#/Certificates/CertificateArn"),
    ),
  };
}

const certificatesOf = (arns: readonly string[]) => arns.map((CertificateArn) => ({ CertificateArn }));

export function listenerCertificateResource(deps: Pick<ElbDeps, "store" | "routing" | "peers">): Resource {
  const { AddListenerCertificates, RemoveListenerCertificates, DescribeListenerCertificates } =
    certificateOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::ListenerCertificate",
    properties: Object.keys(shape),
    required: Object.keys(shape),
    attributes: [],
    replaceOn: ["ListenerArn"],
    async create({ properties, logicalId, stackId }, call) {
      const { ListenerArn, arns } = readOf(properties);
      await AddListenerCertificates({ ListenerArn, Certificates: certificatesOf(arns) }, call);
      return { physicalId: `${ListenerArn}|${stackId.split("/").at(-1) ?? ""}|${logicalId}`, attributes: {} };
    },
    async update({ physicalId, attributes, properties, former }, call) {
      const { ListenerArn, arns } = readOf(properties);
      const before = readOf(former.properties).arns;
      await AddListenerCertificates({ ListenerArn, Certificates: certificatesOf(arns) }, call);
      const gone = before.filter((arn) => !arns.includes(arn));
      if (gone.length > 0) await RemoveListenerCertificates({ ListenerArn, Certificates: certificatesOf(gone) }, call);
      return { physicalId, attributes };
    },
    async read({ properties }, call) {
      const { ListenerArn, arns } = readOf(properties);
      const reading = DescribeListenerCertificates({ ListenerArn }, call);
      const shown = (await unlessAbsent(reading, "ListenerNotFoundException"))?.Certificates;
      const own = shown?.flatMap(({ CertificateArn: arn }) => (arn !== undefined && arns.includes(arn) ? [arn] : []));
      if (own === undefined || own.length === 0) return undefined;
      return asProperties({ ListenerArn, Certificates: certificatesOf(own) });
    },
    async delete({ properties }, call) {
      const { ListenerArn, arns } = readOf(properties);
      try {
        await RemoveListenerCertificates({ ListenerArn, Certificates: certificatesOf(arns) }, call);
      } catch (error) {
        if (!isFault(error, "ListenerNotFoundException")) throw error;
      }
    },
  };
}
