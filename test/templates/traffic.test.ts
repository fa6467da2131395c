/** Templates whose work is to bring requests somewhere. */
import {
  DescribeRulesCommand,
  DescribeTargetGroupsCommand,
  ModifyRuleCommand,
  ModifyTargetGroupCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { UpdateFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { DescribeStackResourceCommand } from "@aws-sdk/client-cloudformation";
import { expect } from "vitest";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

async function physicalId({ clients }: Place, StackName: string, LogicalResourceId: string): Promise<string> {
  const input = { StackName, LogicalResourceId };
  const { StackResourceDetail } = await clients.cloudformation.send(new DescribeStackResourceCommand(input));
  return StackResourceDetail?.PhysicalResourceId ?? "";
}

const checkEvery = async (place: Place, HealthCheckIntervalSeconds: number) => {
  const { TargetGroups } = await place.clients.elb.send(new DescribeTargetGroupsCommand({}));
  const TargetGroupArn = TargetGroups?.[0]?.TargetGroupArn;
  await place.clients.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn, HealthCheckIntervalSeconds }));
};
const routeShop = async (place: Place, ...Values: string[]) => {
  const RuleArn = await physicalId(place, "many-apps", "ShopRule");
  await place.clients.elb.send(
    new ModifyRuleCommand({ RuleArn, Conditions: [{ Field: "path-pattern", PathPatternConfig: { Values } }] }),
  );
};
const greetWith = async (place: Place, GREETING: string) => {
  const FunctionName = place.output("Function");
  const Environment = { Variables: { GREETING } };
  await place.clients.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment }));
};

tryTemplates([
  {
    name: "web-app",
    byClients: true,
    parameters: async (place) => ({ ListenerPort: await place.port("listener"), AppPort: await place.app("shop") }),
    change: { template: "changed.yaml" },
    async check(place, stage) {
      const port = await place.port("listener");
      expect(await place.get(port, "/")).toEqual({ status: 200, body: "shop" });
      const closed = stage === "created" ? { status: 200, body: "shop" } : { status: 403, body: "closed" };
      expect(await place.get(port, "/internal/figures")).toEqual(closed);
    },
    drift: {
      seen: ["App MODIFIED /HealthCheckIntervalSeconds"],
      make: (place) => checkEvery(place, 20),
      mend: (place) => checkEvery(place, 10),
    },
  },
  {
    name: "many-apps",
    parameters: async (place) => ({
      ListenerPort: await place.port("listener"),
      BlogPort: await place.app("blog"),
      ShopPort: await place.app("shop"),
      NewShopPort: await place.app("new shop"),
    }),
    change: { parameters: { ShopWeight: 0, NewShopWeight: 1 } },
    async check(place, stage) {
      const port = await place.port("listener");
      expect(await place.get(port, "/shop", "blog.example.com")).toEqual({ status: 200, body: "blog" });
      const shop = stage === "created" ? "shop" : "new shop";
      expect(await place.get(port, "/shop/cart")).toEqual({ status: 200, body: shop });
      expect(await place.get(port, "/elsewhere")).toEqual({ status: 404, body: "no such app" });
    },
    drift: {
      seen: ["ShopRule MODIFIED /Conditions/0/PathPatternConfig/Values/1"],
      make: (place) => routeShop(place, "/shop", "/shops/*"),
      mend: (place) => routeShop(place, "/shop", "/shop/*"),
    },
    async after(place) {
      expect((await place.clients.elb.send(new DescribeTargetGroupsCommand({}))).TargetGroups).toEqual([]);
      await expect(place.clients.elb.send(new DescribeRulesCommand({ RuleArns: ["arn:none"] }))).rejects.toThrow();
    },
  },
  {
    name: "function-behind-load-balancer",
    parameters: async (place) => ({ ListenerPort: await place.port("listener") }),
    change: { parameters: { Greeting: "good day", ConcurrencyCap: 6 } },
    async check(place, stage) {
      const greeting = stage === "created" ? "hello" : "good day";
      expect(await place.get(await place.port("listener"), "/here")).toEqual({
        status: 200,
        body: `${greeting} from /here`,
      });
    },
    drift: {
      seen: ["Function MODIFIED /Environment/Variables/GREETING"],
      make: (place) => greetWith(place, "boo"),
      mend: (place) => greetWith(place, "good day"),
    },
  },
]);
