/** The policies of a template's rules, listeners and target groups, judged before anything is made of them. */
import type { JsonObject, PolicyFault } from "../../kit/resource.ts";
import { checkFitsAction, checkFitsProtocol, policyShapes } from "./policies.ts";
import { isObject, members, NotKnown, PolicyRefusal } from "./policy-readers.ts";

type Kind = keyof typeof policyShapes;

const called = { rule: "rules", listener: "listeners", "target-group": "target groups" } as const satisfies Record<
  Kind,
  string
>;
const kinds = ["rule", "listener", "target-group"] as const satisfies readonly Kind[];

/**
 * What is wrong with them: of each policy, the first thing. `properties` are the resource's; in both documents a value that
 * is not known yet is `unresolved` of `kit/resource.ts`.
 */
export function policyFaults(kind: Kind, document: JsonObject, properties: JsonObject): readonly PolicyFault[] {
  const read = members(policyShapes[kind]);
  return Object.entries(document).flatMap(([name, value]) => {
    const policy = { [name]: value };
    try {
      read(policy, "Mikan");
      if (kind === "target-group") checkGroup(policy, properties);
      else checkRule(policy, properties[kind === "rule" ? "Actions" : "DefaultActions"]);
      return [];
    } catch (error) {
      // What is not known yet is judged when it is.
      if (error instanceof NotKnown) return [];
      if (!(error instanceof PolicyRefusal)) throw error;
      return [{ path: stepsOf(error.at), message: `${error.message}${otherPlace(kind, name)}` }];
    }
  });
}

/** `Mikan.Retry.On[1]` -> `["Retry", "On", 1]`. */
function stepsOf(place: string): readonly (string | number)[] {
  const [, ...steps] = place.split(/[.[\]]+/).filter((step) => step !== "");
  return steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/** Where a policy may stand that may not stand here. */
function otherPlace(kind: Kind, name: string): string {
  if (Object.hasOwn(policyShapes[kind], name)) return "";
  const places = kinds.filter((other) => Object.hasOwn(policyShapes[other], name)).map((other) => called[other]);
  return places.length === 0 ? "" : `; ${name} is for ${places.join(" and ")}`;
}

function checkRule(policy: JsonObject, actions: JsonObject[string] | undefined): void {
  const types = Array.isArray(actions) ? actions.map((action) => (isObject(action) ? action["Type"] : undefined)) : [];
  const own = types.find((type) => type === "redirect" || type === "fixed-response");
  if (typeof own === "string") checkFitsAction(policy, own);
}

function checkGroup(policy: JsonObject, { TargetType, Protocol }: JsonObject): void {
  if (TargetType === "lambda") checkFitsProtocol(policy, undefined);
  else if (typeof Protocol === "string") checkFitsProtocol(policy, Protocol);
}
