/** Lays what botocore knows (lengths, ranges, patterns, enums, kinds of number) over a table made from a client. */
import type { Constraints, MemberRow, ScalarName, StructureRow, Table, TypeRow } from "../../src/wire/table.ts";
import type { Model, ModelShape } from "./botocore.ts";

/** What is known of one place; `number` is the kind of number it holds. */
interface Note extends Constraints {
  number?: ScalarName;
}
/** Keyed `Structure.member`, then `[]` for the items of a list, `{k}` and `{v}` for the keys and values of a map. */
type Overlay = Map<string, Note>;

const numberKinds: Readonly<Record<string, ScalarName>> = {
  integer: "integer",
  long: "long",
  float: "float",
  double: "double",
};

/** The table with the constraints of everything that an input of `model` reaches. */
export function overlayOfModel(table: Table, model: Model): Table {
  const overlay: Overlay = new Map();
  const seen = new Set<string>();
  for (const [name, [input]] of Object.entries(table.operations)) {
    const shape = model.operations[name]?.input?.shape;
    if (input !== null && shape !== undefined) walk(table, model, `#${input}`, shape, "", overlay, seen);
  }
  return lay(table, overlay);
}

/** The table with the constraints that `before` has. */
export function overlayOfTable(table: Table, before: Table): Table {
  const overlay: Overlay = new Map();
  const note = (row: MemberRow, path: string) => {
    const [type, traits] = split(row);
    const { min, max, pattern, enum: values } = traits;
    const found: Note = {
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      ...(pattern !== undefined && { pattern }),
      ...(values !== undefined && { enum: values }),
      ...(typeof type === "string" && type in numberKinds && { number: numberKinds[type] as ScalarName }),
    };
    overlay.set(path, found);
    if (typeof type === "string") return;
    if ("list" in type) note(type.list, `${path}[]`);
    else {
      note(type.key, `${path}{k}`);
      note(type.value, `${path}{v}`);
    }
  };
  for (const [name, [members]] of Object.entries(before.structures)) {
    for (const [member, row] of Object.entries(members)) note(row, `${name}.${member}`);
  }
  return lay(table, overlay);
}

/** Goes through a type of the table and the model's shape of the same thing side by side. */
function walk(
  table: Table,
  model: Model,
  row: MemberRow,
  shapeName: string,
  path: string,
  overlay: Overlay,
  seen: Set<string>,
): void {
  const [type] = split(row);
  const shape = model.shapes[shapeName];
  if (shape === undefined) throw new Error(`${path}: botocore has no shape ${shapeName}`);
  if (path !== "") overlay.set(path, noteOf(shape, path));
  if (typeof type !== "string") {
    const inner: [MemberRow, ModelShape["member"], string][] =
      "list" in type
        ? [[type.list, shape.member, "[]"]]
        : [
            [type.key, shape.key, "{k}"],
            [type.value, shape.value, "{v}"],
          ];
    for (const [next, member, suffix] of inner) {
      if (member !== undefined) walk(table, model, next, member.shape, path + suffix, overlay, seen);
    }
    return;
  }
  if (!type.startsWith("#") || seen.has(type)) return;
  seen.add(type);
  const name = type.slice(1);
  for (const [member, next] of Object.entries(structureOf(table, name)[0])) {
    const modelMember = shape.members?.[member];
    if (modelMember !== undefined) walk(table, model, next, modelMember.shape, `${name}.${member}`, overlay, seen);
  }
}

function structureOf(table: Table, name: string): StructureRow {
  const structure = table.structures[name];
  if (structure === undefined) throw new Error(`${table.service} has no structure ${name}`);
  return structure;
}

/** Enums that the service refuses by itself, in words of its own: here the check would come first with others. */
const refusedByService = new Set([
  "CreateFunctionRequest.Runtime",
  "UpdateFunctionConfigurationRequest.Runtime",
  // SQS: `InvalidAttributeName`, "Unknown Attribute x."
  "CreateQueueRequest.Attributes{k}",
  "GetQueueAttributesRequest.AttributeNames[]",
  "ReceiveMessageRequest.AttributeNames[]",
  "ReceiveMessageRequest.MessageSystemAttributeNames[]",
  "SendMessageBatchRequestEntry.MessageSystemAttributes{k}",
  "SendMessageRequest.MessageSystemAttributes{k}",
  "SetQueueAttributesRequest.Attributes{k}",
]);

/** The constraints of a shape that this program can enforce. */
export function noteOf(shape: ModelShape, path: string): Note {
  const note: Note = {};
  const number = numberKinds[shape.type];
  if (number !== undefined) note.number = number;
  if (shape.type === "structure") return note;
  if (shape.min !== undefined) note.min = shape.min;
  if (shape.max !== undefined) note.max = shape.max;
  if (shape.enum !== undefined && shape.enum.length > 0 && !refusedByService.has(path)) note.enum = shape.enum;
  if (shape.pattern !== undefined) {
    const pattern = portable(shape.pattern);
    if (pattern === undefined) console.warn(`${path}: dropped a pattern that JavaScript cannot read: ${shape.pattern}`);
    else if (pattern !== "") note.pattern = pattern;
  }
  return note;
}

/** The pattern if JavaScript reads it as Java does; empty when it lets everything pass; undefined when it cannot. */
function portable(pattern: string): string | undefined {
  if (/^\^?(\.\*|\[\\s\\S\]\*)\$?$/.test(pattern)) return "";
  // Without `u`, `\p{L}` would be read as letters; and `&&` in a class is Java's intersection.
  if (pattern.includes("&&")) return undefined;
  return (pattern.includes("\\p{") ? ["u"] : ["u", ""]).some((flags) => compiles(pattern, flags)) ? pattern : undefined;
}

function compiles(pattern: string, flags: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, flags).flags === flags;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function lay(table: Table, overlay: Overlay): Table {
  const structures = Object.entries(table.structures).map(([name, [members, required, ...traits]]) => {
    const laid = Object.entries(members).map(([member, row]) => [member, layMember(row, `${name}.${member}`, overlay)]);
    return [name, [Object.fromEntries(laid), required, ...traits]];
  });
  return { ...table, structures: Object.fromEntries(structures) };
}

function layMember(row: MemberRow, path: string, overlay: Overlay): MemberRow {
  const [type, traits] = split(row);
  const { number, ...constraints } = overlay.get(path) ?? {};
  const all = { ...traits, ...constraints };
  const laid = layType(type === "number" && number !== undefined ? number : type, path, overlay);
  return Object.keys(all).length === 0 ? laid : [laid, all];
}

function layType(type: TypeRow, path: string, overlay: Overlay): TypeRow {
  if (typeof type === "string") return type;
  if ("list" in type) return { list: layMember(type.list, `${path}[]`, overlay) };
  return { key: layMember(type.key, `${path}{k}`, overlay), value: layMember(type.value, `${path}{v}`, overlay) };
}

/** A row as its type and its traits. */
function split(row: MemberRow): readonly [TypeRow, Exclude<Extract<MemberRow, readonly unknown[]>[1], undefined>] {
  return Array.isArray(row) ? (row as Extract<MemberRow, readonly unknown[]>) : [row as TypeRow, {}];
}
