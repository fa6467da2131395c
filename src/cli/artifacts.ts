/** What a template needs before CloudFormation can take it: local code as zips in S3, and parameters as the query protocol has them. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isMap, isScalar, parseDocument, visit, type Document, type Scalar } from "yaml";
import { textAt, type Client } from "./client.ts";
import { UserError } from "./command.ts";
import { packageCode } from "./package-code.ts";

const artifactBucket = "mikan-artifacts";
/** Whoever deploys by these means wants what the template says. */
export const capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

export interface Uploaded {
  bucket: string;
  key: string;
}

/** Told of each package, in a line for people. */
export type Tell = (line: string) => void;

/** Bucket names are shared by all accounts, so the account's own has its number. */
async function ownBucket(client: Client): Promise<string> {
  const identity = await client.query("sts", "2011-06-15", "GetCallerIdentity", {});
  return `${artifactBucket}-${textAt(identity, "Account")}`;
}

async function put(client: Client, key: string, body: Uint8Array, tell: (where: string, uploaded: boolean) => void) {
  const bucket = await ownBucket(client);
  const uploaded = await client.putObject(bucket, key, body);
  tell(`s3://${bucket}/${key}`, uploaded);
  return { bucket, key };
}

/** Zips a directory into the account's own bucket, unless it is there. */
export async function upload(client: Client, directory: string, tell: Tell): Promise<Uploaded> {
  const { zip, hash, files } = await packageCode(directory);
  return put(client, `${hash}.zip`, zip, (where, uploaded) => {
    const size = `${files} files, ${Math.ceil(zip.byteLength / 1024)} KiB`;
    tell(uploaded ? `Packaged ${directory}: ${size}, as ${where}` : `Unchanged ${directory}, as ${where}`);
  });
}

/** What stands in a template instead of a local path: an `s3://` address, bucket and key apart, or the URL of a template. */
type Form = "address" | "location" | "template";

/** Where templates name local files. Source: AWS CLI reference, `cloudformation package`. */
export const places: Readonly<Record<string, { property: string; form: Form }>> = {
  "AWS::Serverless::Function": { property: "CodeUri", form: "address" },
  "AWS::Serverless::LayerVersion": { property: "ContentUri", form: "address" },
  "AWS::Lambda::Function": { property: "Code", form: "location" },
  "AWS::Lambda::LayerVersion": { property: "Content", form: "location" },
  "AWS::Serverless::Application": { property: "Location", form: "template" },
  "AWS::CloudFormation::Stack": { property: "TemplateURL", form: "template" },
};
/** Source: CloudFormation quotas, "Template body size in a request". */
const templateBytesMax = 51_200;
/** Stacks within stacks whose templates are local. */
const nestingMax = 10;

export const isLocal = (path: string) => !/^(s3|https?):\/\//.test(path);

interface Packaging {
  client: Client;
  /** Where relative paths begin. */
  directory: string;
  tell: Tell;
  depth: number;
  /** What is packaged already, by its path: several functions may have one directory. */
  done: Map<string, string | Record<string, string>>;
}

async function templateText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the template ${file}`, { cause });
  });
}

async function uploadText({ client, tell }: Pick<Packaging, "client" | "tell">, file: string, text: string) {
  const body = Buffer.from(text);
  const key = `${createHash("sha256").update(body).digest("hex").slice(0, 32)}.template`;
  return put(client, key, body, (where, uploaded) => {
    tell(uploaded ? `Packaged ${file} as ${where}` : `Unchanged ${file}, as ${where}`);
  });
}

/** The members of a request that give a template: its text, or where it is when it is longer than a request may be. */
export async function templateMembers(client: Client, text: string): Promise<Record<string, string>> {
  if (Buffer.byteLength(text) <= templateBytesMax) return { TemplateBody: text };
  const { bucket, key } = await uploadText({ client, tell: () => {} }, "the template", text);
  return { TemplateURL: `${client.endpoint}/${bucket}/${key}` };
}

/** The text of a local template, itself packaged, as an object whose URL a nested stack can name. */
async function uploadTemplate(packaging: Packaging, file: string): Promise<string> {
  const depth = packaging.depth + 1;
  if (depth > nestingMax) throw new UserError(`${file}: templates nest deeper than ${nestingMax}`);
  const text = await packageText({ ...packaging, directory: dirname(file), depth }, await templateText(file));
  const { bucket, key } = await uploadText(packaging, file, text);
  return `${packaging.client.endpoint}/${bucket}/${key}`;
}

async function packaged(packaging: Packaging, form: Form, path: string): Promise<string | Record<string, string>> {
  const file = resolve(packaging.directory, path);
  const id = `${form} ${file}`;
  const before = packaging.done.get(id);
  if (before !== undefined) return before;
  const made = await packagedAs(packaging, form, file);
  packaging.done.set(id, made);
  return made;
}

async function packagedAs(packaging: Packaging, form: Form, file: string): Promise<string | Record<string, string>> {
  if (form === "template") return uploadTemplate(packaging, file);
  const { bucket, key } = await upload(packaging.client, file, packaging.tell);
  return form === "address" ? `s3://${bucket}/${key}` : { S3Bucket: bucket, S3Key: key };
}

