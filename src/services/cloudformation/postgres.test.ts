/** The same stacks on PostgreSQL: creation, rollback, imports, paging, deletion and a life after a crash. */
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { FakeClock } from "../../base/clock.ts";
import { sql } from "../../store/sql.ts";
import { startNode, type Node } from "./node.suite.ts";
import { retentionJob } from "./retention.ts";

const server = await startPostgresOrSkip("stacks on PostgreSQL");
afterAll(() => server?.stop());

let node: Node | undefined;
afterEach(() => node?.close());
async function start(): Promise<Node> {
  node = await startNode({ data: (await server?.createDatabase()) ?? "" });
  return node;
}

const exporting = JSON.stringify({
  Resources: { A: { Type: "Test::Thing" }, B: { Type: "Test::Thing", DependsOn: "A" } },
  Outputs: { O: { Value: { Ref: "A" }, Export: { Name: "a" } } },
});
const importing = JSON.stringify({
  Resources: { C: { Type: "Test::Thing", Properties: { Value: { "Fn::ImportValue": "a" } } } },
});

describe.skipIf(server === undefined)("PostgreSQL", () => {
  it("holds stacks that are made, used, refused, deleted and forgotten", async () => {
    const { send, settled, world, story, store, clock } = await start();
    const { StackId: id = "" } = await send("CreateStack", { StackName: "front", TemplateBody: exporting });
    expect((await settled("front")).status).toBe("CREATE_COMPLETE");
    const { StackId: map = "" } = await send("CreateStack", { StackName: "map", TemplateBody: importing });
    expect((await settled("map")).status).toBe("CREATE_COMPLETE");
    await send("DeleteStack", { StackName: "front" });
    expect((await settled("front")).reason).toContain("as it is in use by map.");
    await send("CreateStack", { StackName: "again", TemplateBody: exporting });
    expect((await settled("again")).status).toBe("ROLLBACK_COMPLETE");
    await send("DeleteStack", { StackName: "map" });
    await settled(map);
    await send("DeleteStack", { StackName: "front" });
    expect((await settled(id)).status).toBe("DELETE_COMPLETE");
    expect(world.alive).toEqual([]);
    expect((await story(id)).at(-1)).toBe("front DELETE_COMPLETE");
    const job = retentionJob({ store, clock: new FakeClock(clock.now() + 91 * 24 * 3600_000) });
    while ((await job.run(new AbortController().signal))?.more);
    expect((await send("ListStacks", {})).StackSummaries?.map((stack) => stack.StackName)).toEqual(["again"]);
  });

  it("holds many resources, and pages through them", async () => {
    const { send, settled, story } = await start();
    const Resources = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`R${i}`, { Type: "Test::Thing" }]));
    await send("CreateStack", { StackName: "many", TemplateBody: JSON.stringify({ Resources }) });
    expect((await settled("many")).status).toBe("CREATE_COMPLETE");
    expect(await story("many")).toHaveLength(362);
    expect((await send("ListStackResources", { StackName: "many" })).StackResourceSummaries).toHaveLength(100);
  });

  it("holds stacks that are changed, put back, and changed by a change set", async () => {
    const { send, settled, world } = await start();
    const body = (port: number, more: object = {}) =>
      JSON.stringify({
        Resources: {
          A: { Type: "Test::Thing", Properties: { Port: port } },
          B: { Type: "Test::Thing", Properties: { Value: { Ref: "A" } } },
          ...more,
        },
        Outputs: { O: { Value: String(port), Export: { Name: "port" } } },
      });
    await send("CreateStack", { StackName: "s", TemplateBody: body(1) });
    await settled("s");
    const bad = { C: { Type: "Test::Thing", Properties: { Fails: "no", Value: { Ref: "B" } } } };
    await send("UpdateStack", { StackName: "s", TemplateBody: body(2, bad) });
    expect((await settled("s")).status).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(world.alive).toEqual(["A", "B"]);
    await send("CreateChangeSet", { StackName: "s", ChangeSetName: "c", TemplateBody: body(2) });
    await send("ExecuteChangeSet", { StackName: "s", ChangeSetName: "c" });
    expect(await settled("s")).toMatchObject({ status: "UPDATE_COMPLETE", outputs: { O: "2" } });
    expect((await send("ListExports", {})).Exports).toMatchObject([{ Name: "port", Value: "2" }]);
    expect(world.alive).toEqual(["A", "B"]);
  });

  it("is enough to go on after a crash", async () => {
    const first = await start();
    const doomed = await first.reborn({ transactions: 4, mode: "after" });
    node = doomed;
    await doomed.send("CreateStack", { StackName: "front", TemplateBody: exporting });
    await doomed.until(async () => {
      // The database answers in its own time, and each look is one answer.
      await doomed.store.read((tx) => tx.one(sql`select 1 as one`));
      return doomed.killed();
    });
    node = await doomed.reborn();
    expect((await node.settled("front")).status).toBe("CREATE_COMPLETE");
    expect(node.world.alive).toEqual(["A", "B"]);
  });
});
