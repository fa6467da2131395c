/** IAM by the official client, on a whole node; the same on both engines. */
import {
  AddUserToGroupCommand,
  AttachRolePolicyCommand,
  AttachUserPolicyCommand,
  CreateGroupCommand,
  CreateInstanceProfileCommand,
  AddRoleToInstanceProfileCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateRoleCommand,
  CreateUserCommand,
  DeleteGroupCommand,
  DeletePolicyCommand,
  DeletePolicyVersionCommand,
  DeleteRoleCommand,
  DeleteUserCommand,
  DeleteUserPolicyCommand,
  DetachUserPolicyCommand,
  GetAccountAuthorizationDetailsCommand,
  GetGroupCommand,
  GetInstanceProfileCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetUserCommand,
  GetUserPolicyCommand,
  IAMClient,
  ListAttachedUserPoliciesCommand,
  ListEntitiesForPolicyCommand,
  ListGroupsForUserCommand,
  ListPoliciesCommand,
  ListPolicyVersionsCommand,
  ListUsersCommand,
  ListUserTagsCommand,
  PutUserPolicyCommand,
  RemoveUserFromGroupCommand,
  SetDefaultPolicyVersionCommand,
  TagUserCommand,
  UntagUserCommand,
  UpdateUserCommand,
} from "@aws-sdk/client-iam";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Mikan } from "../../mikan.ts";

const document = (Action: string) =>
  JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action, Resource: "*" }] });
const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
});

