/**
 * The table of ec2, from botocore's model: its client is 28 MB, too much for a devDependency of everybody. Only the
 * descriptions of the default network have a codec; every other operation is known by name and answers 501.
 */
import type { MemberRow, OperationRow, ScalarName, StructureRow, Table, TypeRow } from "../../src/wire/table.ts";
import type { Model, ModelMember, ModelShape } from "./botocore.ts";
import { noteOf } from "./overlay.ts";

const operationNames = [
  "DescribeAccountAttributes",
  "DescribeAvailabilityZones",
  "DescribeInternetGateways",
  "DescribeNetworkInterfaces",
  "DescribeRegions",
  "DescribeSecurityGroups",
  "DescribeSubnets",
  "DescribeVpcs",
];

const scalars: Readonly<Record<string, ScalarName>> = {
  string: "string",
  boolean: "boolean",
  integer: "integer",
  long: "long",
  float: "float",
  double: "double",
  timestamp: "date-time",
  blob: "blob",
};

export function ec2Table(model: Model): Table {
  const structures = new Map<string, StructureRow>();
  const operations: Record<string, OperationRow> = {};
  for (const name of operationNames) {
    const operation = model.operations[name];
    if (operation === undefined) throw new Error(`botocore's ec2 has no operation ${name}`);
    const side = (ref: { shape: string } | undefined) => {
      if (ref === undefined) return null;
      structure(model, ref.shape, structures);
      return ref.shape;
    };
    operations[name] = [side(operation.input), side(operation.output)];
  }
  return {
    service: "ec2",
    protocol: "ec2Query",
    version: model.metadata.apiVersion,
    namespace: "com.amazonaws.ec2",
    targetPrefix: "AmazonEC2",
    xmlNamespace: `${model.metadata.xmlNamespace}/`,
    operations,
    structures: Object.fromEntries([...structures].sort(([a], [b]) => (a < b ? -1 : 1))),
    named: Object.keys(model.operations)
      .filter((name) => !(name in operations))
      .toSorted(),
  };
}

function shapeOf(model: Model, name: string): ModelShape {
  const shape = model.shapes[name];
  if (shape === undefined) throw new Error(`botocore's ec2 has no shape ${name}`);
  return shape;
}

function structure(model: Model, name: string, structures: Map<string, StructureRow>): void {
  if (structures.has(name)) return;
  structures.set(name, [{}, 0]);
  const shape = shapeOf(model, name);
  const required = new Set(shape.required);
  // The required ones come first, as in the SDK's schemas: a table counts them.
  const members = Object.entries(shape.members ?? {}).sort(
    ([a], [b]) => Number(required.has(b)) - Number(required.has(a)),
  );
  const rows = members.map(([member, ref]) => [member, memberRow(model, ref, `${name}.${member}`, structures)]);
  structures.set(name, [Object.fromEntries(rows), required.size]);
}

function memberRow(model: Model, ref: ModelMember, path: string, structures: Map<string, StructureRow>): MemberRow {
  const shape = shapeOf(model, ref.shape);
  const { number: _number, ...constraints } = noteOf(shape, path);
  const traits = {
    ...constraints,
    ...(ref.locationName !== undefined && { xmlName: ref.locationName }),
    ...(ref.queryName !== undefined && { ec2QueryName: ref.queryName }),
    ...(ref.idempotencyToken && { idempotencyToken: 1 as const }),
    ...(shape.sensitive && { sensitive: 1 as const }),
  };
  const type = typeRow(model, shape, ref.shape, path, structures);
  return Object.keys(traits).length === 0 ? type : [type, traits];
}

function typeRow(
  model: Model,
  shape: ModelShape,
  name: string,
  path: string,
  structures: Map<string, StructureRow>,
): TypeRow {
  if (shape.type === "structure") {
    structure(model, name, structures);
    return `#${name}`;
  }
  if (shape.type === "list" && shape.member !== undefined) {
    return { list: memberRow(model, shape.member, `${path}[]`, structures) };
  }
  const scalar = scalars[shape.type];
  if (scalar === undefined) throw new Error(`${path}: unknown type ${shape.type}`);
  return scalar;
}
