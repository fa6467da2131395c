/** What a template needs before CloudFormation can take it: local code as zips in S3, and parameters as the query protocol has them. */
import { resolve } from "node:path";
import { isMap, isScalar, parseDocument, type Document } from "yaml";
import { textAt, type Client } from "./client.ts";
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

/** Zips a directory into the account's own bucket. */
export async function upload(client: Client, directory: string, tell: Tell): Promise<Uploaded> {
  const { zip, hash, files } = await packageCode(directory);
  const key = `${hash}.zip`;
  // Bucket names are shared by all accounts, so the account's own has its number.
  const identity = await client.query("sts", "2011-06-15", "GetCallerIdentity", {});
  const bucket = `${artifactBucket}-${textAt(identity, "Account")}`;
  await client.putObject(bucket, key, zip);
  tell(`Packaged ${directory}: ${files} files, ${Math.ceil(zip.byteLength / 1024)} KiB, as s3://${bucket}/${key}`);
  return { bucket, key };
}

/** Replaces every local CodeUri of a template by the S3 address of its zip, as `sam package` does. */
async function packageDocument(client: Client, document: Document, directory: string, tell: Tell): Promise<boolean> {
  const resources = document.get("Resources");
  if (!isMap(resources)) return false;
  let changed = false;
  for (const { key, value } of resources.items) {
    if (!isMap(value) || value.get("Type") !== "AWS::Serverless::Function") continue;
    const path = ["Resources", isScalar(key) ? key.value : key, "Properties", "CodeUri"];
    const code = document.getIn(path);
    if (typeof code !== "string" || /^(s3|https?):\/\//.test(code)) continue;
    const uploaded = await upload(client, resolve(directory, code), tell);
    document.setIn(path, `s3://${uploaded.bucket}/${uploaded.key}`);
    changed = true;
  }
  return changed;
}

/** The template with its local code uploaded; `directory` is where its relative paths begin. */
export async function packageTemplate(client: Client, text: string, directory: string, tell: Tell): Promise<string> {
  // A template that does not parse goes to CloudFormation as it is, whose error is the one to show.
  const document = parseDocument(text, { logLevel: "silent" });
  const packaged = document.errors.length === 0 && (await packageDocument(client, document, directory, tell));
  if (!packaged) return text;
  // As YAML, JSON would lose quotes that it needs; and what begins with a brace is read as JSON.
  return text.trimStart().startsWith("{") ? JSON.stringify(document.toJS(), undefined, 2) : document.toString();
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
