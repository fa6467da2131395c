/** Killed at every step with a custom resource: its function is asked under one id for each step, and nothing is left over. */
import { describe, expect, it } from "vitest";
import { everyStep, stackStatus, type Run } from "./crash.suite.ts";
import type { Node } from "./node.suite.ts";
import { createProvider, type Provider } from "./provider.suite.ts";

const body = (properties: object, more: object = {}) =>
  JSON.stringify({
    Resources: {
      Before: { Type: "Test::Thing" },
      Custom: {
        Type: "Custom::Thing",
        DependsOn: "Before",
        Properties: { ServiceToken: "arn:aws:lambda:us-east-1:000000000000:function:provider", ...properties },
      },
      ...more,
    },
    Outputs: { Value: { Value: { "Fn::GetAtt": ["Custom", "Value"] } } },
  });
const failing = { Last: { Type: "Test::Thing", DependsOn: "Custom", Properties: { Fails: "no" } } };

/** Each run with a provider of its own; at the end no step has been asked for under two ids. */
function run(
  parts: Pick<Run, "before" | "act"> & { check(node: Node, accepted: boolean, provider: Provider): Promise<void> },
): Run {
  let provider = createProvider();
  return {
    ...parts,
    options() {
      provider = createProvider();
      return provider.options();
    },
    async check(node, accepted) {
      await parts.check(node, accepted, provider);
      const steps = [...provider.requests.values()].map(
        ({ RequestType, PhysicalResourceId, ResourceProperties: { Name } }) =>
          `${RequestType} ${PhysicalResourceId} ${Name}`,
      );
      expect(new Set(steps).size).toBe(steps.length);
    },
  };
}

async function create(node: Node): Promise<void> {
  await node.send("CreateStack", { StackName: "s", TemplateBody: body({ Name: "a" }) });
  expect((await node.settled("s")).status).toBe("CREATE_COMPLETE");
}

describe.each(["before", "after"] as const)("killed %s a transaction is made", (mode) => {
  it("a creation ends complete", async () => {
    const steps = await everyStep(
      mode,
      run({
        act: (node) => node.send("CreateStack", { StackName: "s", TemplateBody: body({ Name: "a" }) }),
        async check(node, accepted, { alive }) {
          const status = await stackStatus(node, "s");
          expect(status).toBe(accepted || status !== undefined ? "CREATE_COMPLETE" : undefined);
          expect([...alive]).toEqual(status === undefined ? [] : ["a"]);
        },
      }),
    );
    expect(steps).toBeGreaterThan(8);
  });

  it("a creation that its function refuses is deleted", async () => {
    await everyStep(
      mode,
      run({
        act: (node) => node.send("CreateStack", { StackName: "s", TemplateBody: body({ Name: "a", Fails: "Create" }) }),
        async check(node, accepted, { alive, requests }) {
          const status = await stackStatus(node, "s");
          expect(status).toBe(accepted || status !== undefined ? "ROLLBACK_COMPLETE" : undefined);
          const types = [...requests.values()].map(({ RequestType }) => RequestType);
          expect(types).toEqual(status === undefined ? [] : ["Create", "Delete"]);
          expect(alive.size).toBe(0);
        },
      }),
    );
  });

  it("an update in place that makes another, and deletes the old one", async () => {
    const steps = await everyStep(
      mode,
      run({
        before: create,
        act: (node) => node.send("UpdateStack", { StackName: "s", TemplateBody: body({ Name: "b" }) }),
        async check(node, accepted, { alive }) {
          const status = await stackStatus(node, "s");
          if (accepted) expect(status).toBe("UPDATE_COMPLETE");
          expect([...alive]).toEqual([status === "UPDATE_COMPLETE" ? "b" : "a"]);
        },
      }),
    );
    expect(steps).toBeGreaterThan(8);
  });

  it("an update that fails later goes back to the old one", async () => {
    await everyStep(
      mode,
      run({
        before: create,
        act: (node) => node.send("UpdateStack", { StackName: "s", TemplateBody: body({ Name: "b" }, failing) }),
        async check(node, accepted, { alive }) {
          const status = await stackStatus(node, "s");
          if (accepted) expect(status).toBe("UPDATE_ROLLBACK_COMPLETE");
          expect([...alive]).toEqual(["a"]);
        },
      }),
    );
  });

  it("a deletion leaves nothing", async () => {
    await everyStep(
      mode,
      run({
        before: create,
        act: (node) => node.send("DeleteStack", { StackName: "s" }),
        async check(node, accepted, { alive }) {
          const status = await stackStatus(node, "s");
          if (accepted) expect(status).toBe("DELETE_COMPLETE");
          expect([...alive]).toEqual(status === "DELETE_COMPLETE" ? [] : ["a"]);
        },
      }),
    );
  });
});
