/**
 * Macros: functions that rewrite a template, or a part of it, before it is read; and `AWS::Include`, which puts a file of
 * S3 in its place. Source: user guide, "Template macros" and "AWS::Include transform".
 */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { macros, type MacroRow } from "./callback-tables.ts";
import { invalid } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import { isList, isMap, member, type Json, type JsonObject } from "./json.ts";
import type { ParameterValue } from "./parameters.ts";
import { availabilityZones, pseudoParameter } from "./pseudo.ts";
import type { SourceReader } from "./source-reader.ts";
import { templateAt } from "./template-url.ts";

export const includeTransform = "AWS::Include";
export const macroFunction = "Fn::Transform";

/** A use of a macro: its name, its parameters as written, and what it is to rewrite. */
export interface MacroUse {
  name: string;
  parameters: JsonObject;
  fragment: JsonObject;
}

/** Where a template is expanded. */
export interface MacroContext {
  mappings: JsonObject;
  parameters: ReadonlyMap<string, ParameterValue>;
}

/** Runs one use, and gives what stands in place of its fragment. */
export type RunMacro = (use: MacroUse, context: MacroContext) => Promise<Json>;

/** Runs macros with the caller's rights. */
export function macrosIn(deps: Deps, reader: SourceReader, call: Call): RunMacro {
  return async ({ name, parameters, fragment }, context) => {
    const given = evaluate(parameters, scopeOf(context, call));
    const params = isMap(given) ? given : {};
    if (name === includeTransform) return included(fragment, await fileAt(params, { deps, reader }, call));
    const values = [...context.parameters].map(([key, { value }]): [string, Json] => [key, value]);
    return rewritten(name, { fragment, params, templateParameterValues: Object.fromEntries(values) }, deps, call);
  };
}

/** Parameters of macros may refer to what is known before anything is made. */
function scopeOf({ mappings, parameters }: MacroContext, { account, region }: Call): Scope {
  const unresolved = (name: string): never => {
    throw invalid(`Template error: ${name} cannot be resolved in the parameters of a transform`);
  };
  const pseudo = { account, region, stackId: "", stackName: "", notificationArns: [] };
  const ofStacks = new Set(["AWS::StackId", "AWS::StackName", "AWS::NotificationARNs"]);
  return {
    mappings,
    zones: (of) => availabilityZones(of === "" ? region : of),
    ref: (name) =>
      parameters.get(name)?.value ??
      (ofStacks.has(name) ? undefined : pseudoParameter(name, pseudo)) ??
      unresolved(`Ref to ${name}`),
    getAtt: (resource) => unresolved(`Fn::GetAtt of ${resource}`),
    condition: (name) => unresolved(`the condition ${name}`),
    importValue: (name) => unresolved(`the import ${name}`),
  };
}

function failed(name: string, why: string, cause?: Error) {
  return invalid(`Transform ${name} failed with: ${why}`, cause === undefined ? {} : { cause });
}

async function fileAt(params: JsonObject, { deps, reader }: { deps: Deps; reader: SourceReader }, call: Call) {
  const location = member(params, "Location");
  const [, bucket, key] = typeof location === "string" ? (/^s3:\/\/([^/]+)\/(.+)$/i.exec(location) ?? []) : [];
  if (bucket === undefined || key === undefined) {
    throw failed(includeTransform, "The location parameter is not a valid S3 uri.");
  }
  const path = key.split("/").map(encodeURIComponent).join("/");
  try {
    return await reader.read(await templateAt(`https://s3.amazonaws.com/${bucket}/${path}`, deps, call));
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    const why = cause.message.startsWith("Template format error")
      ? "The specified S3 object's content should be valid Yaml/JSON"
      : cause.message;
    throw failed(includeTransform, why, cause);
  }
}

/** At the top of a template, sections that are there already take in what the file has of them. */
function included(fragment: JsonObject, file: JsonObject): JsonObject {
  const merged = Object.entries(file).map(([name, value]): [string, Json] => {
    const there = member(fragment, name);
    return [name, isMap(there) && isMap(value) ? { ...there, ...value } : value];
  });
  return { ...fragment, ...Object.fromEntries(merged) };
}

