/**
 * Stack policies: which resources an update may change, replace or take away. Source: user guide, "Prevent updates to
 * stack resources".
 */
import type { Call } from "../../kit/call.ts";
import { matchesGlob } from "../../kit/conditions.ts";
import type { Deps } from "../../kit/service.ts";
import { invalid } from "./faults.ts";
import { isList, isMap, member, type Json, type JsonObject } from "./json.ts";
import { stackPolicyBytesMax } from "./limits.ts";
import { templateAt } from "./template-url.ts";

export type PolicyAction = "Update:Modify" | "Update:Replace" | "Update:Delete";

/** What is to be done to what. */
export interface PolicyQuestion {
  action: PolicyAction;
  logicalId: string;
  type: string;
}

interface Statement {
  deny: boolean;
  matches(question: PolicyQuestion): boolean;
}

const bad = (what: string) => invalid(`Error validating stack policy: ${what}`);

/** Of a request: in it, or in S3. Checked. Undefined when there is none. */
export async function policyText(
  given: { body: string | undefined; url: string | undefined; names: readonly [string, string] },
  deps: Deps,
  call: Call,
): Promise<string | undefined> {
  const { body, url, names } = given;
  if (body !== undefined && url !== undefined) {
    throw invalid(`You cannot specify both ${names[0]} and ${names[1]}`);
  }
  const text = url === undefined ? body : await templateAt(url, deps, call);
  if (text === undefined) return undefined;
  if (Buffer.byteLength(text) > stackPolicyBytesMax) throw bad(`larger than ${stackPolicyBytesMax} bytes`);
  readPolicy(text);
  return text;
}

/** Throws AWS's error for what is no policy. */
function readPolicy(text: string): readonly Statement[] {
  const document = parsed(text);
  const statements = isMap(document) ? member(document, "Statement") : undefined;
  const list = isMap(statements) ? [statements] : statements;
  if (!isList(list) || list.length === 0) throw bad("Invalid stack policy");
  return list.map(statementOf);
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw bad("Invalid stack policy");
  }
}

const elements = new Set(["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"]);

function statementOf(value: Json): Statement {
  if (!isMap(value)) throw bad("Invalid stack policy");
  const unknown = Object.keys(value).find((name) => !elements.has(name));
  if (unknown !== undefined) throw bad(`Invalid element ${unknown}`);
  const effect = member(value, "Effect");
  if (effect !== "Allow" && effect !== "Deny") throw bad("Invalid effect");
  const principal = member(value, "Principal");
  const anybody = isMap(principal) ? member(principal, "AWS") : principal;
  // There are no policies for some: one holds for everybody who updates the stack.
  if (anybody !== "*") throw bad("Invalid principal");
  const action = listed(value, "Action");
  for (const one of action.patterns) {
    if (one !== "*" && !/^Update:(?:Modify|Replace|Delete|\*)$/.test(one)) throw bad(`Invalid action ${one}`);
  }
  const resource = listed(value, "Resource");
  for (const one of resource.patterns) {
    if (one !== "*" && !one.startsWith("LogicalResourceId/")) throw bad(`Invalid resource ${one}`);
  }
  const types = conditionOf(member(value, "Condition"));
  return {
    deny: effect === "Deny",
    matches: ({ action: asked, logicalId, type }) =>
      action.holds(asked) && resource.holds(`LogicalResourceId/${logicalId}`) && types(type),
  };
}

/** `Action` or `NotAction`, `Resource` or `NotResource`. */
function listed(statement: JsonObject, name: "Action" | "Resource") {
  const positive = member(statement, name);
  const negative = member(statement, `Not${name}`);
  if ((positive === undefined) === (negative === undefined)) throw bad(`Invalid ${name.toLowerCase()}`);
  const patterns = textsOf(positive ?? negative ?? [], name);
  const matches = (text: string) => patterns.some((pattern) => matchesGlob(pattern, text));
  return { patterns, holds: positive === undefined ? (text: string) => !matches(text) : matches };
}

function textsOf(value: Json, name: string): readonly string[] {
  const list = isList(value) ? value : [value];
  const texts = list.filter((item) => typeof item === "string");
  if (texts.length !== list.length || texts.length === 0) throw bad(`Invalid ${name.toLowerCase()}`);
  return texts;
}

/** `{ "StringLike": { "ResourceType": ["AWS::RDS::*"] } }`: all operators must hold. */
function conditionOf(condition: Json | undefined): (type: string) => boolean {
  if (condition === undefined) return () => true;
  if (!isMap(condition)) throw bad("Invalid condition");
  const tests = Object.entries(condition).map(([operator, of]) => {
    const keys = isMap(of) ? Object.keys(of) : [];
    const types = isMap(of) ? member(of, "ResourceType") : undefined;
    if (types === undefined || keys.length !== 1) throw bad("Invalid condition");
    const texts = textsOf(types, "Condition");
    if (operator === "StringEquals") return (type: string) => texts.includes(type);
    if (operator !== "StringLike") throw bad(`Invalid condition operator ${operator}`);
    return (type: string) => texts.some((pattern) => matchesGlob(pattern, type));
  });
  return (type) => tests.every((test) => test(type));
}

/** Why a policy forbids it, in AWS's words; undefined when it does not. Without a policy everything is allowed. */
export function policyRefusal(text: string | undefined, question: PolicyQuestion): string | undefined {
  if (text === undefined) return undefined;
  const statements = readPolicy(text);
  const denying = statements.findIndex((statement) => statement.deny && statement.matches(question));
  if (denying >= 0) {
    const resource = `LogicalResourceId/${question.logicalId}`;
    return `Action denied by stack policy: Statement [#${denying + 1}] does not allow [${question.action}] for resource [${resource}];`;
  }
  return statements.some((statement) => !statement.deny && statement.matches(question))
    ? undefined
    : "Action not allowed by stack policy";
}
