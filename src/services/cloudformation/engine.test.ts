import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { retentionJob } from "./retention.ts";
import { createWorld, startNode, thing, type Node, type NodeOptions } from "./node.suite.ts";

const nodes: Node[] = [];
async function node(options: NodeOptions = {}): Promise<Node> {
  const started = await startNode(options);
  nodes.push(started);
  return started;
}
afterEach(async () => {
  for (const started of nodes.splice(0)) await started.close();
});

/** Front needs Middle needs Back; Side needs nobody. */
const chain = JSON.stringify({
  Resources: {
    Front: { Type: "Test::Thing", Properties: { Value: { "Fn::GetAtt": ["Middle", "Arn"] } } },
    Middle: { Type: "Test::Thing", DependsOn: "Back" },
    Back: { Type: "Test::Thing", Properties: { Name: { "Fn::Sub": "${AWS::StackName}-back" } } },
    Side: { Type: "Test::Thing" },
  },
  Outputs: { Value: { Value: { "Fn::GetAtt": ["Front", "Value"] } } },
});

describe("a stack", () => {
  it("is created in the order of its dependencies, and deleted in reverse", async () => {
    const { send, settled, world, story } = await node();
    const { StackId: id = "" } = await send("CreateStack", { StackName: "shop", TemplateBody: chain });
    const { status, outputs } = await settled("shop");
    expect(status).toBe("CREATE_COMPLETE");
    expect(outputs["Value"]).toMatch(/^arn:test:shop-Middle-/);
    expect(world.log.filter((line) => line !== "create Side")).toEqual([
      "create Back",
      "create Middle",
      "create Front",
    ]);
    expect(world.atOnceMax).toBe(2);

    await send("DeleteStack", { StackName: "shop" });
    expect((await settled(id)).status).toBe("DELETE_COMPLETE");
    expect(world.alive).toEqual([]);
    expect(world.log.slice(4).filter((line) => line !== "delete Side")).toEqual([
      "delete Front",
      "delete Middle",
      "delete Back",
    ]);
    await expect(send("DescribeStacks", { StackName: "shop" })).rejects.toThrow("Stack with id shop does not exist");
    expect(await story(id)).toContain("Back CREATE_IN_PROGRESS: Resource creation Initiated");
  });

  it("tells its story as AWS does", async () => {
    const { send, settled, story } = await node();
    await send("CreateStack", {
      StackName: "one",
      TemplateBody: JSON.stringify({ Resources: { Only: { Type: "Test::Thing" } } }),
    });
    await settled("one");
    expect(await story("one")).toEqual([
      "one CREATE_IN_PROGRESS: User Initiated",
      "Only CREATE_IN_PROGRESS",
      "Only CREATE_IN_PROGRESS: Resource creation Initiated",
      "Only CREATE_COMPLETE",
      "one CREATE_COMPLETE",
    ]);
    const { StackEvents: events = [] } = await send("DescribeStackEvents", { StackName: "one" });
    expect(new Set(events.map((event) => event.EventId)).size).toBe(events.length);
    const times = events.map((event) => Number(event.Timestamp));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
  });
});

