/** Every quota that DescribeAccountLimits tells: one more is refused, with AWS's error. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sql } from "../../store/sql.ts";
import { insert } from "../../store/tables.ts";
import {
  createBench,
  createFront,
  createGroup,
  fixed,
  forward,
  must,
  path,
  refusal,
  type Bench,
} from "./bench.suite.ts";
import { quotas } from "./limits.ts";
import { loadBalancers, targetGroups, targets, type TargetGroup } from "./tables.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

type Quota = keyof typeof quotas;

const place = { account: "000000000000", region: "us-east-1" };
const subnets = ["subnet-a", "subnet-b"];
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const idOf = (i: number) => `e${i.toString(16).padStart(15, "0")}`;
/** A name and id of a group as the end of its ARN has it. */
const groupIdOf = (arn: string) => must(arn.split("/").at(-1));

async function fillLoadBalancers(type: string, count: number): Promise<void> {
  await bench.store.tx(async (tx) => {
    for (const i of numbers(count)) {
      const row = {
        ...place,
        id: idOf(i),
        name: `lb-${i}`,
        type,
        created_ms: 0,
        scheme: "internal",
        tags: [],
        token: null,
      };
      const network = { ip_address_type: "ipv4", subnets, security_groups: [], attributes: {} };
      await tx.run(insert(loadBalancers, { ...row, ...network }));
    }
  });
}

async function fillTargets(groupArn: string, count: number, idAt: (i: number) => string): Promise<void> {
  await bench.store.tx(async (tx) => {
    for (const i of numbers(count)) {
      const key = { ...place, target_group_id: groupIdOf(groupArn), id: idAt(i), port: i + 1 };
      await tx.run(insert(targets, { ...key, availability_zone: null, drained_ms: null }));
    }
  });
}

const address = (i: number) => `10.0.${Math.floor(i / 250)}.${i % 250}`;

async function newRule(Priority: number, Conditions = path(`/${Priority}`), Actions: object[] = fixed("")) {
  const { Listeners } = await bench.elb.DescribeListeners({ LoadBalancerArn: await frontArn() }, bench.call);
  const ListenerArn = must(Listeners?.[0]?.ListenerArn);
  return bench.elb.CreateRule(
    { ListenerArn, Priority, Conditions, Actions: Actions as ReturnType<typeof fixed> },
    bench.call,
  );
}

async function frontArn(): Promise<string> {
  const { LoadBalancers } = await bench.elb.DescribeLoadBalancers({ Names: ["front"] }, bench.call);
  return must(LoadBalancers?.[0]?.LoadBalancerArn);
}

async function createNetwork(Name = "net"): Promise<string> {
  const input = { Name, Type: "network" as const, Subnets: ["subnet-a"] };
  const { LoadBalancers } = await bench.elb.CreateLoadBalancer(input, bench.call);
  return must(LoadBalancers?.[0]?.LoadBalancerArn);
}

async function createTcpGroup(Name: string): Promise<string> {
  const input = { Name, Protocol: "TCP" as const, Port: 3000, VpcId: "vpc-1", TargetType: "ip" as const };
  const { TargetGroups } = await bench.elb.CreateTargetGroup(input, bench.call);
  return must(TargetGroups?.[0]?.TargetGroupArn);
}

function passOn(LoadBalancerArn: string, Port: number, groups: readonly string[]) {
  const TargetGroups = groups.map((TargetGroupArn) => ({ TargetGroupArn }));
  const DefaultActions = [{ Type: "forward" as const, ForwardConfig: { TargetGroups } }];
  return bench.elb.CreateListener({ LoadBalancerArn, Protocol: "TCP", Port, DefaultActions }, bench.call);
}

