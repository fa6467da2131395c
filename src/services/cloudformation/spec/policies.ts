/** What a template says to Mikan alone, under `Metadata: { Mikan: ... }` of a resource, against what its type takes there. */
import { unresolved, type Json, type JsonObject, type Resource } from "../../../kit/resource.ts";
import { isList, isMap, member } from "../json.ts";
import type { Template } from "../template.ts";
import { wrongAt, type Finding } from "./finding.ts";
import { yieldOf, type Known } from "./yields.ts";

/** What the types of the resources do not take, and what would be without effect: never a silent success. */
export function policyFindings(
  { resources }: Pick<Template, "resources">,
  known: Known,
  typeOf: (type: string) => Resource | undefined,
): readonly Finding[] {
  return [...resources].flatMap(([id, { type, metadata, properties }]): readonly Finding[] => {
    const said = member(metadata, "Mikan");
    const own = typeOf(type);
    if (said === undefined || own === undefined) return [];
    const path = ["Resources", id, "Metadata", "Mikan"];
    if (own.policyFaults === undefined) {
      return [{ ...wrongAt(path, `${type} takes nothing from Metadata.Mikan`), at: "name" }];
    }
    const document = settled(said, known);
    if (document === undefined || document === unresolved) return [];
    if (!isMap(document)) return [wrongAt(path, `Metadata.Mikan of ${type} must be an object`)];
    return own
      .policyFaults(document, settledMap(properties, known))
      .map(({ path: steps, message }) => ({ ...wrongAt([...path, ...steps], message), at: "name" }));
  });
}

/** The value with its functions settled as far as that is known; undefined where nothing will be there. */
function settled(value: Json, known: Known): Json | undefined {
  const yielded = yieldOf(value, known);
  switch (yielded.kind) {
    case "nothing":
      return undefined;
    case "value":
      return yielded.value;
    case "branches": {
      const [only, ...others] = yielded.branches;
      return only === undefined || others.length > 0 ? unresolved : settled(only.value, known);
    }
    case "data":
      break;
    default:
      return unresolved;
  }
  if (isList(value)) return value.map((item) => settled(item, known)).filter((item) => item !== undefined);
  return isMap(value) ? settledMap(value, known) : value;
}

function settledMap(map: JsonObject, known: Known): JsonObject {
  const entries = Object.entries(map).map(([name, value]) => [name, settled(value, known)] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined));
}
