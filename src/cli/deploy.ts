/** `mikan deploy`: packages local code, creates the stack, shows its events until it rests. */
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isMap, isScalar, parseDocument, type Document } from "yaml";
import { createClient, requestToken, textAt, type Client } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";
import { packageCode } from "./package-code.ts";
import { pair, readParameters } from "./parameters.ts";
import { cloudformationVersion, watchStack } from "./stack.ts";

const artifactBucket = "mikan-artifacts";
const capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

interface Uploaded {
  bucket: string;
  key: string;
}

async function upload(client: Client, directory: string): Promise<Uploaded> {
  const { zip, hash, files } = await packageCode(directory);
  const key = `${hash}.zip`;
  // Bucket names are shared by all accounts, so the account's own has its number.
  const identity = await client.query("sts", "2011-06-15", "GetCallerIdentity", {});
  const bucket = `${artifactBucket}-${textAt(identity, "Account")}`;
  await client.putObject(bucket, key, zip);
  say(`Packaged ${directory}: ${files} files, ${Math.ceil(zip.byteLength / 1024)} KiB, as s3://${bucket}/${key}`);
  return { bucket, key };
}

/** Replaces every local CodeUri of a template by the S3 address of its zip, as `sam package` does. */
async function packageTemplate(client: Client, document: Document, directory: string): Promise<boolean> {
  const resources = document.get("Resources");
  if (!isMap(resources)) return false;
  let changed = false;
  for (const { key, value } of resources.items) {
    if (!isMap(value) || value.get("Type") !== "AWS::Serverless::Function") continue;
    const path = ["Resources", isScalar(key) ? key.value : key, "Properties", "CodeUri"];
    const code = document.getIn(path);
    if (typeof code !== "string" || /^(s3|https?):\/\//.test(code)) continue;
    const uploaded = await upload(client, resolve(directory, code));
    document.setIn(path, `s3://${uploaded.bucket}/${uploaded.key}`);
    changed = true;
  }
  return changed;
}

async function templateOf(client: Client, file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the template ${file}`, { cause });
  });
  // A template that does not parse goes to CloudFormation as it is, whose error is the one to show.
  const document = parseDocument(text, { logLevel: "silent" });
  const packaged = document.errors.length === 0 && (await packageTemplate(client, document, dirname(file)));
  return packaged ? document.toString() : text;
}

function listed(name: string, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((value, index) => [`${name}.member.${index + 1}`, value]));
}

export const deploy: Command = {
  summary: "create a stack from a template, and watch it",
  usage: `mikan deploy TEMPLATE [--stack NAME] [--parameters FILE] [--parameter KEY=VALUE]... [--code DIR]
         [--on-failure ROLLBACK|DELETE|DO_NOTHING] [--endpoint URL] [--region REGION]

  --code    zip this directory, upload it, and pass it as the parameters CodeBucket and CodeKey;
            a local CodeUri of a SAM function is packaged without being asked`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        stack: { type: "string" },
        parameters: { type: "string" },
        parameter: { type: "string", multiple: true, default: [] },
        code: { type: "string" },
        "on-failure": { type: "string", default: "ROLLBACK" },
        endpoint: { type: "string" },
        region: { type: "string" },
      },
    });
    const [template, ...more] = positionals;
    if (template === undefined || more.length > 0)
      throw new UserError("deploy takes one template: mikan deploy TEMPLATE");
    const stack = values.stack ?? basename(template).replace(/\..*$/, "");
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });

    const parameters: Record<string, string> = {
      ...(values.parameters === undefined ? {} : await readParameters(values.parameters)),
      ...Object.assign({}, ...values.parameter.map(pair)),
    };
    if (values.code !== undefined) {
      const { bucket, key } = await upload(client, resolve(values.code));
      Object.assign(parameters, { CodeBucket: bucket, CodeKey: key });
    }
    const result = await client.query("cloudformation", cloudformationVersion, "CreateStack", {
      StackName: stack,
      TemplateBody: await templateOf(client, template),
      OnFailure: values["on-failure"],
      ClientRequestToken: requestToken(),
      ...listed("Capabilities", capabilities),
      ...Object.fromEntries(
        Object.entries(parameters).flatMap(([key, value], index) => [
          [`Parameters.member.${index + 1}.ParameterKey`, key],
          [`Parameters.member.${index + 1}.ParameterValue`, value],
        ]),
      ),
    });
    const end = await watchStack(client, textAt(result, "StackId"));
    if (end.status !== "CREATE_COMPLETE") {
      say(`Stack ${stack} is ${end.status}${end.reason === "" ? "" : `: ${end.reason}`}`);
      return 1;
    }
    say(`Stack ${stack} is ready.`);
    for (const { key, value } of end.outputs) say(`  ${key} = ${value}`);
    return 0;
  },
};
