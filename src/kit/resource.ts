/** CloudFormation resource types: they run inside the service that owns them, and CloudFormation only drives them. */
import type { Call } from "./call.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface ResourceRequest {
  /** The same for every attempt at this step: `create` with a token it has seen gives what it made then. */
  token: string;
  stackId: string;
  stackName: string;
  logicalId: string;
  /** Generated before the first attempt, for types with `name`; the template's own name where it gives one. */
  physicalName: string;
  /** Resolved, without intrinsic functions. */
  properties: JsonObject;
  /** The resource's `Metadata: { Mikan: ... }`; empty when absent. */
  metadata: JsonObject;
  /** Stack tags and `aws:cloudformation:*`. */
  tags: Readonly<Record<string, string>>;
}

export interface ResourceState {
  /** What `Ref` gives. */
  physicalId: string;
  /** What `Fn::GetAtt` gives, by attribute name; nested ones with dots. */
  attributes: Readonly<Record<string, Json>>;
}

export interface Resource {
  /** `AWS::Lambda::Function`. */
  type: string;
  /** Properties that the type knows; another one fails the resource by name. */
  properties: readonly string[];
  required: readonly string[];
  /** Attributes that `Fn::GetAtt` may ask for. */
  attributes: readonly string[];
  /** How a name is made when the template gives none: `stack-logical-SUFFIX`, cut to `lengthMax`. */
  name?: { property: string; lengthMax: number; lowerCase?: boolean };
  /** Idempotent under `request.token`. Throws a fault whose message becomes the status reason. */
  create(request: ResourceRequest, call: Call): Promise<ResourceState>;
  /** Idempotent: what is gone already is fine. */
  delete(request: ResourceRequest & ResourceState, call: Call): Promise<void>;
}
