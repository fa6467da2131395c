/** What the calendar does: schedules, archives and their retention, replays; on either engine. */
import { expect, it } from "vitest";
import { account, region } from "../services.suite.ts";
import type { TestBuses, WithBuses } from "./node.suite.ts";

const minuteMs = 60_000;
const dayMs = 24 * 3600_000;

/** Moves the clock on in steps, and gives at which of them, in minutes, the rule had run. */
async function runsOf({ clock, runJob, received }: TestBuses, arn: string, steps: number, stepMs: number) {
  const runs: number[] = [];
  for (let step = 1; step <= steps; step += 1) {
    await clock.advance(stepMs);
    await runJob("events:schedules");
    for (const body of await received(arn)) {
      const event: unknown = JSON.parse(body);
      expect(event).toMatchObject({
        source: "aws.events",
        "detail-type": "Scheduled Event",
        resources: [`arn:aws:events:${region}:${account}:rule/r`],
        detail: {},
      });
      runs.push(step);
    }
  }
  return runs;
}

export function laterSuite(withNode: WithBuses): void {
  it.each([
    // The clock begins at midnight of Thursday, 2026-01-01.
    ["rate(2 minutes)", minuteMs, [2, 4, 6]],
    ["cron(0/3 * * * ? *)", minuteMs, [3, 6]],
    ["cron(0 0 ? * FRI *)", 4 * 3600_000, [6]],
  ] as const)("%s", async (ScheduleExpression, stepMs, expected) => {
    await withNode(async (node) => {
      const { peers, call, queue } = node;
      const arn = await queue("q");
      await peers.events.PutRule({ Name: "r", ScheduleExpression }, call);
      await peers.events.PutTargets({ Rule: "r", Targets: [{ Id: "q", Arn: arn }] }, call);
      expect(await runsOf(node, arn, 7, stepMs)).toEqual(expected);
    });
  });

  it("runs a rule once for all that was missed, and not while it is disabled", async () => {
    await withNode(async (node) => {
      const { peers, call, queue, clock } = node;
      const arn = await queue("q");
      await peers.events.PutRule({ Name: "r", ScheduleExpression: "rate(1 minute)" }, call);
      await peers.events.PutTargets({ Rule: "r", Targets: [{ Id: "q", Arn: arn }] }, call);
      await clock.advance(10.5 * minuteMs);
      expect(await runsOf(node, arn, 1, 0)).toEqual([1]);
      expect(await runsOf(node, arn, 1, 0)).toEqual([]);
      expect(await runsOf(node, arn, 1, minuteMs / 2)).toEqual([1]);
      await peers.events.DisableRule({ Name: "r" }, call);
      expect(await runsOf(node, arn, 3, minuteMs)).toEqual([]);
      await peers.events.EnableRule({ Name: "r" }, call);
      expect(await runsOf(node, arn, 2, minuteMs)).toEqual([1, 2]);
    });
  });

  it("keeps events in archives for as long as it is told, and replays them to the rules that are named", async () => {
    await withNode(async ({ peers, call, queue, rule, put, received, clock, runJob }) => {
      const [one, two] = [await queue("one"), await queue("two")];
      await rule("one", { source: ["shop"] }, [{ Id: "q", Arn: one }]);
      await rule("two", { source: ["shop"] }, [{ Id: "q", Arn: two }]);
      const EventSourceArn = `arn:aws:events:${region}:${account}:event-bus/default`;
      const pattern = JSON.stringify({ detail: { keep: [true] } });
      const archive = { ArchiveName: "kept", EventSourceArn, EventPattern: pattern, RetentionDays: 2 };
      const { ArchiveArn = "" } = await peers.events.CreateArchive(archive, call);
      const ids: string[] = [];
      for (const keep of [true, false, true, true]) {
        const id = await put("shop", { keep });
        if (keep) ids.push(id);
        await clock.advance(minuteMs);
      }
      await received(one);
      await received(two);
      const described = await peers.events.DescribeArchive({ ArchiveName: "kept" }, call);
      expect(described).toMatchObject({ EventCount: 3, State: "ENABLED", RetentionDays: 2 });
      expect(described.SizeBytes).toBeGreaterThan(500);

      const startMs = Date.UTC(2026, 0, 1);
      const replay = {
        ReplayName: "again",
        EventSourceArn: ArchiveArn,
        EventStartTime: new Date(startMs),
        EventEndTime: new Date(startMs + 2 * minuteMs),
        Destination: { Arn: EventSourceArn, FilterArns: [`arn:aws:events:${region}:${account}:rule/one`] },
      };
      expect(await peers.events.StartReplay(replay, call)).toMatchObject({ State: "STARTING" });
      await expect(peers.events.StartReplay(replay, call)).rejects.toThrow("Replay again already exists.");
      await runJob("events:replays");
      expect(await peers.events.DescribeReplay({ ReplayName: "again" }, call)).toMatchObject({
        State: "COMPLETED",
        EventLastReplayedTime: new Date(startMs + 2 * minuteMs),
      });
      const replayed = (await received(one)).map((body) => JSON.parse(body) as { id: string; "replay-name": string });
      expect(replayed.map(({ id }) => id).toSorted()).toEqual(ids.slice(0, 2).toSorted());
      expect(replayed.every((event) => event["replay-name"] === "again")).toBe(true);
      expect(await received(two)).toEqual([]);
      // What was replayed is not kept once more.
      expect(await peers.events.DescribeArchive({ ArchiveName: "kept" }, call)).toMatchObject({ EventCount: 3 });

      await clock.advance(2 * dayMs - 3 * minuteMs);
      await runJob("events:sweep");
      expect(await peers.events.DescribeArchive({ ArchiveName: "kept" }, call)).toMatchObject({ EventCount: 2 });
      await peers.events.DeleteArchive({ ArchiveName: "kept" }, call);
      await runJob("events:sweep");
      await put("shop", { keep: true });
      const made = await peers.events.CreateArchive(archive, call);
      expect(made).toMatchObject({ State: "ENABLED" });
      expect(await peers.events.DescribeArchive({ ArchiveName: "kept" }, call)).toMatchObject({ EventCount: 0 });
    });
  });

  it("cancels a replay that has not ended", async () => {
    await withNode(async ({ peers, call, put, runJob, clock }) => {
      const EventSourceArn = `arn:aws:events:${region}:${account}:event-bus/default`;
      const { ArchiveArn = "" } = await peers.events.CreateArchive({ ArchiveName: "all", EventSourceArn }, call);
      await put("shop", {});
      const replay = {
        ReplayName: "again",
        EventSourceArn: ArchiveArn,
        EventStartTime: new Date(0),
        EventEndTime: new Date(clock.now()),
        Destination: { Arn: EventSourceArn },
      };
      await peers.events.StartReplay(replay, call);
      expect(await peers.events.CancelReplay({ ReplayName: "again" }, call)).toMatchObject({ State: "CANCELLING" });
      await runJob("events:replays");
      expect(await peers.events.DescribeReplay({ ReplayName: "again" }, call)).toMatchObject({ State: "CANCELLED" });
      await expect(peers.events.CancelReplay({ ReplayName: "again" }, call)).rejects.toThrow("not in a valid state");
    });
  });
}
