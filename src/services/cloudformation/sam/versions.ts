/** `AutoPublishAlias`: a version whose logical id follows the code, and the alias that points to it. */
import { createHash } from "node:crypto";
import { isList, isMap, member, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { referredId, type SamContext, type SamResource } from "./expansion.ts";
import { resolveParameterRefs, type KnownParameters } from "./parameter-refs.ts";

export interface Published {
  versionId: string;
  aliasId: string;
  aliasName: string;
  /** Given in the template; it is added to the function's description, so that its change makes a version. */
  codeSha256?: string;
}

const aliasPattern = /^(?!^[0-9]+$)[a-zA-Z0-9\-_]+$/;
/** Characters of the hash in a version's logical id. AWS never changes it: it would publish every function anew. */
const hashLength = 10;

/** What to publish; undefined without `AutoPublishAlias`. `made` are the properties of the function's resource. */
export function publishedOf(
  { logicalId, properties }: SamResource,
  made: JsonObject,
  { parameters: known, resources }: SamContext,
): Published | undefined {
  const alias = member(properties, "AutoPublishAlias");
  if (alias === undefined || alias === "") return undefined;
  const aliasName = resolveParameterRefs(alias, known);
  if (typeof aliasName !== "string") {
    throw badResource(logicalId, "'AutoPublishAlias' must be a string or a Ref to a template parameter");
  }
  if (!aliasPattern.test(aliasName)) {
    throw badResource(
      logicalId,
      `AutoPublishAlias name ('${aliasName}') must contain only alphanumeric characters, hyphens, or underscores matching (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern.`,
    );
  }
  const codeSha256 = shaOf(logicalId, properties, known);
  const layers = publishingLayers(made, resources);
  const hash = codeSha256?.slice(0, hashLength) ?? idHash(hashedOf(properties, made, layers));
  return {
    versionId: `${logicalId}Version${hash}`,
    aliasId: `${logicalId}Alias${aliasName.replaceAll("-", "D").replaceAll("_", "U")}`,
    aliasName,
    ...(codeSha256 === undefined ? {} : { codeSha256 }),
  };
}

function shaOf(logicalId: string, properties: JsonObject, known: KnownParameters): string | undefined {
  const given = member(properties, "AutoPublishCodeSha256");
  if (given === undefined) return undefined;
  const resolved = resolveParameterRefs(given, known);
  if (typeof resolved !== "string") throw badResource(logicalId, "AutoPublishCodeSha256 must be a string");
  return resolved;
}

/** What a new version follows from: the code and what changes how it runs, or with a switch all properties. */
function hashedOf(properties: JsonObject, made: JsonObject, layers: JsonObject): JsonObject {
  if (member(properties, "AutoPublishAliasAllProperties") === true) return { ...made, ...layers };
  const code = member(made, "Code") ?? {};
  const environment = member(made, "Environment");
  const memory = member(made, "MemorySize");
  const snapStart = member(made, "SnapStart");
  const snaps = isMap(snapStart) && (member(snapStart, "ApplyOn") ?? "None") !== "None";
  return {
    ...(isMap(code) ? code : {}),
    ...(isMap(environment) ? environment : {}),
    ...(memory === undefined ? {} : { MemorySize: memory }),
    ...(snaps ? { SnapStart: snapStart } : {}),
  };
}

/** Layers of the template whose `PublishLambdaVersion` makes their change one of the function, by their ids. */
function publishingLayers(made: JsonObject, resources: SamContext["resources"]): JsonObject {
  const layers = member(made, "Layers");
  const found = (isList(layers) ? layers : []).flatMap((layer): [string, Json][] => {
    const id = referredId(layer);
    const properties = id === undefined ? undefined : member(resources.get(id) ?? {}, "Properties");
    if (id === undefined || !isMap(properties)) return [];
    return member(properties, "PublishLambdaVersion") === true ? [[id, properties]] : [];
  });
  return Object.fromEntries(found);
}

/** What a logical id ends in, so that it is another when `value` is. */
export function idHash(value: Json): string {
  return createHash("sha1").update(compactJson(value)).digest("hex").slice(0, hashLength);
}

/** JSON as Python's `json.dumps(value, separators=(",", ":"), sort_keys=True)` writes it: the hash is of this text. */
export function compactJson(value: Json): string {
  if (isList(value)) return `[${value.map(compactJson).join(",")}]`;
  if (isMap(value)) {
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([name, inner]) => `${compactJson(name)}:${compactJson(inner)}`).join(",")}}`;
  }
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