describe("a failed creation", () => {
  const failing = JSON.stringify({
    Resources: {
      Good: { Type: "Test::Thing" },
      Bad: { Type: "Test::Thing", DependsOn: "Good", Properties: { Fails: "no room" } },
      Never: { Type: "Test::Thing", DependsOn: "Bad" },
    },
  });

  it("is rolled back", async () => {
    const { send, settled, story, world } = await node();
    await send("CreateStack", { StackName: "f", TemplateBody: failing });
    expect(await settled("f")).toMatchObject({ status: "ROLLBACK_COMPLETE" });
    expect(world.alive).toEqual([]);
    const lines = await story("f");
    expect(lines).toEqual([
      "f CREATE_IN_PROGRESS: User Initiated",
      "Good CREATE_IN_PROGRESS",
      "Good CREATE_IN_PROGRESS: Resource creation Initiated",
      "Good CREATE_COMPLETE",
      "Bad CREATE_IN_PROGRESS",
      expect.stringMatching(
        /^Bad CREATE_FAILED: Resource handler returned message: "no room" \(RequestToken: .*, HandlerErrorCode: InvalidRequest\)$/,
      ),
      "f ROLLBACK_IN_PROGRESS: The following resource(s) failed to create: [Bad]. Rollback requested by user.",
      "Bad DELETE_COMPLETE",
      "Good DELETE_IN_PROGRESS",
      "Good DELETE_COMPLETE",
      "f ROLLBACK_COMPLETE",
    ]);
    const { StackResources: resources = [] } = await send("DescribeStackResources", { StackName: "f" });
    expect(resources.map((resource) => resource.LogicalResourceId)).toEqual(["Good", "Bad"]);
  });

  it("stays as it is with DO_NOTHING and DisableRollback, and goes with DELETE", async () => {
    const { send, settled, world } = await node();
    await send("CreateStack", { StackName: "a", TemplateBody: failing, OnFailure: "DO_NOTHING" });
    expect(await settled("a")).toMatchObject({
      status: "CREATE_FAILED",
      reason: "The following resource(s) failed to create: [Bad]. ",
    });
    await send("CreateStack", { StackName: "b", TemplateBody: failing, DisableRollback: true });
    expect((await settled("b")).status).toBe("CREATE_FAILED");
    expect(world.alive).toEqual(["Good", "Good"]);
    const { StackId: id = "" } = await send("CreateStack", {
      StackName: "c",
      TemplateBody: failing,
      OnFailure: "DELETE",
    });
    expect((await settled(id)).status).toBe("DELETE_COMPLETE");
    expect(world.alive).toEqual(["Good", "Good"]);
    await send("DeleteStack", { StackName: "a" });
    await send("DeleteStack", { StackName: "b" });
    await expect(settled("a")).rejects.toThrow("does not exist");
    await expect(settled("b")).rejects.toThrow("does not exist");
    expect(world.alive).toEqual([]);
  });

  it("waits for what is under way, and cancels it", async () => {
    const { send, settled, until, world, story } = await node();
    const TemplateBody = JSON.stringify({
      Resources: {
        Slow: { Type: "Test::Thing", Properties: { Waits: true } },
        Bad: { Type: "Test::Thing", Properties: { Fails: "no" } },
      },
    });
    await send("CreateStack", { StackName: "s", TemplateBody });
    await until(async () => (await story("s")).some((line) => line.startsWith("Bad CREATE_FAILED")));
    world.waiting.get("Slow")?.();
    expect((await settled("s")).status).toBe("ROLLBACK_COMPLETE");
    const lines = await story("s");
    expect(lines).toContain("Slow CREATE_FAILED: Resource creation cancelled");
    expect(lines.find((line) => line.startsWith("s ROLLBACK_IN_PROGRESS"))).toBe(
      "s ROLLBACK_IN_PROGRESS: The following resource(s) failed to create: [Slow, Bad]. Rollback requested by user.",
    );
    expect(world.log).toEqual(["create Slow", "delete Slow"]);
  });

  it("names the property that is unknown or missing, and hides what is our own fault", async () => {
    const { send, settled, story } = await node({
      types: (world) => [thing(world), thing(world, "Test::Strict", { required: ["Name", "Port"] })],
    });
    const TemplateBody = JSON.stringify({
      Resources: {
        Unknown: { Type: "Test::Thing", Properties: { Nmae: "x" } },
        Missing: { Type: "Test::Strict", Properties: { Name: "x" } },
        Broken: { Type: "Test::Thing", Properties: { Bug: true } },
      },
    });
    await send("CreateStack", { StackName: "p", TemplateBody });
    await settled("p");
    const lines = await story("p");
    expect(lines).toContain("Unknown CREATE_FAILED: Encountered unsupported property Nmae");
    expect(lines).toContain(
      "Missing CREATE_FAILED: Properties validation failed for resource Missing with message:\n#: required key [Port] not found",
    );
    await send("CreateStack", {
      StackName: "q",
      TemplateBody: JSON.stringify({ Resources: { Broken: { Type: "Test::Thing", Properties: { Bug: true } } } }),
    });
    await settled("q");
    expect((await story("q")).find((line) => line.startsWith("Broken CREATE_FAILED"))).toContain('"Internal Failure"');
  });

  it("comes from the clock when the time allowed is over", async () => {
    const { send, settled, until, world } = await node();
    const TemplateBody = JSON.stringify({
      Resources: {
        Slow: { Type: "Test::Thing", Properties: { Waits: true } },
        Next: { Type: "Test::Thing", DependsOn: "Slow" },
      },
    });
    await send("CreateStack", { StackName: "t", TemplateBody, TimeoutInMinutes: 2 });
    await until(() => world.waiting.has("Slow"));
    const started = nodes[0];
    await started?.clock.advance(120_000);
    world.waiting.get("Slow")?.();
    await settled("t");
    const events = await started?.story("t");
    expect(events).toContain(
      "t ROLLBACK_IN_PROGRESS: Stack creation time exceeded the specified timeout. Rollback requested by user.",
    );
    expect(world.alive).toEqual([]);
  });
});