export function iamSuite(start: () => Promise<Mikan>): void {
  let mikan: Mikan;
  const clients: IAMClient[] = [];
  /** Each test has an account of its own. */
  let accounts = 100_000_000_000;
  function iamOf(): { iam: IAMClient; account: string } {
    const account = String((accounts += 1));
    const iam = new IAMClient({
      endpoint: mikan.url,
      region: "us-east-1",
      credentials: { accessKeyId: account, secretAccessKey: "test" },
      maxAttempts: 1,
    });
    clients.push(iam);
    return { iam, account };
  }
  beforeAll(async () => {
    mikan = await start();
  });
  afterAll(async () => {
    for (const client of clients) client.destroy();
    await mikan.close();
  });

  test("users: made, found, tagged, renamed with what hangs on them, and deleted when nothing does", async () => {
    const { iam, account } = iamOf();
    const made = await iam.send(
      new CreateUserCommand({ UserName: "ann", Path: "/eng/", Tags: [{ Key: "team", Value: "maps" }] }),
    );
    expect(made.User).toMatchObject({ Arn: `arn:aws:iam::${account}:user/eng/ann`, Path: "/eng/" });
    expect(made.User?.UserId).toMatch(/^AIDA[A-Z0-9]{17}$/);
    await expect(iam.send(new CreateUserCommand({ UserName: "Ann" }))).rejects.toMatchObject({
      name: "EntityAlreadyExistsException",
      message: "User with name Ann already exists.",
    });
    await iam.send(new CreateUserCommand({ UserName: "bob" }));

    const all = await iam.send(new ListUsersCommand({ MaxItems: 1 }));
    expect(all).toMatchObject({ IsTruncated: true, Users: [{ UserName: "ann" }] });
    const rest = await iam.send(new ListUsersCommand({ MaxItems: 1, Marker: all.Marker }));
    expect(rest).toMatchObject({ IsTruncated: false, Users: [{ UserName: "bob" }] });
    const under = await iam.send(new ListUsersCommand({ PathPrefix: "/eng/" }));
    expect(under.Users?.map(({ UserName }) => UserName)).toEqual(["ann"]);

    await iam.send(new TagUserCommand({ UserName: "ann", Tags: [{ Key: "Team", Value: "tiles" }] }));
    expect((await iam.send(new ListUserTagsCommand({ UserName: "ann" }))).Tags).toEqual([
      { Key: "Team", Value: "tiles" },
    ]);
    await iam.send(new UntagUserCommand({ UserName: "ann", TagKeys: ["Team"] }));

    await iam.send(new CreateGroupCommand({ GroupName: "makers" }));
    await iam.send(new AddUserToGroupCommand({ GroupName: "makers", UserName: "ann" }));
    await iam.send(new UpdateUserCommand({ UserName: "ann", NewUserName: "anna", NewPath: "/" }));
    const group = await iam.send(new GetGroupCommand({ GroupName: "makers" }));
    expect(group.Users).toMatchObject([{ UserName: "anna", Arn: `arn:aws:iam::${account}:user/anna` }]);
    const groups = await iam.send(new ListGroupsForUserCommand({ UserName: "anna" }));
    expect(groups.Groups).toMatchObject([{ GroupName: "makers", Arn: `arn:aws:iam::${account}:group/makers` }]);

    await expect(iam.send(new DeleteGroupCommand({ GroupName: "makers" }))).rejects.toMatchObject({
      name: "DeleteConflictException",
    });
    await expect(iam.send(new DeleteUserCommand({ UserName: "anna" }))).rejects.toMatchObject({
      name: "DeleteConflictException",
      message: "Cannot delete entity, must remove users from group first.",
    });
    await iam.send(new RemoveUserFromGroupCommand({ GroupName: "makers", UserName: "anna" }));
    await iam.send(new DeleteUserCommand({ UserName: "anna" }));
    await expect(iam.send(new GetUserCommand({ UserName: "anna" }))).rejects.toMatchObject({
      name: "NoSuchEntityException",
      message: "The user with name anna cannot be found.",
      $metadata: { httpStatusCode: 404 },
    });
    expect((await iam.send(new GetUserCommand({}))).User?.Arn).toBe(`arn:aws:iam::${account}:root`);
  });

  test("inline policies are given back as they came, and checked in IAM's words", async () => {
    const { iam } = iamOf();
    await iam.send(new CreateUserCommand({ UserName: "ann" }));
    const put = (PolicyDocument: string) =>
      iam.send(new PutUserPolicyCommand({ UserName: "ann", PolicyName: "p", PolicyDocument }));
    await put(document("s3:*"));
    const { PolicyDocument = "" } = await iam.send(new GetUserPolicyCommand({ UserName: "ann", PolicyName: "p" }));
    expect(decodeURIComponent(PolicyDocument)).toBe(document("s3:*"));

    const statement = { Effect: "Allow", Action: "s3:*", Resource: "*" };
    const wrong: [unknown, string][] = [
      [{ Statement: [{ ...statement, Resource: undefined }] }, "Policy statement must contain resources."],
      [{ Statement: [{ ...statement, Action: "everything" }] }, "prefaced by a vendor"],
      [{ Statement: [{ ...statement, Principal: "*" }] }, "Policy document should not specify a principal."],
      [{ Statement: [{ ...statement, Resource: "bucket" }] }, 'Resource bucket must be in ARN format or "*".'],
      [{ Version: "2020-01-01", Statement: [statement] }, "valid version string"],
      [{ Statement: [{ ...statement, Resources: "*" }] }, "Syntax errors in policy."],
      [{ Version: "2012-10-17" }, "Missing required field Statement"],
    ];
    for (const [policy, message] of wrong) {
      await expect(put(JSON.stringify(policy))).rejects.toMatchObject({
        name: "MalformedPolicyDocumentException",
        message: expect.stringContaining(message) as string,
      });
    }
    await expect(put(document(`s3:${"x".repeat(2_048)}`))).rejects.toMatchObject({
      name: "LimitExceededException",
      message: "Maximum policy size of 2048 bytes exceeded for user ann",
    });
    await expect(iam.send(new DeleteUserCommand({ UserName: "ann" }))).rejects.toMatchObject({
      message: "Cannot delete entity, must delete policies first.",
    });
    await iam.send(new DeleteUserPolicyCommand({ UserName: "ann", PolicyName: "p" }));
    await iam.send(new DeleteUserCommand({ UserName: "ann" }));
  });

  test("managed policies have five versions at most, and one that counts", async () => {
    const { iam, account } = iamOf();
    const arn = `arn:aws:iam::${account}:policy/app/read`;
    const made = await iam.send(
      new CreatePolicyCommand({ PolicyName: "read", Path: "/app/", PolicyDocument: document("s3:Get*") }),
    );
    expect(made.Policy).toMatchObject({ Arn: arn, DefaultVersionId: "v1", AttachmentCount: 0 });
    const version = (SetAsDefault: boolean) =>
      iam.send(new CreatePolicyVersionCommand({ PolicyArn: arn, PolicyDocument: document("s3:List*"), SetAsDefault }));
    expect((await version(true)).PolicyVersion).toMatchObject({ VersionId: "v2", IsDefaultVersion: true });
    await version(false);
    await version(false);
    await version(false);
    await expect(version(false)).rejects.toMatchObject({ name: "LimitExceededException" });

    await iam.send(new SetDefaultPolicyVersionCommand({ PolicyArn: arn, VersionId: "v1" }));
    await iam.send(new DeletePolicyVersionCommand({ PolicyArn: arn, VersionId: "v5" }));
    expect((await version(false)).PolicyVersion?.VersionId).toBe("v6");
    const first = await iam.send(new GetPolicyVersionCommand({ PolicyArn: arn, VersionId: "v1" }));
    expect(decodeURIComponent(first.PolicyVersion?.Document ?? "")).toBe(document("s3:Get*"));
    await expect(iam.send(new DeletePolicyVersionCommand({ PolicyArn: arn, VersionId: "v1" }))).rejects.toMatchObject({
      message: "Cannot delete the default version of a policy.",
    });

    const { Versions = [] } = await iam.send(new ListPolicyVersionsCommand({ PolicyArn: arn }));
    expect(Versions.map(({ VersionId }) => VersionId)).toEqual(["v6", "v4", "v3", "v2", "v1"]);
    await expect(iam.send(new DeletePolicyCommand({ PolicyArn: arn }))).rejects.toMatchObject({
      name: "DeleteConflictException",
    });
    for (const { VersionId, IsDefaultVersion } of Versions) {
      if (IsDefaultVersion !== true) await iam.send(new DeletePolicyVersionCommand({ PolicyArn: arn, VersionId }));
    }
    await iam.send(new DeletePolicyCommand({ PolicyArn: arn }));
    await expect(iam.send(new GetPolicyCommand({ PolicyArn: arn }))).rejects.toMatchObject({
      name: "NoSuchEntityException",
    });
  });

  test("policies are counted where they are attached, AWS's own too", async () => {
    const { iam, account } = iamOf();
    const own = `arn:aws:iam::${account}:policy/read`;
    const aws = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    await iam.send(new CreatePolicyCommand({ PolicyName: "read", PolicyDocument: document("s3:Get*") }));
    await iam.send(new CreateUserCommand({ UserName: "ann" }));
    await iam.send(new CreateRoleCommand({ RoleName: "work", AssumeRolePolicyDocument: trust }));
    await iam.send(new AttachUserPolicyCommand({ UserName: "ann", PolicyArn: own }));
    await iam.send(new AttachUserPolicyCommand({ UserName: "ann", PolicyArn: own }));
    await iam.send(new AttachRolePolicyCommand({ RoleName: "work", PolicyArn: aws }));
    await expect(
      iam.send(new AttachUserPolicyCommand({ UserName: "ann", PolicyArn: `${own}-not` })),
    ).rejects.toMatchObject({ name: "NoSuchEntityException" });

    expect((await iam.send(new GetPolicyCommand({ PolicyArn: own }))).Policy?.AttachmentCount).toBe(1);
    expect((await iam.send(new GetPolicyCommand({ PolicyArn: aws }))).Policy).toMatchObject({
      AttachmentCount: 1,
      PolicyName: "AWSLambdaBasicExecutionRole",
      Path: "/service-role/",
    });
    const attached = await iam.send(new ListPoliciesCommand({ OnlyAttached: true, MaxItems: 1 }));
    expect(attached.Policies?.map(({ Arn }) => Arn)).toEqual([aws]);
    const more = await iam.send(new ListPoliciesCommand({ OnlyAttached: true, MaxItems: 1, Marker: attached.Marker }));
    expect(more).toMatchObject({ IsTruncated: false, Policies: [{ Arn: own }] });
    expect((await iam.send(new ListPoliciesCommand({ Scope: "Local" }))).Policies).toHaveLength(1);
    expect((await iam.send(new ListEntitiesForPolicyCommand({ PolicyArn: own }))).PolicyUsers).toMatchObject([
      { UserName: "ann" },
    ]);
    expect((await iam.send(new ListAttachedUserPoliciesCommand({ UserName: "ann" }))).AttachedPolicies).toEqual([
      { PolicyArn: own, PolicyName: "read" },
    ]);

    await expect(iam.send(new DeletePolicyCommand({ PolicyArn: own }))).rejects.toMatchObject({
      message: "Cannot delete a policy attached to entities.",
    });
    await iam.send(new DetachUserPolicyCommand({ UserName: "ann", PolicyArn: own }));
    await iam.send(new DeletePolicyCommand({ PolicyArn: own }));
  });

  test("the whole account is told page by page", async () => {
    const { iam } = iamOf();
    const aws = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    const known = "arn:aws:iam::aws:policy/AdministratorAccess";
    await iam.send(new CreateGroupCommand({ GroupName: "makers" }));
    await iam.send(new CreateUserCommand({ UserName: "ann", Tags: [{ Key: "team", Value: "maps" }] }));
    await iam.send(new CreateUserCommand({ UserName: "bob" }));
    await iam.send(new AddUserToGroupCommand({ GroupName: "makers", UserName: "ann" }));
    await iam.send(new CreateRoleCommand({ RoleName: "work", AssumeRolePolicyDocument: trust }));
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: "box" }));
    await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: "box", RoleName: "work" }));
    await iam.send(new CreatePolicyCommand({ PolicyName: "read", PolicyDocument: document("s3:Get*") }));
    for (const PolicyArn of [aws, known]) await iam.send(new AttachRolePolicyCommand({ RoleName: "work", PolicyArn }));

    const pages: string[][] = [];
    let Marker: string | undefined;
    do {
      const page = await iam.send(new GetAccountAuthorizationDetailsCommand({ MaxItems: 2, Marker }));
      pages.push([
        ...(page.Policies ?? []).map(({ PolicyName }) => `policy ${PolicyName}`),
        ...(page.GroupDetailList ?? []).map(({ GroupName }) => `group ${GroupName}`),
        ...(page.RoleDetailList ?? []).map((role) => `role in ${role.InstanceProfileList?.[0]?.InstanceProfileName}`),
        ...(page.UserDetailList ?? []).map(({ UserName, GroupList }) => `user ${UserName} of ${GroupList?.join()}`),
      ]);
      Marker = page.Marker;
    } while (Marker !== undefined);
    expect(pages).toEqual([
      ["policy AdministratorAccess", "group makers"],
      ["policy read", "role in box"],
      ["user ann of makers", "user bob of "],
    ]);
    const filtered = await iam.send(new GetAccountAuthorizationDetailsCommand({ Filter: ["User"] }));
    expect(filtered).toMatchObject({ RoleDetailList: [], UserDetailList: [{ UserName: "ann" }, { UserName: "bob" }] });
  });

  test("instance profiles hold one role, which stays as long as they do", async () => {
    const { iam, account } = iamOf();
    await iam.send(new CreateRoleCommand({ RoleName: "work", AssumeRolePolicyDocument: trust }));
    const made = await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: "box" }));
    expect(made.InstanceProfile?.Arn).toBe(`arn:aws:iam::${account}:instance-profile/box`);
    const add = () => iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: "box", RoleName: "work" }));
    await add();
    await expect(add()).rejects.toMatchObject({ name: "LimitExceededException" });
    const { InstanceProfile } = await iam.send(new GetInstanceProfileCommand({ InstanceProfileName: "box" }));
    expect(InstanceProfile?.Roles).toMatchObject([{ RoleName: "work" }]);
    await expect(iam.send(new DeleteRoleCommand({ RoleName: "work" }))).rejects.toMatchObject({
      name: "DeleteConflictException",
    });
  });

  test("what is not implemented fails by name", async () => {
    const { iam } = iamOf();
    await expect(
      iam.send(
        new CreateUserCommand({ UserName: "ann", PermissionsBoundary: "arn:aws:iam::aws:policy/PowerUserAccess" }),
      ),
    ).rejects.toMatchObject({ message: expect.stringContaining("PermissionsBoundary") as string });
  });
}
