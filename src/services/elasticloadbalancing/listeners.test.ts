import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { arnPrefix, createBench, createFront, fixed, forward, must, type Bench } from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

describe("listeners", () => {
  it("are shown as AWS shows them, and open their port", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    expect(ListenerArn).toMatch(new RegExp(`^${arnPrefix}:listener/app/front/[0-9a-f]{16}/[0-9a-f]{16}$`));
    expect((await elb.DescribeListeners({ LoadBalancerArn }, call)).Listeners).toEqual([
      {
        ListenerArn,
        LoadBalancerArn,
        Port: 8080,
        Protocol: "HTTP",
        DefaultActions: [
          {
            Type: "forward",
            TargetGroupArn,
            ForwardConfig: {
              TargetGroups: [{ TargetGroupArn, Weight: 1 }],
              TargetGroupStickinessConfig: { Enabled: false },
            },
          },
        ],
      },
    ]);
    expect(edge.config.listeners.map(({ id, port }) => [id, port])).toEqual([[ListenerArn, 8080]]);
    expect(edge.config.clusters.map(({ id }) => id)).toEqual([TargetGroupArn]);
  });

  it("are made once for the same settings", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    const again = await elb.CreateListener(
      { LoadBalancerArn, Protocol: "HTTP", Port: 8080, DefaultActions: forward(TargetGroupArn) },
      call,
    );
    expect(again.Listeners?.[0]?.ListenerArn).toBe(ListenerArn);
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 8080, DefaultActions: fixed("x") }, call),
    ).rejects.toMatchObject({
      code: "DuplicateListenerException",
      message: `A listener already exists on this port for this load balancer '${LoadBalancerArn}'`,
    });
  });

  it("are taken back when their port is in use by another process", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    edge.taken.set(9090, "nginx (pid 4711)");
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 9090, DefaultActions: fixed("x") }, call),
    ).rejects.toMatchObject({
      code: "InvalidConfigurationRequestException",
      message: expect.stringContaining("Port 9090 is in use by nginx (pid 4711)"),
    });
    expect((await elb.DescribeListeners({ LoadBalancerArn }, call)).Listeners).toHaveLength(1);
    edge.taken.clear();
    await elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 9090, DefaultActions: fixed("x") }, call);
    expect(edge.config.listeners.map(({ port }) => port)).toEqual([8080, 9090]);
  });

  it("cannot share a port with those of another load balancer", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const other = { ...call, account: "111111111111" };
    const { LoadBalancers } = await elb.CreateLoadBalancer({ Name: "b", Subnets: ["subnet-a", "subnet-b"] }, other);
    const LoadBalancerArn = must(LoadBalancers?.[0]?.LoadBalancerArn);
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 8080, DefaultActions: fixed("x") }, other),
    ).rejects.toMatchObject({
      code: "InvalidConfigurationRequestException",
      message: expect.stringContaining(`Port 8080 is in use by listener ${ListenerArn}`),
    });
  });

  it("change their port and default action", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    const { Listeners } = await elb.ModifyListener({ ListenerArn, Port: 8081, DefaultActions: fixed("moved") }, call);
    expect(Listeners?.[0]).toMatchObject({ Port: 8081, DefaultActions: [{ Type: "fixed-response" }] });
    expect(edge.config.listeners[0]).toMatchObject({
      port: 8081,
      routes: [{ action: { kind: "fixed", status: 200, contentType: "text/plain; charset=utf-8", body: "moved" } }],
    });
    await elb.DeleteTargetGroup({ TargetGroupArn }, call);
  });

  it("stay as they were when their new port is in use", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    const before = await elb.DescribeListeners({ LoadBalancerArn }, call);
    edge.taken.set(8081, "");
    await expect(
      elb.ModifyListener({ ListenerArn, Port: 8081, DefaultActions: fixed("x") }, call),
    ).rejects.toMatchObject({ code: "InvalidConfigurationRequestException" });
    expect(await elb.DescribeListeners({ LoadBalancerArn }, call)).toEqual(before);
    expect(edge.config.listeners[0]).toMatchObject({
      port: 8080,
      routes: [{ action: { kind: "forward", targets: [{ clusterId: TargetGroupArn, weight: 1 }] } }],
    });
  });

  it("close with the next routing when they are deleted", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    await elb.DeleteListener({ ListenerArn }, call);
    expect(edge.config.listeners).toEqual([]);
    await expect(elb.DeleteListener({ ListenerArn }, call)).rejects.toMatchObject({
      code: "ListenerNotFoundException",
    });
  });

  it("have attributes", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const { Attributes } = await elb.DescribeListenerAttributes({ ListenerArn }, call);
    expect(Attributes).toContainEqual({ Key: "routing.http.response.server.enabled", Value: "true" });
    await elb.ModifyListenerAttributes(
      { ListenerArn, Attributes: [{ Key: "routing.http.response.server.enabled", Value: "true" }] },
      call,
    );
  });
});