/** Replaces every local path of a template by where its content went, as `aws cloudformation package` does. */
async function packageDocument(packaging: Packaging, document: Document): Promise<boolean> {
  const resources = document.get("Resources");
  if (!isMap(resources)) return false;
  let changed = false;
  for (const { key, value } of resources.items) {
    const type = isMap(value) ? value.get("Type") : undefined;
    const place = typeof type === "string" ? places[type] : undefined;
    if (place === undefined) continue;
    const path = ["Resources", isScalar(key) ? key.value : key, "Properties", place.property];
    const local = document.getIn(path);
    // A function's short form is a tag, not a path.
    const tagged = document.getIn(path, true);
    if (typeof local !== "string" || !isLocal(local)) continue;
    if (isScalar(tagged) && tagged.tag?.startsWith("!") === true) continue;
    document.setIn(path, document.createNode(await packaged(packaging, place.form, local)));
    changed = true;
  }
  return changed;
}

/** Where the `AWS::Include`s of a template find their files, as nodes that hold the path. */
function includesIn(document: Document): Scalar<string>[] {
  const found: Scalar<string>[] = [];
  visit(document, {
    Map(_, node) {
      if (node.get("Name") !== "AWS::Include") return;
      const location = node.getIn(["Parameters", "Location"], true);
      if (isScalar<string>(location) && typeof location.value === "string") found.push(location);
    },
  });
  return found.filter((location) => isLocal(location.value) && location.tag?.startsWith("!") !== true);
}

async function packageIncludes(packaging: Packaging, document: Document): Promise<boolean> {
  const includes = includesIn(document);
  for (const location of includes) {
    const file = resolve(packaging.directory, location.value);
    const { bucket, key } = await uploadText(packaging, file, await templateText(file));
    location.value = `s3://${bucket}/${key}`;
  }
  return includes.length > 0;
}

async function packageText(packaging: Packaging, text: string): Promise<string> {
  // A template that does not parse goes to CloudFormation as it is, whose error is the one to show.
  const document = parseDocument(text, { logLevel: "silent" });
  if (document.errors.length > 0) return text;
  const packagedIncludes = await packageIncludes(packaging, document);
  if (!(await packageDocument(packaging, document)) && !packagedIncludes) return text;
  // As YAML, JSON would lose quotes that it needs; and what begins with a brace is read as JSON.
  return text.trimStart().startsWith("{") ? JSON.stringify(document.toJS(), undefined, 2) : document.toString();
}

/** The template with its local code and templates uploaded; `directory` is where its relative paths begin. */
export function packageTemplate(client: Client, text: string, directory: string, tell: Tell): Promise<string> {
  return packageText({ client, directory, tell, depth: 0, done: new Map() }, text);
}

/** `Capabilities.member.1` and so on. */
export function listed(name: string, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((value, index) => [`${name}.member.${index + 1}`, value]));
}

/** The members of CreateStack's and UpdateStack's Parameters. */
export function parameterMembers(parameters: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameters).flatMap(([key, value], index) => [
      [`Parameters.member.${index + 1}.ParameterKey`, key],
      [`Parameters.member.${index + 1}.ParameterValue`, value],
    ]),
  );
}