/** Source: user guide, "Create a macro definition", the request's and the response's structure. */
async function rewritten(
  name: string,
  event: { fragment: JsonObject; params: JsonObject; templateParameterValues: JsonObject },
  { store, ids, peers }: Deps,
  call: Call,
): Promise<Json> {
  const { account, region } = call;
  const transformId = `${account}::${name}`;
  const macro = await store.read((tx) =>
    tx.one<MacroRow>(sql`select ${macros.columns} from ${macros.name}
      where account = ${account} and region = ${region} and name = ${name}`),
  );
  if (macro === undefined) throw invalid(`No transform named ${transformId} found.`);
  const requestId = ids.uuid();
  const Payload = Buffer.from(JSON.stringify({ region, accountId: account, transformId, requestId, ...event }));
  const answer = await peers.lambda
    .Invoke({ FunctionName: macro.function_name, Payload }, call)
    .catch((error: unknown) => {
      throw isFault(error) ? failed(transformId, error.message, error) : error;
    });
  if (answer.FunctionError !== undefined) throw invalid(`Transform ${transformId} failed without an error message.`);
  const response = parsed(answer.Payload ?? new Uint8Array());
  const malformed = () => invalid(`Received malformed response from transform ${transformId}`);
  if (!isMap(response) || member(response, "requestId") !== requestId) throw malformed();
  const status = member(response, "status");
  if (typeof status !== "string") throw malformed();
  if (status.toLowerCase() !== "success") {
    const why = member(response, "errorMessage");
    if (typeof why !== "string" || why === "") {
      throw invalid(`Transform ${transformId} failed without an error message.`);
    }
    throw failed(transformId, why);
  }
  const fragment = member(response, "fragment");
  if (fragment === undefined) throw malformed();
  return fragment;
}

function parsed(payload: Uint8Array): Json {
  const text = Buffer.from(payload).toString("utf8");
  // Lambda's answers are JSON, or nothing.
  return text === "" ? null : (JSON.parse(text) as Json);
}

/** The uses that a `Transform` section or an `Fn::Transform` names, in order. */
export function usesIn(section: Json): readonly Omit<MacroUse, "fragment">[] {
  return (isList(section) ? section : [section]).map((item: Json) => {
    const name = isMap(item) ? member(item, "Name") : item;
    if (typeof name !== "string") throw invalid("Key Name of transform definition must be a string.");
    const parameters = isMap(item) ? (member(item, "Parameters") ?? {}) : {};
    if (!isMap(parameters)) throw invalid("Parameters of a transform definition must be a map.");
    return { name, parameters };
  });
}

/** Names of the macros that are used within the template. */
export function embeddedMacros(value: Json): readonly string[] {
  if (isList(value)) return value.flatMap(embeddedMacros);
  if (!isMap(value)) return [];
  const own = member(value, macroFunction);
  const names = own === undefined ? [] : usesIn(own).map(({ name }) => name);
  return [...Object.values(value).flatMap(embeddedMacros), ...names];
}

/** The value with each `Fn::Transform` run, the innermost first. */
export async function withEmbedded(value: Json, run: RunMacro, context: MacroContext): Promise<Json> {
  if (isList(value)) {
    const items: Json[] = [];
    for (const item of value) items.push(await withEmbedded(item, run, context));
    return items;
  }
  if (!isMap(value)) return value;
  const entries: [string, Json][] = [];
  for (const [name, inner] of Object.entries(value)) {
    if (name !== macroFunction) entries.push([name, await withEmbedded(inner, run, context)]);
  }
  let fragment: Json = Object.fromEntries(entries);
  const own = member(value, macroFunction);
  for (const use of own === undefined ? [] : usesIn(own)) {
    if (!isMap(fragment)) throw invalid(`Transform ${use.name} failed with: it is given what is no map`);
    fragment = await run({ ...use, fragment }, context);
  }
  return fragment;
}
