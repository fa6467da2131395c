/** What an intrinsic function can give, as far as that is known before anything is made. */
import { isFault } from "../../../base/errors.ts";
import { functionOf, getAttArguments, ifArguments, type FunctionName } from "../functions.ts";
import type { Json } from "../json.ts";
import type { ParameterDeclaration, ParameterValue } from "../parameters.ts";
import type { BranchOf } from "../references.ts";
import type { TemplateResource } from "../template.ts";
import { loadSpecification } from "./types.ts";

/** What is known of a template's names. */
export interface Known {
  /** Undefined where conditions are not known: both branches count. */
  branchOf: BranchOf;
  declarations: ReadonlyMap<string, ParameterDeclaration>;
  /** Empty where the template is checked without values. */
  values: ReadonlyMap<string, ParameterValue>;
  resources: ReadonlyMap<string, Pick<TemplateResource, "type">>;
}

export type Yield =
  /** Not a function. */
  | { kind: "data" }
  /** `AWS::NoValue`: nothing is there. */
  | { kind: "nothing" }
  | { kind: "branches"; branches: readonly { value: Json; step: 1 | 2 }[] }
  | { kind: "value"; value: Json }
  | { kind: "text" | "list" | "unknown" };

const listType = /(?:^|<)(?:CommaDelimitedList|List<)/;

export function yieldOf(value: Json, known: Known): Yield {
  const call = callIn(value);
  if (call === undefined) return { kind: "data" };
  if (call === "unreadable") return { kind: "unknown" };
  const [name, argument] = call;
  if (name === "Ref") return ofRef(argument, known);
  if (name === "Fn::If") return ofIf(argument, known);
  if (name === "Fn::GetAtt") return ofAttribute(argument, known);
  return { kind: kinds[name] ?? "unknown" };
}

/** A function that is not written right is somebody else's finding. */
function callIn(value: Json): readonly [FunctionName, Json] | "unreadable" | undefined {
  try {
    return functionOf(value);
  } catch (error) {
    if (!isFault(error)) throw error;
    return "unreadable";
  }
}

const kinds: Partial<Record<FunctionName, "text" | "list">> = {
  "Fn::Base64": "text",
  "Fn::Cidr": "list",
  "Fn::GetAZs": "list",
  "Fn::ImportValue": "text",
  "Fn::Join": "text",
  "Fn::Split": "list",
  "Fn::Sub": "text",
  "Fn::ToJsonString": "text",
};

function ofRef(name: Json, { declarations, values, resources }: Known): Yield {
  if (name === "AWS::NoValue") return { kind: "nothing" };
  if (name === "AWS::NotificationARNs") return { kind: "list" };
  if (typeof name !== "string") return { kind: "unknown" };
  const declaration = declarations.get(name);
  if (declaration === undefined) return { kind: resources.has(name) || name.startsWith("AWS::") ? "text" : "unknown" };
  const given = values.get(name);
  // What nobody may see is not looked at either: a finding would show it.
  if (given !== undefined && !declaration.noEcho) return { kind: "value", value: given.value };
  return { kind: listType.test(declaration.type) ? "list" : "text" };
}

function ofIf(argument: Json, { branchOf }: Known): Yield {
  try {
    const [condition, then, otherwise] = ifArguments(argument);
    const branches = [
      { value: then, step: 1 },
      { value: otherwise, step: 2 },
    ] as const;
    if (branchOf === undefined) return { kind: "branches", branches };
    return { kind: "branches", branches: [branches[branchOf(condition) ? 0 : 1]] };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { kind: "unknown" };
  }
}

function ofAttribute(argument: Json, { resources }: Known): Yield {
  try {
    const [resource, attribute] = getAttArguments(argument);
    const type = resources.get(resource)?.type;
    if (type === undefined || typeof attribute !== "string") return { kind: "unknown" };
    const found = loadSpecification().typeOf(type)?.attributes.get(attribute)?.kind;
    if (found === "list") return { kind: "list" };
    return { kind: found === "string" ? "text" : "unknown" };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { kind: "unknown" };
  }
}

/** Whether a property with this value is there: `perhaps` where a condition decides. */
export function presenceOf(value: Json | undefined, known: Known): "there" | "absent" | "perhaps" {
  if (value === undefined) return "absent";
  const yielded = yieldOf(value, known);
  if (yielded.kind === "nothing") return "absent";
  if (yielded.kind !== "branches") return "there";
  const [first = "there", second = first] = yielded.branches.map((branch) => presenceOf(branch.value, known));
  return first === second ? first : "perhaps";
}