describe("a deletion", () => {
  it("keeps what the template says to retain", async () => {
    const { send, settled, world, story } = await node();
    const TemplateBody = JSON.stringify({
      Resources: {
        Kept: { Type: "Test::Thing", DeletionPolicy: "Retain" },
        Gone: { Type: "Test::Thing" },
        KeptToo: { Type: "Test::Thing", DeletionPolicy: "RetainExceptOnCreate" },
      },
    });
    const { StackId: id = "" } = await send("CreateStack", { StackName: "r", TemplateBody });
    await settled("r");
    await send("DeleteStack", { StackName: "r" });
    await settled(id);
    expect(world.alive).toEqual(["Kept", "KeptToo"]);
    expect(await story(id)).toContain("Kept DELETE_SKIPPED");
  });

  it("of a failed creation deletes RetainExceptOnCreate, and Retain only when asked to", async () => {
    const { send, settled, world } = await node();
    const TemplateBody = JSON.stringify({
      Resources: {
        Kept: { Type: "Test::Thing", DeletionPolicy: "Retain" },
        Tried: { Type: "Test::Thing", DeletionPolicy: "RetainExceptOnCreate" },
        Bad: { Type: "Test::Thing", DependsOn: ["Kept", "Tried"], Properties: { Fails: "no" } },
      },
    });
    await send("CreateStack", { StackName: "r", TemplateBody });
    await settled("r");
    expect(world.alive).toEqual(["Kept"]);
    await send("CreateStack", { StackName: "s", TemplateBody, RetainExceptOnCreate: true });
    await settled("s");
    expect(world.alive).toEqual(["Kept"]);
  });

  it("that fails can be tried again, and may leave behind what fails", async () => {
    const { send, settled, world, story } = await node();
    const { StackId: id = "" } = await send("CreateStack", { StackName: "d", TemplateBody: chain });
    await settled("d");
    world.undeletable.add("Middle");
    await expect(send("DeleteStack", { StackName: "d", RetainResources: ["Middle"] })).rejects.toThrow("DELETE_FAILED");
    await send("DeleteStack", { StackName: "d" });
    expect(await settled("d")).toMatchObject({
      status: "DELETE_FAILED",
      reason: "The following resource(s) failed to delete: [Middle]. ",
    });
    // What Middle needs is still there.
    expect(world.alive).toEqual(["Back", "Middle"]);
    await send("DeleteStack", { StackName: "d" });
    expect((await settled("d")).status).toBe("DELETE_FAILED");
    await send("DeleteStack", { StackName: "d", RetainResources: ["Middle"] });
    expect((await settled(id)).status).toBe("DELETE_COMPLETE");
    expect(world.alive).toEqual(["Middle"]);
    expect(
      (await story(id)).filter((line) => line.startsWith("Middle DELETE")).map((line) => line.split(":")[0]),
    ).toEqual([
      "Middle DELETE_IN_PROGRESS",
      "Middle DELETE_FAILED",
      "Middle DELETE_IN_PROGRESS",
      "Middle DELETE_FAILED",
      "Middle DELETE_SKIPPED",
    ]);
  });

  it("is forced past what fails", async () => {
    const { send, settled, world } = await node();
    const { StackId: id = "" } = await send("CreateStack", { StackName: "d", TemplateBody: chain });
    await settled("d");
    world.undeletable.add("Middle");
    await send("DeleteStack", { StackName: "d" });
    await settled("d");
    await send("DeleteStack", { StackName: "d", DeletionMode: "FORCE_DELETE_STACK" });
    expect((await settled(id)).status).toBe("DELETE_COMPLETE");
    expect(world.alive).toEqual(["Middle"]);
  });

  it("interrupts a creation", async () => {
    const { send, settled, until, world, story } = await node();
    const TemplateBody = JSON.stringify({
      Resources: {
        Slow: { Type: "Test::Thing", Properties: { Waits: true } },
        Next: { Type: "Test::Thing", DependsOn: "Slow" },
      },
    });
    const { StackId: id = "" } = await send("CreateStack", { StackName: "i", TemplateBody });
    await until(() => world.waiting.has("Slow"));
    await send("DeleteStack", { StackName: "i" });
    world.waiting.get("Slow")?.();
    expect((await settled(id)).status).toBe("DELETE_COMPLETE");
    expect(world.alive).toEqual([]);
    const lines = await story(id);
    expect(lines).toContain("Slow CREATE_FAILED: Resource creation cancelled");
    expect(lines.some((line) => line.startsWith("Next"))).toBe(false);
  });

  it("is refused by termination protection, silent for what is not there, and done once", async () => {
    const { send, settled } = await node();
    await send("CreateStack", { StackName: "p", TemplateBody: chain, EnableTerminationProtection: true });
    await settled("p");
    await expect(send("DeleteStack", { StackName: "p" })).rejects.toThrow(
      "Stack [p] cannot be deleted while TerminationProtection is enabled",
    );
    await expect(send("DeleteStack", { StackName: "nobody" })).resolves.toEqual({});
  });
});