/** Goes to the quota, then one over it: gives that attempt. */
const rows: Record<Quota, { over: (max: number) => Promise<Promise<unknown>[]>; code: string } | "nothing of it"> = {
  "application-load-balancers": {
    code: "TooManyLoadBalancersException",
    async over(max) {
      await fillLoadBalancers("application", max);
      return [bench.elb.CreateLoadBalancer({ Name: "more", Subnets: subnets }, bench.call)];
    },
  },
  "listeners-per-application-load-balancer": {
    code: "TooManyListenersException",
    async over(max) {
      const { LoadBalancerArn } = await createFront(bench);
      const listen = (Port: number) =>
        bench.elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port, DefaultActions: fixed("") }, bench.call);
      for (const i of numbers(max - 1)) await listen(9000 + i);
      return [listen(10_000)];
    },
  },
  "rules-per-application-load-balancer": {
    code: "TooManyRulesException",
    async over(max) {
      await createFront(bench);
      for (const i of numbers(max)) await newRule(i + 1);
      return [newRule(max + 1)];
    },
  },
  "condition-values-per-alb-rule": {
    code: "ValidationError",
    async over(max) {
      await createFront(bench);
      await newRule(1, path(...numbers(max).map((i) => `/${i}`)));
      return [newRule(2, path(...numbers(max + 1).map((i) => `/${i}`)))];
    },
  },
  "condition-wildcards-per-alb-rule": {
    code: "ValidationError",
    async over(max) {
      await createFront(bench);
      await newRule(1, path("/*".repeat(max)));
      return [newRule(2, path("/*".repeat(max + 1)))];
    },
  },
  "target-groups": {
    code: "TooManyTargetGroupsException",
    async over(max) {
      const { TargetGroups } = await bench.elb.CreateTargetGroup({ Name: "fn", TargetType: "lambda" }, bench.call);
      expect(TargetGroups).toHaveLength(1);
      const { settings } = must(
        await bench.store.read((tx) => tx.one<TargetGroup>(sql`select settings from ${targetGroups.name}`)),
      );
      const all = numbers(max - 1);
      while (all.length > 0) {
        const some = all.splice(0, 500);
        await bench.store.tx(async (tx) => {
          for (const i of some) {
            const row = { ...place, id: idOf(i), name: `tg-${i}`, created_ms: 0, settings, attributes: {} };
            await tx.run(insert(targetGroups, { ...row, tags: [], token: null }));
          }
        });
      }
      return [createGroup(bench, "more")];
    },
  },
  "target-groups-per-action-on-application-load-balancer": {
    code: "TooManyTargetGroupsException",
    async over(max) {
      await createFront(bench);
      const arns: string[] = [];
      for (const i of numbers(max + 1)) arns.push(await createGroup(bench, `g${i}`));
      const to = (some: string[]) => [
        { Type: "forward", ForwardConfig: { TargetGroups: some.map((TargetGroupArn) => ({ TargetGroupArn })) } },
      ];
      await newRule(1, path("/a"), to(arns.slice(1)));
      return [newRule(2, path("/b"), to(arns))];
    },
  },
  "target-groups-per-application-load-balancer": {
    code: "TooManyUniqueTargetGroupsPerLoadBalancerException",
    async over(max) {
      await createFront(bench);
      for (const i of numbers(max - 1)) await newRule(i + 1, path(`/${i}`), forward(await createGroup(bench, `g${i}`)));
      const RuleArn = must(
        (await bench.elb.DescribeRules({ ListenerArn: must(bench.edge.config.listeners[0]).id }, bench.call)).Rules?.[0]
          ?.RuleArn,
      );
      // The rules are as many as there may be too.
      await bench.elb.ModifyRule({ RuleArn, Actions: forward(await createGroup(bench, "other")) }, bench.call);
      return [
        newRule(500, path("/x"), forward(await createGroup(bench, "more-1"))).then(async () =>
          newRule(501, path("/y"), forward(await createGroup(bench, "more-2"))),
        ),
      ];
    },
  },
  "targets-per-application-load-balancer": {
    code: "TooManyTargetsException",
    async over(max) {
      const { TargetGroupArn } = await createFront(bench);
      await fillTargets(TargetGroupArn, max - 1, address);
      const second = await createGroup(bench, "second");
      await newRule(1, path("/a"), forward(second));
      const register = (Id: string) =>
        bench.elb.RegisterTargets({ TargetGroupArn: second, Targets: [{ Id }] }, bench.call);
      await register("10.9.9.1");
      const third = await createGroup(bench, "third");
      await bench.elb.RegisterTargets({ TargetGroupArn: third, Targets: [{ Id: "10.9.9.2" }] }, bench.call);
      return [register("10.9.9.2"), newRule(2, path("/b"), forward(third))];
    },
  },
  "target-id-registrations-per-application-load-balancer": {
    // There may not be more targets either, and that is said first.
    code: "TooManyTargetsException",
    async over(max) {
      const { TargetGroupArn } = await createFront(bench);
      await fillTargets(TargetGroupArn, max, () => "10.0.0.1");
      const second = await createGroup(bench, "second");
      await newRule(1, path("/a"), forward(second));
      return [bench.elb.RegisterTargets({ TargetGroupArn: second, Targets: [{ Id: "10.0.0.1" }] }, bench.call)];
    },
  },
  // Those are tried with certificates: certificates.test.ts.
  "certificates-per-application-load-balancer": "nothing of it",
  "certificates-per-network-load-balancer": "nothing of it",
  "network-load-balancers": {
    code: "TooManyLoadBalancersException",
    async over(max) {
      // Those of the other type do not count.
      await createFront(bench);
      await fillLoadBalancers("network", max - 1);
      await createNetwork();
      return [createNetwork("more")];
    },
  },
  "listeners-per-network-load-balancer": {
    code: "TooManyListenersException",
    async over(max) {
      const owner = await createNetwork();
      const group = await createTcpGroup("tcp");
      for (const i of numbers(max)) await passOn(owner, 9000 + i, [group]);
      return [passOn(owner, 10_000, [group])];
    },
  },
  "target-groups-per-action-on-network-load-balancer": {
    code: "TooManyTargetGroupsException",
    async over(max) {
      const owner = await createNetwork();
      const arns: string[] = [];
      for (const i of numbers(max + 1)) arns.push(await createTcpGroup(`g${i}`));
      await passOn(owner, 9000, arns.slice(1));
      return [passOn(owner, 9001, arns)];
    },
  },
  "targets-per-network-load-balancer": {
    code: "TooManyTargetsException",
    async over(max) {
      const owner = await createNetwork();
      const arns: string[] = [];
      for (const i of numbers(4)) arns.push(await createTcpGroup(`g${i}`));
      for (const arn of arns.slice(1)) await fillTargets(arn, max / 3, address);
      await passOn(owner, 9000, arns);
      const [TargetGroupArn = ""] = arns;
      return [bench.elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.9.9.1" }] }, bench.call)];
    },
  },
};

describe("one more than", () => {
  for (const [name, row] of Object.entries(rows)) {
    if (row === "nothing of it") continue;
    const max = quotas[name as Quota];
    it(`${max} ${name} is refused`, { timeout: 30_000 }, async () => {
      for (const attempt of await row.over(max)) {
        expect(await refusal(attempt)).toMatchObject({ code: row.code });
      }
    });
  }
});

it("are told by DescribeAccountLimits", async () => {
  const { Limits = [] } = await bench.elb.DescribeAccountLimits({}, bench.call);
  expect(Object.fromEntries(Limits.map(({ Name = "", Max }) => [Name, Number(Max)]))).toEqual(quotas);
});
