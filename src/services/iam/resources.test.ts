/** IAM's CloudFormation types, in a stack that is made, changed and deleted. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import {
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  GetAccountSummaryCommand,
  GetGroupCommand,
  GetInstanceProfileCommand,
  GetPolicyCommand,
  GetUserCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListAttachedUserPoliciesCommand,
  ListGroupPoliciesCommand,
  ListPolicyVersionsCommand,
  ListRolePoliciesCommand,
  ListUserPoliciesCommand,
} from "@aws-sdk/client-iam";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";

const document = (Action: string) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action, Resource: "*" }],
});
const trust = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
};

/** Two shapes of one stack: what `later` says differs. */
function templateOf(later: boolean): string {
  const resource = (Type: string, Properties: object) => ({ Type: `AWS::IAM::${Type}`, Properties });
  const Resources = {
    Makers: resource("Group", {
      GroupName: "makers",
      Policies: [{ PolicyName: "own", PolicyDocument: document("s3:*") }],
    }),
    Others: resource("Group", { GroupName: "others" }),
    Ann: resource("User", {
      UserName: "ann",
      Path: later ? "/eng/" : "/",
      Groups: [{ Ref: later ? "Others" : "Makers" }],
      ManagedPolicyArns: [{ Ref: "Read" }],
      Tags: later ? [{ Key: "team", Value: "maps" }] : [{ Key: "cost", Value: "7" }],
    }),
    Key: resource("AccessKey", { UserName: { Ref: "Ann" } }),
    Bob: resource("User", { UserName: "bob" }),
    Members: resource("UserToGroupAddition", { GroupName: { Ref: "Makers" }, Users: [{ Ref: "Bob" }] }),
    Work: resource("Role", { RoleName: "work", AssumeRolePolicyDocument: trust }),
    Read: resource("ManagedPolicy", {
      ManagedPolicyName: "read",
      PolicyDocument: document(later ? "s3:List*" : "s3:Get*"),
      Roles: later ? [] : [{ Ref: "Work" }],
    }),
    Inline: resource("Policy", {
      PolicyName: "inline",
      PolicyDocument: document("sqs:*"),
      Users: [{ Ref: "Bob" }],
      ...(later ? { Groups: [{ Ref: "Others" }] } : { Roles: [{ Ref: "Work" }] }),
    }),
    OfRole: resource("RolePolicy", {
      PolicyName: "single",
      RoleName: { Ref: "Work" },
      PolicyDocument: document("sns:*"),
    }),
    Box: resource("InstanceProfile", { InstanceProfileName: "box", Roles: [{ Ref: "Work" }] }),
  };
  const Outputs = {
    KeyId: { Value: { Ref: "Key" } },
    Secret: { Value: { "Fn::GetAtt": ["Key", "SecretAccessKey"] } },
    Ann: { Value: { "Fn::GetAtt": ["Ann", "Arn"] } },
    Read: { Value: { Ref: "Read" } },
  };
  return JSON.stringify({ Resources, Outputs });
}

const account = "888888888888";
const StackName = "people";
const Capabilities = ["CAPABILITY_NAMED_IAM" as const];
let mikan: Mikan;
let cloudformation: CloudFormationClient;
let iam: IAMClient;
beforeAll(async () => {
  mikan = await startMikan();
  const credentials = { accessKeyId: account, secretAccessKey: "test" };
  const options = { endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 };
  cloudformation = new CloudFormationClient(options);
  iam = new IAMClient(options);
});
afterAll(async () => {
  cloudformation.destroy();
  iam.destroy();
  await mikan.close();
});

const waiting = () => ({ client: cloudformation, maxWaitTime: 30, minDelay: 0.1, maxDelay: 0.2 });
async function outputs(): Promise<Record<string, string>> {
  const { Stacks = [] } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  const pairs = Stacks[0]?.Outputs?.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]);
  return Object.fromEntries(pairs ?? []) as Record<string, string>;
}
const membersOf = async (GroupName: string) =>
  (await iam.send(new GetGroupCommand({ GroupName }))).Users?.map(({ UserName }) => UserName);

