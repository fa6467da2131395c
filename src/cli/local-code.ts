/** What of a template is on this machine: code of functions, which can be changed by itself, and the rest. */
import { resolve } from "node:path";
import { isMap, isScalar, parseDocument } from "yaml";
import { isLocal, places } from "./artifacts.ts";

export interface LocalCode {
  logicalId: string;
  /** A directory, or a file. */
  path: string;
}

export interface LocalParts {
  functions: readonly LocalCode[];
  /** Layers, nested templates, and functions of which a version is published: they change with the stack. */
  others: readonly string[];
}

const functionTypes = new Set(["AWS::Serverless::Function", "AWS::Lambda::Function"]);

/** `directory` is where relative paths begin. A template that does not parse has none: its deployment says why. */
export function localParts(text: string, directory: string): LocalParts {
  const document = parseDocument(text, { logLevel: "silent" });
  const resources = document.get("Resources");
  const functions: LocalCode[] = [];
  const others: string[] = [];
  if (document.errors.length > 0 || !isMap(resources)) return { functions, others };
  const allPublished = document.hasIn(["Globals", "Function", "AutoPublishAlias"]);
  for (const { key, value } of resources.items) {
    const type: unknown = isMap(value) ? value.get("Type") : undefined;
    const place = typeof type === "string" ? places[type] : undefined;
    if (place === undefined || !isScalar(key) || !isMap(value)) continue;
    const local = value.getIn(["Properties", place.property]);
    const tagged = value.getIn(["Properties", place.property], true);
    if (typeof local !== "string" || !isLocal(local)) continue;
    if (isScalar(tagged) && tagged.tag?.startsWith("!") === true) continue;
    const path = resolve(directory, local);
    const isPublished = allPublished || value.hasIn(["Properties", "AutoPublishAlias"]);
    if (functionTypes.has(String(type)) && !isPublished) functions.push({ logicalId: String(key.value), path });
    else others.push(path);
  }
  return { functions, others };
}
