/** The execution role that SAM makes for a function that brings none. Source: SAM guide, "AWS::Serverless::Function". */
import { isList, isMap, member, onlyMember, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { isIntrinsic } from "./globals.ts";

const managedPrefix = "arn:aws:iam::aws:policy/";
/** AWS's own policies for functions that live under a path; others are taken to be at the top. */
const serviceRolePolicies = new Set([
  "AWSLambdaBasicExecutionRole",
  "AWSLambdaDynamoDBExecutionRole",
  "AWSLambdaENIManagementAccess",
  "AWSLambdaKinesisExecutionRole",
  "AWSLambdaMSKExecutionRole",
  "AWSLambdaRole",
  "AWSLambdaSQSQueueExecutionRole",
  "AWSLambdaVPCAccessExecutionRole",
]);

function managedArn(name: string): string {
  if (name.startsWith("arn:")) return name;
  return managedPrefix + (serviceRolePolicies.has(name) ? `service-role/${name}` : name);
}

const lambdaMayAssume: JsonObject = {
  Version: "2012-10-17",
  Statement: [{ Action: ["sts:AssumeRole"], Effect: "Allow", Principal: { Service: ["lambda.amazonaws.com"] } }],
};

/** Properties of the role's resource. `tags` as the function has them. */
export function roleProperties(logicalId: string, properties: JsonObject, tags: readonly Json[]): JsonObject {
  const managed: Json[] = [managedArn("AWSLambdaBasicExecutionRole")];
  if (tracesIn(properties)) managed.push(managedArn("AWSXrayWriteOnlyAccess"));
  if (member(properties, "VpcConfig") !== undefined) managed.push(managedArn("AWSLambdaVPCAccessExecutionRole"));
  const inline: Json[] = [];
  policiesOf(properties).forEach((policy, index) => {
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

const isNoValue = (value: Json) => JSON.stringify(value) === '{"Ref":"AWS::NoValue"}';

function branchesOf(policy: Json): readonly [Json, Json, Json] | undefined {
  const [name, branches] = onlyMember(policy) ?? [];
  if (name !== "Fn::If" || !isList(branches) || branches.length !== 3) return undefined;
  const [condition, then, otherwise] = branches;
  if (condition === undefined || then === undefined || otherwise === undefined) return undefined;
  return [condition, then, otherwise];
}

/** A policy with statements of its own, by name; undefined for a managed one. */
function inlineDocument(policy: Json, name: string): Json | undefined {
  const branches = branchesOf(policy);
  if (branches !== undefined) {
    const [condition, ...sides] = branches;
    if (!sides.some((side) => isMap(side) && Object.hasOwn(side, "Statement"))) return undefined;
    return { "Fn::If": [condition, ...sides.map((side) => (isNoValue(side) ? side : named(side, name)))] };
  }
  return isMap(policy) && Object.hasOwn(policy, "Statement") ? named(policy, name) : undefined;
}

function named(document: Json, name: string): Json {
  return { PolicyName: name, PolicyDocument: document };
}

function managedOf(logicalId: string, policy: Json, index: number): Json {
  if (typeof policy === "string") return managedArn(policy);
  const branches = branchesOf(policy);
  if (branches !== undefined) {
    const [condition, ...sides] = branches;
    return { "Fn::If": [condition, ...sides.map((side) => (typeof side === "string" ? managedArn(side) : side))] };
  }
  if (isIntrinsic(policy)) return policy;
  const template = onlyMember(policy)?.[0];
  if (template !== undefined && /^[A-Z][A-Za-z0-9]*Policy$/.test(template)) {
    throw badResource(logicalId, `Mikan does not implement the policy template '${template}' yet.`);
  }
  throw badResource(logicalId, `Policy at index ${index} in the 'Policies' property is not valid`);
}
