/** A table from an official client: its public `X$` schemas, and the protocol settings in `runtimeConfig.shared.js`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type {
  MemberRow,
  MemberTraits,
  OperationRow,
  OperationTraits,
  ProtocolName,
  ScalarName,
  StructureRow,
  StructureTraits,
  Table,
  TypeRow,
} from "../../src/wire/table.ts";

export interface SdkSource {
  /** Key of the service, and name of the table. */
  service: string;
  /** Package below `@aws-sdk/`. */
  client: string;
}

/** Kinds that a schema tuple starts with (Smithy's static schemas, `@smithy/types`). */
const kinds = { simple: 0, list: 1, map: 2, structure: 3, error: -3, union: 4, operation: 9 } as const;

const scalars: Readonly<Record<number, ScalarName>> = {
  0: "string",
  1: "number",
  2: "boolean",
  4: "timestamp",
  5: "date-time",
  6: "http-date",
  7: "epoch-seconds",
  15: "document",
  17: "bigint",
  19: "bigdecimal",
  21: "blob",
  42: "stream",
};
const listBit = 64;
const mapBit = 128;

/** What a number in the place of traits stands for, by bit. */
const traitBits = [
  "httpLabel",
  "idempotent",
  "idempotencyToken",
  "sensitive",
  "httpPayload",
  "httpResponseCode",
  "httpQueryParams",
] as const;

const memberTraits: ReadonlySet<string> = new Set<keyof MemberTraits>([
  "httpLabel",
  "httpQuery",
  "httpQueryParams",
  "httpHeader",
  "httpPrefixHeaders",
  "httpPayload",
  "httpResponseCode",
  "idempotencyToken",
  "sensitive",
  "sparse",
  "jsonName",
  "xmlName",
  "xmlFlattened",
  "xmlAttribute",
  "xmlNamespace",
  "ec2QueryName",
  "eventPayload",
]);
const structureTraits: ReadonlySet<string> = new Set<keyof StructureTraits>([
  "xmlName",
  "xmlNamespace",
  "error",
  "httpError",
  "awsQueryError",
  "streaming",
]);
/**
 * Traits that say nothing to a server of ours: checked by the client, or known from elsewhere. `sensitive` is kept where
 * it stands at a member; a structure as a whole is never repeated in a message.
 */
const ignoredTraits = new Set(["idempotent", "endpoint", "hostLabel", "streaming", "sensitive"]);

const protocols: Readonly<Record<string, ProtocolName>> = {
  AwsJson1_0Protocol: "awsJson1_0",
  AwsJson1_1Protocol: "awsJson1_1",
  AwsQueryProtocol: "awsQuery",
  AwsEc2QueryProtocol: "ec2Query",
  AwsRestJsonProtocol: "restJson1",
  AwsRestXmlProtocol: "restXml",
  S3RestXmlProtocol: "restXml",
};

type Schema = readonly unknown[];
/** What the SDK writes as "unit": a structure without members. */
const unit: Schema = [kinds.structure, "", "Unit", 0, [], []];
const isSchema = (value: unknown): value is Schema => Array.isArray(value) && typeof value[1] === "string";

function traitsOf(value: unknown, wanted: ReadonlySet<string>, where: string): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  if (typeof value === "number") {
    for (const [bit, name] of traitBits.entries()) if ((value >> bit) & 1) all[name] = 1;
  } else if (typeof value === "object" && value !== null) {
    Object.assign(all, value);
  }
  const kept: Record<string, unknown> = {};
  for (const [name, trait] of Object.entries(all)) {
    if (wanted.has(name)) kept[name] = trait;
    else if (!ignoredTraits.has(name)) throw new Error(`${where}: unknown trait ${name}`);
  }
  return kept;
}

/** Walks schemas from the operations, gathering the structures that they reach. */
class Walk {
  readonly structures = new Map<string, StructureRow>();
  /** Structures by name that are a streaming union, that is, an event stream. */
  readonly eventStreams = new Set<string>();
  readonly #schemas = new Map<string, Schema>();

  structure(schema: Schema): string {
    const [kind, , name, traits, names, refs, required] = schema as [
      number,
      string,
      string,
      unknown,
      string[],
      unknown[],
      number?,
    ];
    const seen = this.#schemas.get(name);
    if (seen !== undefined) {
      if (seen !== schema) throw new Error(`two structures are named ${name}`);
      return name;
    }
    this.#schemas.set(name, schema);
    if (kind === kinds.union && typeof traits === "object" && traits !== null && "streaming" in traits) {
      this.eventStreams.add(name);
    }
    const members: Record<string, MemberRow> = {};
    for (const [i, member] of names.entries()) {
      if (member in Object.prototype || /^\d/.test(member)) throw new Error(`${name}: unsafe member name ${member}`);
      members[member] = this.member(refs[i], `${name}.${member}`);
    }
    const kept = traitsOf(traits, structureTraits, name);
    if (kind === kinds.union) kept["union"] = 1;
    const row = [members, required ?? 0] as const;
    this.structures.set(name, Object.keys(kept).length === 0 ? row : [...row, kept]);
    return name;
  }

  member(ref: unknown, where: string): MemberRow {
    const traits: Record<string, unknown> = {};
    let at = ref;
    while (typeof at === "function" || (Array.isArray(at) && !isSchema(at))) {
      if (typeof at === "function") {
        at = (at as () => unknown)();
      } else {
        Object.assign(traits, traitsOf(at[1], memberTraits, where));
        at = at[0];
      }
    }
    const [type, own] = this.type(at, where);
    const all = { ...own, ...traits };
    return Object.keys(all).length === 0 ? type : [type, all];
  }

