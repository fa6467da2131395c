/** S3's CloudFormation types. */
import { formatArn } from "../../base/arn.ts";
import type { Resource } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { bucketConfigurator, bucketProperties, gone } from "./bucket-properties.ts";
import { bucketCreation, bucketOperations } from "./buckets.ts";
import { bucketComparison, bucketReader } from "./live.ts";

export function bucketResource(deps: Deps): Resource {
  const create = bucketCreation(deps);
  const { DeleteBucket } = bucketOperations(deps);
  const configure = bucketConfigurator(deps);
  return {
    type: "AWS::S3::Bucket",
    properties: bucketProperties,
    required: [],
    attributes: ["Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"],
    name: { property: "BucketName", lengthMax: 63, lowerCase: true },
    async create(request, call) {
      const { name, region } = await create(request.physicalName, call, request.token);
      try {
        await configure(name, request, call);
      } catch (error) {
        // A stack that could not make it whole knows nothing of it, and could not take it back.
        await gone(DeleteBucket({ Bucket: name }, call));
        throw error;
      }
      return {
        physicalId: name,
        attributes: {
          Arn: formatArn({ service: "s3", region: "", account: "", resource: name }),
          DomainName: `${name}.s3.localhost`,
          DualStackDomainName: `${name}.s3.${region}.localhost`,
          RegionalDomainName: `${name}.s3.${region}.localhost`,
          WebsiteURL: `http://${name}.s3-website.localhost:${new URL(deps.publicUrl()).port}`,
        },
      };
    },
    async update(request, call) {
      const { physicalId, attributes } = request;
      await configure(physicalId, request, call);
      return { physicalId, attributes };
    },
    read: bucketReader(deps),
    comparison: bucketComparison,
    delete: ({ physicalId }, call) => gone(DeleteBucket({ Bucket: physicalId }, call)),
  };
}
