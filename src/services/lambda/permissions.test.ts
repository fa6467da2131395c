import { describe, expect, it } from "vitest";
import type { Principal } from "../../kit/call.ts";
import { account, arn, createFunction, faultOf, withNode, type TestNode } from "./node.suite.ts";

const key = { FunctionName: "tiles" };
const balancer = "elasticloadbalancing.amazonaws.com";
const targetGroup = `arn:aws:elasticloadbalancing:us-east-1:${account}:targetgroup/map/1`;
const principal: Principal = { kind: "service", service: balancer, sourceArn: targetGroup, sourceAccount: account };

const permission = { StatementId: "alb", Action: "lambda:InvokeFunction", Principal: balancer };
const add = ({ lambda, call }: TestNode, changes: object = {}) =>
  lambda.AddPermission({ ...key, ...permission, ...changes }, call());
const invoke = ({ lambda, call }: TestNode, changes: Parameters<TestNode["call"]>[0] = {}, Qualifier?: string) =>
  lambda.Invoke({ ...key, Qualifier }, call({ principal, ...changes }));

describe("AddPermission", () => {
  it.each([
    [
      { SourceArn: targetGroup },
      { Principal: { Service: balancer }, Condition: { ArnLike: { "AWS:SourceArn": targetGroup } } },
    ],
    [
      { SourceAccount: account },
      { Principal: { Service: balancer }, Condition: { StringEquals: { "AWS:SourceAccount": account } } },
    ],
    [{ Principal: "111111111111" }, { Principal: { AWS: "arn:aws:iam::111111111111:root" } }],
    [{ Principal: "arn:aws:iam::111111111111:user/u" }, { Principal: { AWS: "arn:aws:iam::111111111111:user/u" } }],
    [
      { Principal: "*", EventSourceToken: "t" },
      { Principal: "*", Condition: { StringEquals: { "lambda:EventSourceToken": "t" } } },
    ],
  ])("writes %o as AWS does", (given, written) =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const { Statement } = await add(node, given);
      const statement: unknown = JSON.parse(Statement ?? "");
      expect(statement).toEqual({
        Sid: "alb",
        Effect: "Allow",
        Action: "lambda:InvokeFunction",
        Resource: arn("tiles"),
        ...written,
      });
      const { Policy } = await node.lambda.GetPolicy(key, node.call());
      expect(JSON.parse(Policy ?? "")).toEqual({ Version: "2012-10-17", Id: "default", Statement: [statement] });
    }),
  );

  it("is refused as AWS refuses it", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      await add(node);
      const refusal = async (changes: object) => (await faultOf(add(node, changes))).message;
      expect(await refusal({})).toBe(
        "The statement id (alb) provided already exists. Please provide a new statement id, or remove the existing statement.",
      );
      expect(await refusal({ StatementId: "x", Qualifier: "$LATEST" })).toBe(
        "We currently do not support adding policies for $LATEST.",
      );
      expect(await refusal({ StatementId: "x", Principal: "no one" })).toBe(
        "The provided principal was invalid. Please check the principal and try again.",
      );
      expect(await refusal({ FunctionName: "none" })).toBe(`Function not found: ${arn("none")}`);
      expect(await refusal({ Qualifier: "42" })).toBe(`Function not found: ${arn("tiles:42")}`);
      expect(await refusal({ Qualifier: "live" })).toBe(`Cannot find alias arn: ${arn("tiles:live")}`);
      expect(await refusal({ StatementId: "x", RevisionId: "stale" })).toBe(
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id",
      );
      const RevisionId = (await node.lambda.GetPolicy(key, node.call())).RevisionId;
      await add(node, { StatementId: "y", RevisionId });
    }));

  it("stops at AWS's size of a policy", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const SourceArn = `arn:aws:s3:::${"b".repeat(5_000)}`;
      for (const StatementId of ["a", "b", "c"]) await add(node, { StatementId, SourceArn });
      expect((await faultOf(add(node, { StatementId: "d", SourceArn }))).code).toBe("PolicyLengthExceededException");
    }));
});

describe("RemovePermission", () => {
  it("takes one statement, and the policy with the last", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles");
      const remove = (StatementId: string, FunctionName = "tiles") =>
        lambda.RemovePermission({ FunctionName, StatementId }, call());
      expect((await faultOf(remove("alb"))).message).toBe("No policy is associated with the given resource.");
      expect((await faultOf(remove("alb", "none"))).message).toBe(`No policy found for: ${arn("none")}`);
      await add(node);
      expect((await faultOf(remove("other"))).message).toBe("Statement other is not found in resource policy.");
      await remove("alb");
      expect(await faultOf(lambda.GetPolicy(key, call()))).toEqual({
        code: "ResourceNotFoundException",
        message: "The resource you requested does not exist.",
      });
    }));
});

