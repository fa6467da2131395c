/** CloudFormation types of layers: every change makes a new version in the place of the old one. */
import type { Resource } from "../../kit/resource.ts";
import { asProperties, unlessAbsent } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import type { LambdaDeps } from "./deps.ts";
import { invalid } from "./faults.ts";
import { layerVersionArn, layerVersionKey, ownLayer } from "./layer-names.ts";
import { layerPermissions } from "./layer-permissions.ts";
import { layerDeletion, layerPublication } from "./layers.ts";
import { isObject, required, text, texts, unlessGone } from "./template-values.ts";

/** `AWS::Lambda::LayerVersion`. */
export function layerVersionResource(deps: LambdaDeps): Resource {
  const publish = layerPublication(deps);
  const remove = layerDeletion(deps);
  return {
    type: "AWS::Lambda::LayerVersion",
    properties: ["CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo"],
    required: ["Content"],
    attributes: ["LayerVersionArn"],
    async create({ properties, logicalId, token }, call) {
      const content = properties["Content"];
      if (!isObject(content)) {
        throw invalid("'Content' must be an object with S3Bucket and S3Key; package local paths before deploying.");
      }
      const version = text(content["S3ObjectVersion"]);
      const input = {
        LayerName: text(properties["LayerName"]) ?? logicalId,
        Description: text(properties["Description"]),
        LicenseInfo: text(properties["LicenseInfo"]),
        CompatibleArchitectures: texts(properties, "CompatibleArchitectures"),
        CompatibleRuntimes: texts(properties, "CompatibleRuntimes"),
        Content: {
          S3Bucket: required(content, "S3Bucket"),
          S3Key: required(content, "S3Key"),
          ...(version === undefined ? {} : { S3ObjectVersion: version }),
        },
      };
      checkInput("lambda", "PublishLayerVersion", input);
      // The check has seen that these are runtimes and architectures.
      const arn = layerVersionArn(await publish(input as Parameters<typeof publish>[0], call, token));
      return { physicalId: arn, attributes: { LayerVersionArn: arn } };
    },
    async read({ physicalId: Arn }, call) {
      const absent = "ResourceNotFoundException";
      const found = await unlessAbsent(deps.peers.lambda.GetLayerVersionByArn({ Arn }, call), absent);
      const { CompatibleArchitectures, CompatibleRuntimes, Description, LicenseInfo } = found ?? {};
      return found && asProperties({ CompatibleArchitectures, CompatibleRuntimes, Description, LicenseInfo });
    },
    comparison: { Content: "unread", LayerName: "unread" },
    async delete({ physicalId }, call) {
      await remove(ownLayer(layerVersionKey(physicalId, call), call, "DeleteLayerVersion"));
    },
  };
}

/** `AWS::Lambda::LayerVersionPermission`. */
export function layerPermissionResource(deps: LambdaDeps): Resource {
  const { add, remove } = layerPermissions(deps);
  return {
    type: "AWS::Lambda::LayerVersionPermission",
    properties: ["Action", "LayerVersionArn", "OrganizationId", "Principal"],
    required: ["Action", "LayerVersionArn", "Principal"],
    attributes: ["Id"],
    // The statement has a generated id; CloudFormation has no such property.
    name: { property: "StatementId", lengthMax: 100 },
    async create({ properties, physicalName }, call) {
      const key = ownLayer(
        layerVersionKey(required(properties, "LayerVersionArn"), call),
        call,
        "AddLayerVersionPermission",
      );
      const permission = {
        statementId: physicalName,
        action: required(properties, "Action"),
        principal: required(properties, "Principal"),
        organizationId: text(properties["OrganizationId"]),
      };
      checkInput("lambda", "AddLayerVersionPermission", {
        LayerName: key.name,
        VersionNumber: key.version,
        StatementId: physicalName,
        Action: permission.action,
        Principal: permission.principal,
        OrganizationId: permission.organizationId,
      });
      await add(key, permission, { repeatable: true });
      const id = `${layerVersionArn(key)}#${physicalName}`;
      return { physicalId: id, attributes: { Id: id } };
    },
    async delete({ physicalId }, call) {
      const [arn = "", sid = ""] = physicalId.split("#");
      await unlessGone(remove(ownLayer(layerVersionKey(arn, call), call, "RemoveLayerVersionPermission"), sid));
    },
  };
}
