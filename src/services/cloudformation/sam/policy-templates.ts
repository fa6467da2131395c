/** Policy templates: a name and its parameters, written out as the statements of a policy. */
import { isMap, onlyMember, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { policyTable, type StatementRow } from "./policy-table.ts";

const templates: ReadonlyMap<string, readonly StatementRow[]> = new Map(Object.entries(policyTable));
const variable = /\$\{([A-Za-z]+)(?:=([A-Za-z]+))?\}/g;

/** The names of all policy templates. */
export const policyTemplateNames: readonly string[] = [...templates.keys()];

function parameterOf(name: string, given: string | undefined): string {
  return given ?? name.charAt(0).toUpperCase() + name.slice(1);
}

function textsOf([, resources, condition]: StatementRow): readonly string[] {
  return [
    ...(typeof resources === "string" ? [resources] : resources),
    ...(condition === undefined ? [] : [condition[1]]),
  ];
}

/** Parameters of a template, in the order in which its statements name them. */
export function policyParameters(template: string): readonly string[] {
  const texts = (templates.get(template) ?? []).flatMap(textsOf);
  const names = texts.flatMap((text) =>
    [...text.matchAll(variable)].map(([, name = "", given]) => parameterOf(name, given)),
  );
  return [...new Set(names)];
}

/** `policy` as a document when it is a template, else as it is. */
export function withPolicyTemplate(logicalId: string, policy: Json): Json {
  const [name, given] = onlyMember(policy) ?? [];
  const rows = name === undefined ? undefined : templates.get(name);
  if (name === undefined || rows === undefined) return policy;
  if (!isMap(given)) {
    throw badResource(logicalId, `Must specify valid parameter values for policy template '${name}'`);
  }
  const missing = policyParameters(name).filter((parameter) => !Object.hasOwn(given, parameter));
  if (missing.length > 0) {
    const list = missing.map((parameter) => `'${parameter}'`).join(", ");
    throw badResource(logicalId, `Following required parameters of template '${name}' don't have values: [${list}]`);
  }
  return { Statement: rows.map((row) => statementOf(row, given)) };
}

function statementOf([actions, resources, condition]: StatementRow, values: JsonObject): JsonObject {
  const Resource =
    typeof resources === "string" ? arnOf(resources, values) : resources.map((text) => arnOf(text, values));
  const [key, equal] = condition ?? [];
  return {
    Effect: "Allow",
    Action: actionsOf(actions),
    Resource,
    ...(key === undefined || equal === undefined
      ? {}
      : { Condition: { StringEquals: { [key]: arnOf(equal, values) } } }),
  };
}

function actionsOf(text: string): Json {
  const [service = "", names] = text.split(": ");
  return names === undefined ? service : names.split(" ").map((name) => `${service}:${name}`);
}

/** `sqs:x` -> the ARN of x in the stack's own partition, region and account, with the values of its variables. */
function arnOf(text: string, values: JsonObject): Json {
  if (text === "*") return text;
  const whole = /^(?!arn:)[a-z0-9-]+:/.test(text) ? ownArn(text) : text;
  const variables = [...whole.matchAll(variable)].map(([, name = "", given]): [string, Json] => [
    name,
    values[parameterOf(name, given)] ?? "",
  ]);
  const plain = whole.replaceAll(variable, (_, name: string) => `\${${name}}`);
  return { "Fn::Sub": variables.length === 0 ? plain : [plain, Object.fromEntries(variables)] };
}

function ownArn(text: string): string {
  const at = text.indexOf(":");
  return `arn:\${AWS::Partition}:${text.slice(0, at)}:\${AWS::Region}:\${AWS::AccountId}:${text.slice(at + 1)}`;
}
