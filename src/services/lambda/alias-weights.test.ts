/** Weighted aliases, with a chance that the test deals out. */
import { describe, expect, it } from "vitest";
import { countingIds, type Ids } from "../../base/ids.ts";
import { drawVersion } from "./alias-weights.ts";
import { arn, createFunction, faultOf, type TestNode, withNode } from "./node.suite.ts";

const key = { FunctionName: "tiles" };

/** Every number of four bytes that is drawn is the next of `count` that divide the range evenly. */
function evenIds(count: number): Ids {
  const ids = countingIds();
  let drawn = 0;
  const hex = (bytes: number) => {
    if (bytes !== 4) return ids.hex(bytes);
    drawn = (drawn + 1) % count;
    return Math.floor(((drawn + 0.5) / count) * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  };
  return { ...ids, hex };
}

async function publishTwo(node: TestNode) {
  const { lambda, call } = node;
  await createFunction(node, "tiles", { Publish: true });
  await lambda.UpdateFunctionConfiguration({ ...key, Timeout: 9 }, call());
  await lambda.PublishVersion(key, call());
}

const routing = (version: string, weight: number) => ({ AdditionalVersionWeights: { [version]: weight } });

describe("a weighted alias", () => {
  it.each([
    [0.1, 100],
    [0.25, 250],
    [0, 0],
    [1, 1_000],
  ])("with %d sends %i of 1,000 invocations to its second version", (weight, expected) =>
    withNode(
      async (node) => {
        const { lambda, call } = node;
        await publishTwo(node);
        const alias = { ...key, Name: "live", FunctionVersion: "1", RoutingConfig: routing("2", weight) };
        expect(await lambda.CreateAlias(alias, call())).toMatchObject({ RoutingConfig: routing("2", weight) });
        const counts = new Map<string | undefined, number>();
        for (let i = 0; i < 1_000; i += 1) {
          const { ExecutedVersion } = await lambda.Invoke({ ...key, Qualifier: "live" }, call());
          counts.set(ExecutedVersion, (counts.get(ExecutedVersion) ?? 0) + 1);
        }
        expect([counts.get("2") ?? 0, counts.get("1") ?? 0]).toEqual([expected, 1_000 - expected]);
        expect(node.compute.invoked.at(-1)?.invocation.invokedArn).toBe(arn("tiles:live"));
      },
      { ids: evenIds(1_000) },
    ),
  );

  it("keeps its weights until they are changed, and its second version until then", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await publishTwo(node);
      const alias = { ...key, Name: "live" };
      await lambda.CreateAlias({ ...alias, FunctionVersion: "1", RoutingConfig: routing("2", 0.5) }, call());
      await lambda.UpdateAlias({ ...alias, Description: "d" }, call());
      expect((await lambda.GetAlias(alias, call())).RoutingConfig).toEqual(routing("2", 0.5));
      const { Aliases } = await lambda.ListAliases(key, call());
      expect(Aliases?.[0]?.RoutingConfig).toEqual(routing("2", 0.5));
      const deletion = () => lambda.DeleteFunction({ ...key, Qualifier: "2" }, call());
      expect((await faultOf(deletion())).code).toBe("ResourceConflictException");
      await lambda.UpdateAlias({ ...alias, RoutingConfig: { AdditionalVersionWeights: {} } }, call());
      expect((await lambda.GetAlias(alias, call())).RoutingConfig).toBeUndefined();
      await deletion();
    }));

  it.each([
    ["two versions", "1", { "2": 0.1, "3": 0.1 }, "Number of items in AdditionalVersionWeights"],
    ["$LATEST", "$LATEST", { "2": 0.1 }, "$LATEST is not supported"],
    ["its own version", "1", { "1": 0.1 }, "already included in routing configuration"],
    ["a missing version", "1", { "7": 0.1 }, `Function not found: ${arn("tiles:7")}`],
  ])("is refused with %s", (_what, FunctionVersion, AdditionalVersionWeights, message) =>
    withNode(async (node) => {
      await publishTwo(node);
      const input = { ...key, Name: "live", FunctionVersion, RoutingConfig: { AdditionalVersionWeights } };
      expect((await faultOf(node.lambda.CreateAlias(input, node.call()))).message).toContain(message);
    }),
  );

  it("is made and changed by templates", () =>
    withNode(async (node) => {
      await publishTwo(node);
      const resource = node.resource("AWS::Lambda::Alias");
      const RoutingConfig = { AdditionalVersionWeights: [{ FunctionVersion: "2", FunctionWeight: "0.3" }] };
      const properties = { ...key, Name: "live", FunctionVersion: "1" };
      const common = { stackId: "s", stackName: "s", logicalId: "L", physicalName: "", metadata: {}, tags: {} };
      const request = { ...common, token: "t", properties: { ...properties, RoutingConfig } };
      const state = await resource.create(request, node.call());
      const shown = () => node.lambda.GetAlias({ ...key, Name: "live" }, node.call());
      expect((await shown()).RoutingConfig).toEqual(routing("2", 0.3));
      expect(await resource.read?.({ ...request, ...state }, node.call())).toMatchObject({
        RoutingConfig: { AdditionalVersionWeights: [{ FunctionVersion: "2", FunctionWeight: 0.3 }] },
      });
      await resource.update?.({ ...request, ...state, properties, former: request }, node.call());
      expect((await shown()).RoutingConfig).toBeUndefined();
    }));
});

it("draws by ranges", () => {
  expect(drawVersion("1", { "2": 0.25 }, 0.249)).toBe("2");
  expect(drawVersion("1", { "2": 0.25 }, 0.25)).toBe("1");
  expect(drawVersion("1", {}, 0)).toBe("1");
});
