/** How many run at once: of the account, of a function, and what those are told that may not. */
import { expect, it } from "vitest";
import { createFunction, faultOf, withNode, type TestNode } from "./node.suite.ts";

const lambdaConcurrency = 103;
const reserve = ({ lambda, call }: TestNode, FunctionName: string, ReservedConcurrentExecutions: number) =>
  lambda.PutFunctionConcurrency({ FunctionName, ReservedConcurrentExecutions }, call());

it("an account has what the node gives it, and must leave 100 to functions without a reservation", () =>
  withNode(
    async (node) => {
      await createFunction(node, "map");
      await createFunction(node, "other");
      await reserve(node, "map", 2);
      expect((await faultOf(reserve(node, "other", 2))).message).toBe(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
      );
      await reserve(node, "map", 3);
      const { AccountLimit } = await node.lambda.GetAccountSettings({}, node.call());
      expect(AccountLimit).toMatchObject({ ConcurrentExecutions: 103, UnreservedConcurrentExecutions: 100 });
    },
    { lambdaConcurrency },
  ));

it("tells those who come too many by whose limit, and when to come again", () =>
  withNode(
    async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "map");
      await createFunction(node, "other");
      await reserve(node, "map", 1);
      compute.hold = true;
      const invoke = (FunctionName: string) => lambda.Invoke({ FunctionName }, call());
      const running = [invoke("map"), ...Array.from({ length: lambdaConcurrency - 1 }, () => invoke("other"))];
      await expect.poll(() => compute.held.length).toBe(lambdaConcurrency);
      const refusal = async (name: string) => {
        const error: unknown = await invoke(name).catch((reason: unknown) => reason);
        return error instanceof Error && "members" in error ? error.members : error;
      };
      expect(await refusal("map")).toMatchObject({
        Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
        retryAfterSeconds: "1",
      });
      expect(await refusal("other")).toMatchObject({ Reason: "ConcurrentInvocationLimitExceeded" });
      compute.held.forEach(({ end }) => end());
      await Promise.all(running);
    },
    { lambdaConcurrency },
  ));
