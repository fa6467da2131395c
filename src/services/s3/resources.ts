/** S3's CloudFormation types. */
import { formatArn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import type { Resource } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { bucketCreation, bucketOperations } from "./buckets.ts";

export function bucketResource(deps: Deps): Resource {
  const create = bucketCreation(deps);
  const { DeleteBucket } = bucketOperations(deps);
  return {
    type: "AWS::S3::Bucket",
    // Others (versioning, notifications, lifecycle ...) are not run yet and fail the resource by name.
    properties: ["BucketName", "Tags", "PublicAccessBlockConfiguration", "OwnershipControls", "BucketEncryption"],
    required: [],
    attributes: ["Arn", "DomainName", "RegionalDomainName"],
    name: { property: "BucketName", lengthMax: 63, lowerCase: true },
    async create({ physicalName, token }, call) {
      const { name, region } = await create(physicalName, call, token);
      return {
        physicalId: name,
        attributes: {
          Arn: formatArn({ service: "s3", region: "", account: "", resource: name }),
          DomainName: `${name}.s3.localhost`,
          RegionalDomainName: `${name}.s3.${region}.localhost`,
        },
      };
    },
    // As on creation, what these properties say is recorded by the stack and by nobody else.
    update: async ({ physicalId, attributes }) => ({ physicalId, attributes }),
    async delete({ physicalId }, call) {
      await DeleteBucket({ Bucket: physicalId }, call).catch((error: unknown) => {
        if (!isFault(error, "NoSuchBucket")) throw error;
      });
    },
  };
}
