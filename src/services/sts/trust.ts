/** May a caller assume a role? The role's trust policy says it, on an open node too: it is the role's, not the caller's. */
import { decide, type PolicyDocument, type PolicyStatement } from "../../kit/authorize.ts";
import type { Call } from "../../kit/call.ts";
import type { ConditionContext, Conditions } from "../../kit/conditions.ts";
import { principalArn, userName } from "../../kit/principals.ts";
import { userIdOf } from "./identity.ts";

type Texts = string | readonly string[];

/** A statement as IAM has checked it when the role was made. */
interface TrustStatement {
  Effect: "Allow" | "Deny";
  Principal?: PolicyStatement["Principal"];
  Action?: Texts;
  Condition?: Conditions;
}

/** The document that IAM keeps, for `decide`: a trust policy names no resource, since it is on the role. */
export function trustPolicy(document: string): PolicyDocument {
  const { Statement } = JSON.parse(document) as { Statement: TrustStatement | readonly TrustStatement[] };
  const statements = Array.isArray(Statement)
    ? (Statement as readonly TrustStatement[])
    : [Statement as TrustStatement];
  return { Statement: statements.flatMap(resourcePolicy) };
}

function resourcePolicy({ Effect, Principal, Action, Condition }: TrustStatement): PolicyStatement[] {
  // With NotPrincipal or NotAction, which IAM has taken before it refused them: an Allow is dropped, a Deny is for all.
  const unread = Principal === undefined || Action === undefined;
  if (unread && Effect === "Allow") return [];
  const condition = Condition === undefined || unread ? {} : { Condition };
  return [{ Effect, Principal: Principal ?? "*", Action: Action ?? "*", Resource: "*", ...condition }];
}

export interface SessionRequest {
  RoleSessionName: string;
  ExternalId?: string | undefined;
  SourceIdentity?: string | undefined;
  Tags?: readonly { Key: string; Value: string }[] | undefined;
}

/** The condition keys of AssumeRole. Source: IAM guide, "IAM and AWS STS condition context keys". */
export function trustContext(input: SessionRequest, call: Call, now: number): ConditionContext {
  const { principal } = call;
  if (principal.kind === "service") return {};
  const tags = input.Tags ?? [];
  const isRoot = principal.kind === "user" && principal.arn === undefined;
  return {
    "sts:RoleSessionName": input.RoleSessionName,
    "sts:ExternalId": input.ExternalId,
    "sts:SourceIdentity": input.SourceIdentity,
    "aws:PrincipalArn": principal.kind === "role" ? principal.roleArn : principalArn(principal),
    "aws:PrincipalAccount": principal.account,
    "aws:PrincipalType": principal.kind === "role" ? "AssumedRole" : isRoot ? "Account" : "User",
    "aws:userid": userIdOf(principal),
    "aws:username": userName(principal),
    "aws:RequestedRegion": call.region,
    "aws:CurrentTime": new Date(now).toISOString(),
    "aws:EpochTime": String(Math.floor(now / 1000)),
    "aws:SecureTransport": String(call.publicUrl.startsWith("https:")),
    "aws:TagKeys": tags.map(({ Key }) => Key),
    ...Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value])),
  };
}

/** Actions that a request needs: tags and a source identity are permitted apart. */
export function actionsOf({ Tags, SourceIdentity }: SessionRequest): string[] {
  return [
    "sts:AssumeRole",
    ...(Tags === undefined || Tags.length === 0 ? [] : ["sts:TagSession"]),
    ...(SourceIdentity === undefined ? [] : ["sts:SetSourceIdentity"]),
  ];
}

/** The first action that the trust policy does not allow; undefined when it allows all. */
export function refusedAction(
  roleArn: string,
  document: string,
  input: SessionRequest,
  { call, now }: { call: Call; now: number },
): string | undefined {
  const policy = trustPolicy(document);
  const context = trustContext(input, call, now);
  const { principal } = call;
  return actionsOf(input).find((action) => decide({ principal, action, arn: roleArn, context, policy }) !== "allow");
}