describe("exports", () => {
  const front = JSON.stringify({
    Resources: { A: { Type: "Test::Thing" } },
    Outputs: {
      Arn: { Value: { "Fn::GetAtt": ["A", "Arn"] }, Export: { Name: { "Fn::Sub": "${AWS::StackName}-arn" } } },
    },
  });
  const map = JSON.stringify({
    Parameters: { Front: { Type: "String" } },
    Resources: {
      B: { Type: "Test::Thing", Properties: { Value: { "Fn::ImportValue": { "Fn::Sub": "${Front}-arn" } } } },
    },
  });

  it("are imported, and keep their stack from being deleted", async () => {
    const { send, settled, world, story } = await node();
    const { StackId: frontId = "" } = await send("CreateStack", { StackName: "front", TemplateBody: front });
    await settled("front");
    const Parameters = [{ ParameterKey: "Front", ParameterValue: "front" }];
    const { StackId: mapId = "" } = await send("CreateStack", { StackName: "map", TemplateBody: map, Parameters });
    expect((await settled("map")).status).toBe("CREATE_COMPLETE");
    const made = [...world.made.values()].find(({ request }) => request.logicalId === "B");
    expect(made?.request.properties["Value"]).toMatch(/^arn:test:front-A-/);
    expect((await send("ListExports", {})).Exports).toMatchObject([{ Name: "front-arn", ExportingStackId: frontId }]);
    expect((await send("ListImports", { ExportName: "front-arn" })).Imports).toEqual(["map"]);

    await send("DeleteStack", { StackName: "front" });
    expect(await settled("front")).toMatchObject({
      status: "CREATE_COMPLETE",
      reason: "Delete canceled. Cannot delete export front-arn as it is in use by map.",
    });
    expect((await story("front")).slice(-2)[0]).toBe("front DELETE_IN_PROGRESS: User Initiated");

    await send("DeleteStack", { StackName: "map" });
    await settled(mapId);
    await send("DeleteStack", { StackName: "front" });
    expect((await settled(frontId)).status).toBe("DELETE_COMPLETE");
    expect((await send("ListExports", {})).Exports).toEqual([]);
  });

  it("that are missing or taken fail the stack", async () => {
    const { send, settled, story } = await node();
    const Parameters = [{ ParameterKey: "Front", ParameterValue: "no" }];
    await send("CreateStack", { StackName: "map", TemplateBody: map, Parameters });
    expect((await settled("map")).status).toBe("ROLLBACK_COMPLETE");
    expect(await story("map")).toContain(
      "map ROLLBACK_IN_PROGRESS: No export named no-arn found. Rollback requested by user.",
    );
    const taken = front.replace("${AWS::StackName}-arn", "shared");
    await send("CreateStack", { StackName: "one", TemplateBody: taken });
    await settled("one");
    await send("CreateStack", { StackName: "two", TemplateBody: taken });
    expect((await settled("two")).status).toBe("ROLLBACK_COMPLETE");
    expect(await story("two")).toContain(
      "two ROLLBACK_IN_PROGRESS: Export with name shared is already exported by stack one. Rollback requested by user.",
    );
  });
});

