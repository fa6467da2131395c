/** What a caller must acknowledge before a template is run. Source: API reference, CreateStack, Capabilities. */
import { fault } from "./faults.ts";
import { member } from "./json.ts";
import type { TemplateResource } from "./template.ts";

export type Capability = "CAPABILITY_IAM" | "CAPABILITY_NAMED_IAM" | "CAPABILITY_AUTO_EXPAND";

/** The types whose making changes who may do what, and the property that names each. */
const iamNames: ReadonlyMap<string, string | undefined> = new Map([
  ["AWS::IAM::AccessKey", undefined],
  ["AWS::IAM::Group", "GroupName"],
  ["AWS::IAM::InstanceProfile", "InstanceProfileName"],
  ["AWS::IAM::ManagedPolicy", "ManagedPolicyName"],
  ["AWS::IAM::Policy", undefined],
  ["AWS::IAM::Role", "RoleName"],
  ["AWS::IAM::User", "UserName"],
  ["AWS::IAM::UserToGroupAddition", undefined],
]);

export interface Needed {
  capability: Capability;
  /** Resource types that need it. */
  types: readonly string[];
}

/** What the resources of a template need, or undefined. */
export function neededCapability(resources: ReadonlyMap<string, TemplateResource>): Needed | undefined {
  const iam = [...resources.values()].filter(({ type }) => iamNames.has(type));
  if (iam.length === 0) return undefined;
  const named = iam.some(({ type, properties }) => {
    const name = iamNames.get(type);
    return name !== undefined && member(properties, name) !== undefined;
  });
  return {
    capability: named ? "CAPABILITY_NAMED_IAM" : "CAPABILITY_IAM",
    types: [...new Set(iam.map(({ type }) => type))],
  };
}

export function requireCapability(needed: Capability, given: readonly string[]): void {
  if (given.includes(needed) || (needed === "CAPABILITY_IAM" && given.includes("CAPABILITY_NAMED_IAM"))) return;
  throw fault("InsufficientCapabilitiesException", `Requires capabilities : [${needed}]`);
}
