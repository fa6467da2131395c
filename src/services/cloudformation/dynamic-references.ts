/**
 * `{{resolve:ssm:name:version}}` and `{{resolve:secretsmanager:id:SecretString:key:stage:version}}`: read when a
 * resource is made or changed, with the stack's rights, and stored nowhere. Source: user guide, "Dynamic references".
 */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { invalid } from "./faults.ts";
import { isList, isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { dynamicReferencesMax } from "./limits.ts";

const pattern = /\{\{resolve:([^{}]*)\}\}/g;

/** What each reference of the texts in `value` asks for: `ssm:name`. */
export function referencesOf(value: Json): readonly string[] {
  if (typeof value === "string") return [...value.matchAll(pattern)].map(([, reference = ""]) => reference);
  if (isList(value)) return value.flatMap(referencesOf);
  return isMap(value) ? Object.values(value).flatMap(referencesOf) : [];
}

/** Throws for a reference that no service answers, before anything is made. */
export function checkReferences(value: Json): void {
  for (const reference of referencesOf(value)) partsOf(reference);
}

type Parts =
  | { service: "ssm" | "ssm-secure"; name: string; version: string | undefined }
  | { service: "secretsmanager"; id: string; key: string; stage: string; version: string };

function partsOf(reference: string): Parts {
  const refuse = () =>
    invalid(
      `Incorrect format is used in the following SSM or Secrets Manager dynamic reference: [{{resolve:${reference}}}]`,
    );
  const [service, ...rest] = reference.split(":");
  if (service === "ssm" || service === "ssm-secure") {
    const [name = "", version, ...more] = rest;
    if (name === "" || more.length > 0) throw refuse();
    return { service, name, version };
  }
  if (service !== "secretsmanager") throw refuse();
  // The ARN of a secret has colons of its own: seven parts of it.
  const idParts = rest[0] === "arn" ? 7 : 1;
  const [field = "SecretString", key = "", stage = "", version = "", ...more] = rest.slice(idParts);
  const id = rest.slice(0, idParts).join(":");
  if (id === "" || (field !== "SecretString" && field !== "") || more.length > 0) throw refuse();
  return { service, id, key, stage, version };
}

/** The value with all its references read. Each is read once. */
export async function resolved(value: JsonObject, peers: Peers, call: Call): Promise<JsonObject> {
  const references = new Set(referencesOf(value));
  if (references.size === 0) return value;
  if (references.size > dynamicReferencesMax) {
    throw invalid(`A resource has more than ${dynamicReferencesMax} dynamic references`);
  }
  const values = new Map<string, string>();
  for (const reference of references) values.set(reference, await read(reference, peers, call));
  const filled = filledIn(value, values);
  return isMap(filled) ? filled : {};
}

function filledIn(value: Json, values: ReadonlyMap<string, string>): Json {
  if (typeof value === "string")
    return value.replaceAll(pattern, (_, reference: string) => values.get(reference) ?? "");
  if (isList(value)) return value.map((item) => filledIn(item, values));
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, filledIn(inner, values)]));
}

async function read(reference: string, peers: Peers, call: Call): Promise<string> {
  const parts = partsOf(reference);
  try {
    return parts.service === "secretsmanager" ? await secret(parts, peers, call) : await parameter(parts, peers, call);
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw invalid(`Could not read {{resolve:${reference}}}: ${cause.message}`, { cause });
  }
}

async function parameter(
  { service, name, version }: Extract<Parts, { name: string }>,
  { ssm }: Peers,
  call: Call,
): Promise<string> {
  const Name = version === undefined ? name : `${name}:${version}`;
  const { Parameter: found } = await ssm.GetParameter({ Name, WithDecryption: service === "ssm-secure" }, call);
  if (found?.Type === "SecureString" && service === "ssm") {
    throw invalid(`${name} is a SecureString, which only ssm-secure reads`);
  }
  return found?.Value ?? "";
}

async function secret(
  { id, key, stage, version }: Extract<Parts, { service: "secretsmanager" }>,
  { secretsmanager }: Peers,
  call: Call,
): Promise<string> {
  const input = {
    SecretId: id,
    ...(stage === "" ? {} : { VersionStage: stage }),
    ...(version === "" ? {} : { VersionId: version }),
  };
  const { SecretString: text } = await secretsmanager.GetSecretValue(input, call);
  if (text === undefined) throw invalid(`the secret ${id} has no SecretString`);
  if (key === "") return text;
  const value = member(parsed(text, id), key);
  if (!isScalar(value)) throw invalid(`the secret ${id} has no key ${key}`);
  return textOf(value);
}

function parsed(text: string, id: string): JsonObject {
  try {
    const value = JSON.parse(text) as Json;
    if (isMap(value)) return value;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(`the secret ${id} is not JSON`, { cause });
  }
  throw invalid(`the secret ${id} is not a JSON object`);
}