test("a stack of people, policies and machines", async () => {
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: templateOf(false), Capabilities }));
  await waitUntilStackCreateComplete(waiting(), { StackName });
  const made = await outputs();
  expect(made).toMatchObject({
    Ann: `arn:aws:iam::${account}:user/ann`,
    Read: `arn:aws:iam::${account}:policy/read`,
  });
  const credentials = { accessKeyId: made["KeyId"] ?? "", secretAccessKey: made["Secret"] ?? "" };
  const sts = new STSClient({ endpoint: mikan.url, region: "us-east-1", credentials });
  expect((await sts.send(new GetCallerIdentityCommand({}))).Arn).toBe(made["Ann"]);
  expect(await membersOf("makers")).toEqual(["ann", "bob"]);
  expect((await iam.send(new ListRolePoliciesCommand({ RoleName: "work" }))).PolicyNames).toEqual(["inline", "single"]);
  expect((await iam.send(new GetPolicyCommand({ PolicyArn: made["Read"] }))).Policy?.AttachmentCount).toBe(2);
  const { InstanceProfile } = await iam.send(new GetInstanceProfileCommand({ InstanceProfileName: "box" }));
  expect(InstanceProfile?.Roles?.[0]?.RoleName).toBe("work");

  await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody: templateOf(true), Capabilities }));
  await waitUntilStackUpdateComplete(waiting(), { StackName });
  const changed = await outputs();
  expect(changed).toEqual({ ...made, Ann: `arn:aws:iam::${account}:user/eng/ann` });
  expect((await sts.send(new GetCallerIdentityCommand({}))).Arn).toBe(changed["Ann"]);
  sts.destroy();
  expect(await membersOf("makers")).toEqual(["bob"]);
  expect(await membersOf("others")).toEqual(["ann"]);
  expect((await iam.send(new ListAttachedRolePoliciesCommand({ RoleName: "work" }))).AttachedPolicies).toEqual([]);
  expect((await iam.send(new ListAttachedUserPoliciesCommand({ UserName: "ann" }))).AttachedPolicies).toHaveLength(1);
  expect((await iam.send(new ListRolePoliciesCommand({ RoleName: "work" }))).PolicyNames).toEqual(["single"]);
  expect((await iam.send(new ListGroupPoliciesCommand({ GroupName: "others" }))).PolicyNames).toEqual(["inline"]);
  expect((await iam.send(new ListUserPoliciesCommand({ UserName: "bob" }))).PolicyNames).toEqual(["inline"]);
  expect((await iam.send(new ListPolicyVersionsCommand({ PolicyArn: made["Read"] }))).Versions).toMatchObject([
    { VersionId: "v2", IsDefaultVersion: true },
    { VersionId: "v1", IsDefaultVersion: false },
  ]);
  const keys = (await iam.send(new GetUserCommand({ UserName: "ann" }))).User?.Tags?.map(({ Key }) => Key);
  expect(keys).toContain("team");
  expect(keys).not.toContain("cost");

  await cloudformation.send(new DeleteStackCommand({ StackName }));
  await waitUntilStackDeleteComplete(waiting(), { StackName });
  const { SummaryMap } = await iam.send(new GetAccountSummaryCommand({}));
  expect(SummaryMap).toMatchObject({ Users: 0, Groups: 0, Roles: 0, Policies: 0, InstanceProfiles: 0 });
});

test("a user who was given a key by hand is not deleted with the stack", async () => {
  const stack = { StackName: "hand" };
  const TemplateBody = JSON.stringify({
    Resources: { Eve: { Type: "AWS::IAM::User", Properties: { UserName: "eve" } } },
  });
  await cloudformation.send(new CreateStackCommand({ ...stack, TemplateBody, Capabilities }));
  await waitUntilStackCreateComplete(waiting(), stack);
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: "eve" }));
  await cloudformation.send(new DeleteStackCommand(stack));
  await expect(waitUntilStackDeleteComplete(waiting(), stack)).rejects.toThrow(/DELETE_FAILED/);
  await iam.send(new DeleteAccessKeyCommand({ UserName: "eve", AccessKeyId: AccessKey?.AccessKeyId }));
  await cloudformation.send(new DeleteStackCommand(stack));
  await waitUntilStackDeleteComplete(waiting(), stack);
});