describe("who may invoke", () => {
  it("is a service only with a statement that fits", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect(await faultOf(invoke(node))).toEqual({
        code: "AccessDeniedException",
        message: `${balancer} is not authorized to perform: lambda:InvokeFunction on resource: ${arn("tiles")}`,
      });
      await add(node, { SourceArn: `${targetGroup}x` });
      expect((await faultOf(invoke(node))).code).toBe("AccessDeniedException");
      await add(node, { StatementId: "fits", SourceArn: targetGroup });
      expect((await invoke(node)).StatusCode).toBe(200);
      expect((await invoke(node, {}, "$LATEST")).StatusCode).toBe(200);
      const other: Principal = { ...principal, service: "events.amazonaws.com" };
      expect((await faultOf(invoke(node, { principal: other }))).code).toBe("AccessDeniedException");
    }));

  it("is decided by the policy of the version or alias that was named", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles", { Publish: true });
      await node.lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, node.call());
      await add(node);
      expect((await faultOf(invoke(node, {}, "live"))).code).toBe("AccessDeniedException");
      await add(node, { Qualifier: "live" });
      expect((await invoke(node, {}, "live")).StatusCode).toBe(200);
      expect((await faultOf(invoke(node, {}, "1"))).code).toBe("AccessDeniedException");
    }));

  it("is another account only when a statement names it", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const foreigner: Principal = { kind: "user", account: "111111111111", accessKeyId: "111111111111" };
      const call = () => node.call({ account: "111111111111", principal: foreigner });
      const foreign = () => node.lambda.Invoke({ FunctionName: arn("tiles") }, call());
      expect((await faultOf(foreign())).code).toBe("AccessDeniedException");
      await add(node, { Principal: "222222222222" });
      expect((await faultOf(foreign())).code).toBe("AccessDeniedException");
      await add(node, { StatementId: "right", Principal: "111111111111" });
      expect((await foreign()).StatusCode).toBe(200);
    }));
});

describe("a request that the edge took before", () => {
  it("is still served after the permission is removed, and after the function is deleted", () =>
    withNode(async (node) => {
      const { lambda, call, clock, compute } = node;
      await createFunction(node, "tiles", { Publish: true });
      await lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, call());
      await add(node);
      await add(node, { Qualifier: "live" });
      const asOf = clock.now();
      await clock.advance(100);
      await lambda.RemovePermission({ ...key, StatementId: "alb" }, call());
      expect((await faultOf(invoke(node))).code).toBe("AccessDeniedException");
      expect((await invoke(node, { asOf })).StatusCode).toBe(200);
      await lambda.DeleteFunction(key, call());
      expect((await invoke(node, { asOf })).ExecutedVersion).toBe("$LATEST");
      expect((await invoke(node, { asOf }, "live")).ExecutedVersion).toBe("1");
      expect((await faultOf(invoke(node, { asOf: clock.now() + 1 }))).code).toBe("AccessDeniedException");
      expect((await faultOf(lambda.Invoke(key, call()))).message).toBe(`Function not found: ${arn("tiles")}`);
      expect(compute.retired).toEqual([]);
      await clock.advance(5_000);
      expect(new Set(compute.retired)).toEqual(new Set(compute.invoked.map(({ spec }) => spec.id)));
      compute.retired.length = 0;
      await invoke(node, { asOf });
      expect(compute.retired).toHaveLength(1);
      await clock.advance(15 * 60_000);
      expect((await faultOf(invoke(node, { asOf }))).code).toBe("AccessDeniedException");
    }));

  it("keeps the alias and the version it named", () =>
    withNode(async (node) => {
      const { lambda, call, clock } = node;
      await createFunction(node, "tiles", { Publish: true });
      await lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, call());
      await add(node, { Qualifier: "live" });
      const asOf = clock.now();
      await clock.advance(1);
      await lambda.DeleteAlias({ ...key, Name: "live" }, call());
      expect((await invoke(node, { asOf }, "live")).ExecutedVersion).toBe("1");
      await lambda.DeleteFunction({ ...key, Qualifier: "1" }, call());
      expect((await invoke(node, { asOf }, "live")).ExecutedVersion).toBe("1");
      expect((await faultOf(invoke(node, {}, "live"))).code).toBe("AccessDeniedException");
    }));

  it("counts against the reservation that the deleted function had", () =>
    withNode(async (node) => {
      const { lambda, call, clock, compute } = node;
      await createFunction(node, "tiles");
      await lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 1 }, call());
      await add(node);
      const asOf = clock.now();
      await clock.advance(1);
      await lambda.DeleteFunction(key, call());
      compute.hold = true;
      const first = invoke(node, { asOf });
      await expect.poll(() => compute.held.length).toBe(1);
      expect((await faultOf(invoke(node, { asOf }))).code).toBe("TooManyRequestsException");
      compute.held[0]?.end();
      expect((await first).StatusCode).toBe(200);
    }));
});
