/** AWS::S3::BucketPolicy. */
import type { Call } from "../../kit/call.ts";
import type { Resource, ResourceRequest } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { gone } from "./bucket-properties.ts";
import { configurationOperations } from "./configurations.ts";
import { fault } from "./faults.ts";
import { bucketPolicyReader } from "./live.ts";

export function bucketPolicyResource(deps: Deps): Resource {
  const { PutBucketPolicy, DeleteBucketPolicy } = configurationOperations(deps);
  const put = async ({ properties }: Pick<ResourceRequest, "properties">, call: Call) => {
    const { Bucket, PolicyDocument } = properties;
    if (typeof Bucket !== "string") throw fault("InvalidArgument", "Property Bucket must be text.");
    const Policy = typeof PolicyDocument === "string" ? PolicyDocument : JSON.stringify(PolicyDocument);
    await PutBucketPolicy({ Bucket, Policy }, call);
    return { physicalId: Bucket, attributes: {} };
  };
  return {
    type: "AWS::S3::BucketPolicy",
    properties: ["Bucket", "PolicyDocument"],
    required: ["Bucket", "PolicyDocument"],
    attributes: [],
    replaceOn: ["Bucket"],
    create: put,
    update: put,
    read: bucketPolicyReader(deps),
    comparison: { PolicyDocument: "exact" },
    delete: ({ physicalId }, call) => gone(DeleteBucketPolicy({ Bucket: physicalId }, call)),
  };
}
