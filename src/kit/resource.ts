/** CloudFormation resource types: they run inside the service that owns them, and CloudFormation only drives them. */
import { Fault, isFault } from "../base/errors.ts";
import type { Call } from "./call.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** In what a resource checks before it is made: a value that only the stack will know. It is known by its identity. */
export const unresolved: JsonObject = Object.freeze({});

/** One thing that is wrong under `Metadata: { Mikan: ... }`. */
export interface PolicyFault {
  /** Steps from there. */
  path: readonly (string | number)[];
  message: string;
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

/** A change in place: the request is what the resource is to be; the state and `former` are what it is. */
export interface ResourceUpdate extends ResourceRequest, ResourceState {
  former: Pick<ResourceRequest, "properties" | "metadata" | "tags">;
}

/**
 * How a property is compared for drift, by its name at any depth; others by what the template names, lists in any order.
 * `exact`: every member counts, as in a policy or a map of the user's own keys; `ordered`: a list's order counts;
 * `unread`: its service does not give it back.
 */
export type Comparison = Readonly<Partial<Record<string, "exact" | "ordered" | "unread">>>;

/** A failure that the stack tells in these words alone, without the frame that AWS puts around a service's message. */
export class ResourceFailure extends Fault {
  /** The physical id of what a failed `create` has left behind all the same: a rollback deletes it. */
  readonly left: string | undefined;

  constructor(message: string, left?: string) {
    super("ValidationError", message);
    this.left = left;
  }
}

export interface Resource {
  /** `AWS::Lambda::Function`. */
  type: string;
  /** Properties that the type knows; another one fails the resource by name. */
  properties: readonly string[];
  required: readonly string[];
  /** Takes properties that are not named here. */
  open?: boolean;
  /** The longest that a step may take, in milliseconds, where it is not CloudFormation's usual limit. */
  stepMsMax?: number;
  /**
   * What is wrong with what a template says under `Metadata: { Mikan: ... }`, before anything is made; both documents have
   * {@link unresolved} where a value is not known yet. A type without it takes nothing there.
   */
  policyFaults?(metadata: JsonObject, properties: JsonObject): readonly PolicyFault[];
  /** Attributes that `Fn::GetAtt` may ask for. */
  attributes: readonly string[];
  /** Attributes that begin so are known to the resource alone: `Outputs.`. */
  attributePrefix?: string;
  /** How a name is made when the template gives none: `stack-logical-SUFFIX`, cut to `lengthMax`. */
  name?: { property: string; lengthMax: number; lowerCase?: boolean };
  /** Idempotent under `request.token`. Throws a fault whose message becomes the status reason. */
  create(request: ResourceRequest, call: Call): Promise<ResourceState>;
  /** Properties whose change makes a new resource in the place of the old one. The name's property always does. */
  replaceOn?: readonly string[];
  /**
   * Makes an existing resource as `request.properties` say; without it, every change replaces. Idempotent, and also
   * called to take a change back that has failed half way: the resource may be anything between the two. Another
   * physical id in the answer says that another resource has taken the place of the old one, which is deleted when the
   * stack's update is over.
   */
  update?(request: ResourceUpdate, call: Call): Promise<ResourceState>;
  /**
   * The properties as they are now, in the template's shape; undefined when the resource is gone. What the template does
   * not name may be there or not. Without it, drift of the type is not checked.
   */
  read?(request: ResourceRequest & ResourceState, call: Call): Promise<JsonObject | undefined>;
  comparison?: Comparison;
  /** Idempotent: what is gone already is fine. */
  delete(request: ResourceRequest & ResourceState, call: Call): Promise<void>;
}

/** What is read, or undefined where the service answers with one of these faults: there is no such thing. */
export async function unlessAbsent<T>(reading: Promise<T>, ...codes: readonly string[]): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isFault(error) && codes.includes(error.code)) return undefined;
    throw error;
  }
}

/** What an operation answered, as JSON: members that are undefined are left out, dates are text. */
export function asProperties(answer: object): JsonObject {
  return JSON.parse(JSON.stringify(answer)) as JsonObject;
}

/** Tags, or attributes, as templates list them. */
export function pairsOf(pairs: Readonly<Record<string, string>>): readonly JsonObject[] {
  return Object.entries(pairs).map(([Key, Value]) => ({ Key, Value }));
}