describe("a deleted stack", () => {
  it("can be asked for by its id for 90 days", async () => {
    const { send, settled, store, clock } = await node();
    await send("CreateStack", { StackName: "stays", TemplateBody: chain });
    const { StackId: id = "" } = await send("CreateStack", { StackName: "goes", TemplateBody: chain });
    await settled("goes");
    await send("DeleteStack", { StackName: "goes" });
    await settled(id);
    const after = async (days: number) => {
      const job = retentionJob({ store, clock: new FakeClock(clock.now() + days * 24 * 3600_000) });
      for (let more = true; more;) more = (await job.run(new AbortController().signal))?.more ?? false;
      const { StackSummaries: stacks = [] } = await send("ListStacks", {});
      return stacks.map((stack) => stack.StackName);
    };
    expect(await after(89)).toEqual(expect.arrayContaining(["stays", "goes"]));
    expect(await after(91)).toEqual(["stays"]);
    await expect(send("DescribeStackEvents", { StackName: id })).rejects.toThrow("does not exist");
    // Gone for good is deleted, too.
    await expect(send("DeleteStack", { StackName: id })).resolves.toEqual({});
  });
});

describe("many resources", () => {
  it("are made in parallel, within the bound", async () => {
    const world = createWorld();
    const { send, settled } = await node({ world });
    const Resources = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`R${i}`, { Type: "Test::Thing" }]));
    await send("CreateStack", { StackName: "many", TemplateBody: JSON.stringify({ Resources }) });
    expect((await settled("many")).status).toBe("CREATE_COMPLETE");
    expect(world.alive).toHaveLength(200);
    expect(world.atOnceMax).toBe(32);
    const pages: string[] = [];
    for (let token: string | undefined = "", i = 0; token !== undefined && i < 5; i += 1) {
      const page: Awaited<ReturnType<typeof send<"ListStackResources">>> = await send("ListStackResources", {
        StackName: "many",
        ...(token === "" ? {} : { NextToken: token }),
      });
      pages.push(...(page.StackResourceSummaries ?? []).map((summary) => summary.LogicalResourceId ?? ""));
      token = page.NextToken;
    }
    expect(new Set(pages).size).toBe(200);
  });
});