  type(schema: unknown, where: string): [TypeRow, Record<string, unknown>] {
    if (schema === "unit") return [`#${this.structure(unit)}`, {}];
    if (typeof schema === "number") return [simpleType(schema, where), {}];
    if (!isSchema(schema)) throw new Error(`${where}: no schema`);
    const [kind, , name, traits] = schema;
    switch (kind) {
      case kinds.simple:
        return [simpleType(schema[4], where), traitsOf(traits, memberTraits, String(name))];
      case kinds.list:
        return [{ list: this.member(schema[4], where) }, traitsOf(traits, memberTraits, String(name))];
      case kinds.map:
        return [
          { key: this.member(schema[4], where), value: this.member(schema[5], where) },
          traitsOf(traits, memberTraits, String(name)),
        ];
      case kinds.structure:
      case kinds.union:
      case kinds.error:
        return [`#${this.structure(schema)}`, {}];
      default:
        throw new Error(`${where}: unknown kind of schema ${String(kind)}`);
    }
  }
}

function simpleType(code: unknown, where: string): TypeRow {
  if (typeof code !== "number") throw new Error(`${where}: unknown simple schema`);
  if (code & mapBit) return { key: "string", value: scalarOf(code & ~mapBit, where) };
  if (code & listBit) return { list: scalarOf(code & ~listBit, where) };
  return scalarOf(code, where);
}

function scalarOf(code: number, where: string): ScalarName {
  const name = scalars[code];
  if (name === undefined) throw new Error(`${where}: unknown simple schema ${code}`);
  return name;
}

/** The settings that a client passes to its protocol; they are in no export, so the file is read. */
function settingsOf(
  client: string,
): Pick<Table, "protocol" | "version" | "namespace" | "targetPrefix"> & Partial<Table> {
  const main = createRequire(import.meta.url).resolve(`@aws-sdk/${client}`);
  const text = readFileSync(new URL("../dist-es/runtimeConfig.shared.js", `file://${main}`), "utf8");
  const find = (pattern: RegExp, what: string) => {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw new Error(`${client}: no ${what} in runtimeConfig.shared.js`);
    return found;
  };
  const protocolClass = find(/protocol: config\?\.protocol \?\? (\w+)/, "protocol");
  const protocol = protocols[protocolClass];
  if (protocol === undefined) throw new Error(`${client}: unknown protocol ${protocolClass}`);
  const xmlNamespace = /xmlNamespace: "([^"]+)"/.exec(text)?.[1];
  return {
    protocol,
    ...(text.includes("awsQueryCompatible: true") && { queryCompatible: true }),
    version: find(/version: "([^"]+)"/, "version"),
    namespace: find(/defaultNamespace: "([^"]+)"/, "namespace"),
    targetPrefix: find(/serviceTarget: "([^"]+)"/, "service target"),
    ...(xmlNamespace !== undefined && { xmlNamespace }),
  };
}

/** The table of a client, without botocore's constraints; operations and structures in the order of their names. */
export async function sdkTable(source: SdkSource): Promise<Table> {
  const client = (await import(`@aws-sdk/${source.client}`)) as Record<string, unknown>;
  const walk = new Walk();
  const operations: Record<string, OperationRow> = {};
  for (const key of Object.keys(client).toSorted()) {
    const schema = client[key];
    if (!key.endsWith("$") || !isSchema(schema)) continue;
    if (schema[0] === kinds.operation) operations[String(schema[2])] = operationRow(walk, schema);
    // The service's own base exception is synthetic: it is a class of the client, not an error of the service.
    else if (schema[0] === kinds.error && !String(schema[1]).startsWith("smithy.ts.sdk.synthetic"))
      walk.structure(schema);
  }
  return {
    service: source.service,
    ...settingsOf(source.client),
    operations,
    structures: Object.fromEntries([...walk.structures].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function operationRow(walk: Walk, schema: Schema): OperationRow {
  const [, , name, traits, input, output] = schema as [number, string, string, unknown, () => unknown, () => unknown];
  const side = (of: unknown) => (isSchema(of) ? walk.structure(of) : null);
  const inputName = side(input());
  const outputName = side(output());
  const kept: OperationTraits = {};
  const { http, httpChecksum } = traitsOf(traits, new Set(["http", "httpChecksum"]), name);
  if (http !== undefined) kept.http = http as NonNullable<OperationTraits["http"]>;
  if (httpChecksum !== undefined) kept.checksum = 1;
  const events = eventsOf(walk, inputName, outputName);
  if (events !== undefined) kept.events = events;
  return Object.keys(kept).length === 0 ? [inputName, outputName] : [inputName, outputName, kept];
}

function eventsOf(walk: Walk, input: string | null, output: string | null): OperationTraits["events"] {
  const streams = (name: string | null) =>
    Object.values(name === null ? {} : (walk.structures.get(name)?.[0] ?? {})).some((member) => {
      const type = Array.isArray(member) ? member[0] : member;
      return typeof type === "string" && walk.eventStreams.has(type.slice(1));
    });
  if (streams(input)) return streams(output) ? "both" : "input";
  return streams(output) ? "output" : undefined;
}
