/** `AWS::ElasticLoadBalancingV2::ListenerCertificate`: certificates of a listener beside its default one. */
import { isFault } from "../../base/errors.ts";
import { unlessAbsent, type JsonObject, type Resource } from "../../kit/resource.ts";
import { certificateOperations } from "./certificates.ts";
import type { ElbDeps } from "./load-balancers.ts";
import { listOf, needed, object, readProperties, text } from "./properties.ts";

const shape = { Certificates: listOf(object({ CertificateArn: text })), ListenerArn: text };

function readAll(properties: JsonObject): { ListenerArn: string; arns: string[] } {
  const { ListenerArn, Certificates } = readProperties(shape, properties);
  const arns = needed(Certificates, "#/Certificates").map(({ CertificateArn }, index) =>
    needed(CertificateArn, `#/Certificates/${index}/CertificateArn`),
  );
  return { ListenerArn: needed(ListenerArn, "#/ListenerArn"), arns };
}

const listed = (arns: readonly string[]) => arns.map((CertificateArn) => ({ CertificateArn }));

export function listenerCertificateResource(deps: ElbDeps): Resource {
  const { AddListenerCertificates, RemoveListenerCertificates } = certificateOperations(deps);
  return {
    type: "AWS::ElasticLoadBalancingV2::ListenerCertificate",
    properties: Object.keys(shape).sort(),
    required: ["Certificates", "ListenerArn"],
    attributes: ["Id"],
    async create({ properties, stackName, logicalId }, call) {
      const { ListenerArn, arns } = readAll(properties);
      await AddListenerCertificates({ ListenerArn, Certificates: listed(arns) }, call);
      const physicalId = `${ListenerArn}|${stackName}-${logicalId}`;
      return { physicalId, attributes: { Id: physicalId } };
    },
    replaceOn: ["ListenerArn"],
    async update({ physicalId, attributes, properties, former }, call) {
      const { ListenerArn, arns } = readAll(properties);
      const gone = readAll(former.properties).arns.filter((arn) => !arns.includes(arn));
      await AddListenerCertificates({ ListenerArn, Certificates: listed(arns) }, call);
      if (gone.length > 0) await RemoveListenerCertificates({ ListenerArn, Certificates: listed(gone) }, call);
      return { physicalId, attributes };
    },
    async read({ properties }, call) {
      const { ListenerArn, arns } = readAll(properties);
      const reading = deps.peers.elasticloadbalancing.DescribeListenerCertificates({ ListenerArn }, call);
      const found = await unlessAbsent(reading, "ListenerNotFoundException");
      if (found === undefined) return undefined;
      const present = (found.Certificates ?? []).flatMap(({ CertificateArn }) => CertificateArn ?? []);
      return { ListenerArn, Certificates: listed(arns.filter((arn) => present.includes(arn))) };
    },
    async delete({ properties }, call) {
      const { ListenerArn, arns } = readAll(properties);
      try {
        await RemoveListenerCertificates({ ListenerArn, Certificates: listed(arns) }, call);
      } catch (error) {
        // The listener went with its certificates.
        if (!isFault(error, "ListenerNotFoundException")) throw error;
      }
    },
  };
}
