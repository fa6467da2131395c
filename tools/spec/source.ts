/** AWS's resource specification (`@aws-cdk/aws-service-spec`), as rows: names, types and behaviour, without its prose. */
import { loadAwsServiceSpecSync } from "@aws-cdk/aws-service-spec";
import type {
  Attribute,
  Property,
  PropertyType,
  Resource,
  SpecDatabase,
  TypeDefinition,
} from "@aws-cdk/service-spec-types";
import type {
  PropertyRows,
  ResourceTypeRow,
  ResourceTypeRows,
  TypeRow,
} from "../../src/services/cloudformation/spec/rows.ts";

/**
 * A type that takes more characters keeps its own properties, and JSON of any form is inside them: dashboards and video
 * channels (4 of 1,800 types) would be a sixth of the file.
 */
const rowLengthMax = 16_384;

/** Every resource type that AWS has, in the order of their names. */
export function readSpecification(): ResourceTypeRows {
  const db = loadAwsServiceSpecSync();
  const rows = db
    .all("resource")
    .map((resource): [string, ResourceTypeRow] => [resource.cloudFormationType, bounded(rowOf(resource, db))]);
  return Object.fromEntries(rows.toSorted(byName));
}

function bounded(row: ResourceTypeRow): ResourceTypeRow {
  if (JSON.stringify(row).length <= rowLengthMax) return row;
  const { structures: _, properties, ...rest } = row;
  return {
    ...rest,
    properties: Object.fromEntries(Object.entries(properties).map(([key, type]) => [key, outer(type)])),
  };
}

/** The type with what is inside structures left open. */
function outer(type: TypeRow): TypeRow {
  if (typeof type === "string") return type.replace(/@.*$/, "j");
  const [mark, ...inner] = type;
  if (mark === "=") return type;
  return JSON.stringify(inner).includes("@") ? "j" : type;
}

/** Structures that a resource type uses, named once each. */
interface Structures {
  nameOf(definition: TypeDefinition): string;
}

function rowOf(resource: Resource, db: SpecDatabase): ResourceTypeRow {
  const names = new Map<string, string>();
  const structures = new Map<string, PropertyRows>();
  const nameOf = (definition: TypeDefinition): string => {
    const known = names.get(definition.$id);
    if (known !== undefined) return known;
    const taken = structures.has(definition.name);
    const name = taken ? `${definition.name}${structures.size}` : definition.name;
    // Known before its properties are read: a structure may hold itself.
    names.set(definition.$id, name);
    structures.set(name, {});
    structures.set(name, propertiesOf(definition.properties, db, { nameOf }));
    return name;
  };
  const properties = propertiesOf(resource.properties, db, { nameOf });
  const attributes = Object.entries(resource.attributes).map(([name, attribute]): [string, TypeRow] => [
    name,
    attributeRow(attribute, db, { nameOf }),
  ]);
  const { primaryIdentifier = [] } = resource;
  return {
    properties,
    ...(attributes.length === 0 ? {} : { attributes: sorted(attributes) }),
    ...(primaryIdentifier.length === 0 ? {} : { identifier: primaryIdentifier }),
    ...(structures.size === 0 ? {} : { structures: sorted([...structures]) }),
  };
}

function propertiesOf(
  properties: Readonly<Record<string, Property>>,
  db: SpecDatabase,
  structures: Structures,
): PropertyRows {
  return sorted(
    Object.entries(properties).map(([name, property]): [string, TypeRow] => [
      name + (property.required === true ? "!" : "") + replacementMark(property),
      typeRow(property.type, db, structures),
    ]),
  );
}

function replacementMark({ causesReplacement }: Property): string {
  if (causesReplacement === "yes") return "*";
  return causesReplacement === "maybe" ? "?" : "";
}

/** An attribute is looked at for its kind alone: structures inside it have their names nowhere else. */
function attributeRow({ type }: Attribute, db: SpecDatabase, structures: Structures): TypeRow {
  if (type.type === "ref" || type.type === "map") return "j";
  if (type.type === "array") return "[]j";
  return type.type === "string" ? "s" : typeRow(type, db, structures);
}

const letters = {
  boolean: "b",
  "date-time": "d",
  json: "j",
  null: "j",
  number: "n",
  tag: "t",
} as const;

function typeRow(type: PropertyType, db: SpecDatabase, structures: Structures): TypeRow {
  switch (type.type) {
    case "string":
      return type.allowedValues === undefined ? "s" : ["=", ...type.allowedValues.toSorted()];
    case "integer":
      return type.allowedValues === undefined ? "i" : ["=", ...type.allowedValues];
    case "array":
      return collection("[]", typeRow(type.element, db, structures));
    case "map":
      return collection("{}", typeRow(type.element, db, structures));
    case "union":
      return ["|", ...type.types.map((inner) => typeRow(inner, db, structures))];
    case "ref":
      return `@${structures.nameOf(db.get("typeDefinition", type.reference))}`;
    default:
      return letters[type.type];
  }
}

function collection(mark: "[]" | "{}", inner: TypeRow): TypeRow {
  return typeof inner === "string" ? mark + inner : [mark, inner];
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);

function sorted<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.fromEntries(entries.toSorted(byName));
}
