/** The execution role that SAM makes for a function that brings none. Source: SAM guide, "AWS::Serverless::Function". */
import { isList, isMap, member, onlyMember, type Json, type JsonObject } from "../json.ts";
import { badResource, SamError } from "./errors.ts";
import { isNoValue } from "./expansion.ts";
import { isIntrinsic } from "./globals.ts";
import { managedPolicyArn } from "./managed-policy-paths.ts";
import { withPolicyTemplate } from "./policy-templates.ts";

const lambdaMayAssume: JsonObject = {
  Version: "2012-10-17",
  Statement: [{ Action: ["sts:AssumeRole"], Effect: "Allow", Principal: { Service: ["lambda.amazonaws.com"] } }],
};

/**
 * Properties of the role's resource. `tags` as the function has them, `more` policies that its other properties need.
 */
export function roleProperties(
  logicalId: string,
  properties: JsonObject,
  tags: readonly Json[],
  more: readonly JsonObject[],
): JsonObject {
  const managed: Json[] = [managedPolicyArn("AWSLambdaBasicExecutionRole")];
  if (tracesIn(properties)) managed.push(managedPolicyArn("AWSXrayWriteOnlyAccess"));
  if (member(properties, "VpcConfig") !== undefined) managed.push(managedPolicyArn("AWSLambdaVPCAccessExecutionRole"));
  const inline: Json[] = [...more];
  policiesOf(properties).forEach((given, index) => {
    const policy = withTemplates(logicalId, given);
    const document = inlineDocument(policy, `${logicalId}RolePolicy${index}`);
    if (document !== undefined) inline.push(document);
    else addOnce(managed, managedOf(logicalId, policy, index));
  });
  const path = member(properties, "RolePath");
  const boundary = member(properties, "PermissionsBoundary");
  return {
    AssumeRolePolicyDocument: member(properties, "AssumeRolePolicyDocument") ?? lambdaMayAssume,
    ManagedPolicyArns: managed,
    ...(inline.length === 0 ? {} : { Policies: inline }),
    ...(path === undefined ? {} : { Path: path }),
    ...(boundary === undefined ? {} : { PermissionsBoundary: boundary }),
    Tags: tags,
  };
}

/** Whether the function is traced; `Disabled` is the same as nothing. */
export function tracesIn(properties: JsonObject): boolean {
  const tracing = member(properties, "Tracing");
  return tracing !== undefined && tracing !== "Disabled";
}

function policiesOf(properties: JsonObject): readonly Json[] {
  const policies = member(properties, "Policies");
  if (policies === undefined) return [];
  return isList(policies) ? policies : [policies];
}

function addOnce(list: Json[], value: Json): void {
  const text = JSON.stringify(value);
  if (!list.some((item) => JSON.stringify(item) === text)) list.push(value);
}

function branchesOf(policy: Json): readonly [Json, Json, Json] | undefined {
  const [name, branches] = onlyMember(policy) ?? [];
  if (name !== "Fn::If" || !isList(branches) || branches.length !== 3) return undefined;
  const [condition, then, otherwise] = branches;
  if (condition === undefined || then === undefined || otherwise === undefined) return undefined;
  return [condition, then, otherwise];
}

/** The policy with its template written out, also under a condition. */
function withTemplates(logicalId: string, policy: Json): Json {
  const branches = branchesOf(policy);
  if (branches === undefined) return withPolicyTemplate(logicalId, policy);
  const [condition, ...sides] = branches;
  const written = sides.map((side) => withPolicyTemplate(logicalId, side));
  const [then, otherwise] = written.filter((side) => !isNoValue(side)).map(hasStatements);
  if (then !== undefined && otherwise !== undefined && then !== otherwise) {
    throw new SamError(
      "Structure of the SAM template is invalid. Different policy types within the same Fn::If statement is unsupported. Separate different policy types into different Fn::If statements",
    );
  }
  return { "Fn::If": [condition, ...written] };
}

function hasStatements(policy: Json): boolean {
  return isMap(policy) && Object.hasOwn(policy, "Statement");
}

/** A policy with statements of its own, by name; undefined for a managed one. */
function inlineDocument(policy: Json, name: string): Json | undefined {
  const branches = branchesOf(policy);
  if (branches !== undefined) {
    const [condition, ...sides] = branches;
    if (!sides.some(hasStatements)) return undefined;
    return { "Fn::If": [condition, ...sides.map((side) => (isNoValue(side) ? side : named(side, name)))] };
  }
  return hasStatements(policy) ? named(policy, name) : undefined;
}

function named(document: Json, name: string): Json {
  return { PolicyName: name, PolicyDocument: document };
}

function managedOf(logicalId: string, policy: Json, index: number): Json {
  if (typeof policy === "string") return managedPolicyArn(policy);
  const branches = branchesOf(policy);
  if (branches !== undefined) {
    const [condition, ...sides] = branches;
    return {
      "Fn::If": [condition, ...sides.map((side) => (typeof side === "string" ? managedPolicyArn(side) : side))],
    };
  }
  if (isIntrinsic(policy)) return policy;
  throw badResource(logicalId, `Policy at index ${index} in the 'Policies' property is not valid`);
}

/** The policy that lets a function write to its dead-letter queue or topic. */
export function deadLetterPolicy(logicalId: string, properties: JsonObject): readonly JsonObject[] {
  const queue = member(properties, "DeadLetterQueue");
  if (!isMap(queue) || Object.keys(queue).length === 0) return [];
  const type = member(queue, "Type");
  const target = member(queue, "TargetArn");
  if (!type || !target) {
    throw badResource(logicalId, "'DeadLetterQueue' requires Type and TargetArn properties to be specified.");
  }
  const action = type === "SQS" ? "sqs:SendMessage" : type === "SNS" ? "sns:Publish" : undefined;
  if (action === undefined) throw badResource(logicalId, "'DeadLetterQueue' requires Type of ['SQS', 'SNS']");
  const Statement = [{ Action: action, Resource: target, Effect: "Allow" }];
  return [{ PolicyName: "DeadLetterQueuePolicy", PolicyDocument: { Version: "2012-10-17", Statement } }];
}

export interface RoleChoice {
  /** What the function runs as. */
  role: Json;
  /** Whether SAM's role is made, and under which condition. */
  made: boolean;
  condition?: string;
  conditions?: JsonObject;
}

/** The function's own role, SAM's role, or one of both by a condition of the template. */
export function chooseRole(logicalId: string, properties: JsonObject): RoleChoice {
  const given = member(properties, "Role");
  const ours: Json = { "Fn::GetAtt": [`${logicalId}Role`, "Arn"] };
  if (given === undefined) return { role: ours, made: true };
  const branches = branchesOf(given);
  if (branches === undefined) return { role: given, made: false };
  const [condition, then, otherwise] = branches;
  if (typeof condition !== "string" || (!isNoValue(then) && !isNoValue(otherwise))) return { role: given, made: false };
  if (isNoValue(then) && isNoValue(otherwise)) return { role: ours, made: true };
  if (isNoValue(then)) return { role: { "Fn::If": [condition, ours, otherwise] }, made: true, condition };
  const not = `NOT${condition}`;
  return {
    role: { "Fn::If": [condition, then, ours] },
    made: true,
    condition: not,
    conditions: { [not]: { "Fn::Not": [{ Condition: condition }] } },
  };
}
