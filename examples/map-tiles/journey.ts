/**
 * The journey, told step by step: a monolith, Mikan in front of it, its busiest route peeled off into a function, a
 * burst over the cap, and the way back. `npm start` leaves it running; `npm start -- --exit` ends with code 0 only if
 * every step held.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildFunction } from "./build.ts";
import { freePort, mikan, mikanCommand, start, type Running } from "../stage/processes.ts";
import { perform } from "../stage/performance.ts";
import type { Story } from "../stage/story.ts";
import { burst, createVisitors, figures, type Exchange, type Report, type Visitors } from "./visitors.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const { values: options } = parseArgs({
  options: {
    exit: { type: "boolean", default: false },
    rate: { type: "string", default: "500" },
    "edge-workers": { type: "string", default: "1" },
  },
});

/** As in map.parameters.json. */
const cap = 20;
/** Fewer than the cap: their tiles are never the excess. */
const visitorCount = 16;
const burstSize = 100;
const slowMs = 1_500;
/** The excess is answered without waiting for anything; this only tells "at once" from "after a slow one". */
const atOnceMs = slowMs / 2;
const stepMs = 3_000;
const liveMs = 250;

interface Stage {
  story: Story;
  endpoint: string;
  origin: string;
}

async function command(story: Story, args: readonly string[]): Promise<boolean> {
  story.line(`$ mikan ${args.map((arg) => arg.replace(here("."), "examples/map-tiles/")).join(" ")}`);
  const { code } = await mikan(args, (line) => story.line(`  ${line}`));
  return code === 0;
}

/** Lets the visitors walk while `during` happens and at least `stepMs`; gives what came of their requests. */
async function walking(story: Story, visitors: Visitors, during: () => Promise<void>): Promise<Report> {
  visitors.lap();
  const showing = setInterval(() => story.live(figures(visitors.report())), liveMs);
  await Promise.all([during(), sleep(stepMs)]);
  clearInterval(showing);
  return visitors.lap();
}

function checkVisitors(story: Story, report: Report, what: string): void {
  story.line(figures(report));
  story.check(
    report.failed === 0 && report.ok > 0,
    `no request failed ${what} (${report.ok} answered, ${report.failed} failed)`,
  );
  for (const { path, status, error } of report.failures.slice(0, 3)) story.line(`failed: ${path} ${status ?? error}`);
}

const tilesBy = (report: Report, server: string) => report.tileServers[server]?.share ?? 0;

async function peel({ story, endpoint }: Stage, visitors: Visitors): Promise<void> {
  story.step("Peel: the stack `map` takes /map/* away from the monolith, while the visitors walk on");
  await buildFunction();
  const report = await walking(story, visitors, async () => {
    const files = ["--parameters", here("map.parameters.json"), "--code", here(".build/map")];
    const held = await command(story, [
      "deploy",
      here("peeled-app.yaml"),
      "--stack",
      "map",
      ...files,
      "--endpoint",
      endpoint,
    ]);
    story.check(held, "the stack `map` is created");
  });
  checkVisitors(story, report, "while the route changed hands");
  const after = await walking(story, visitors, async () => {});
  checkVisitors(story, after, "after it");
  story.check(tilesBy(after, "function") > 0.99, "the tiles come from the function");
}

async function overload({ story, origin }: Stage): Promise<void> {
  story.step(`A burst of ${burstSize} slow requests at once, over a cap of ${cap}`);
  const others: Exchange[] = [];
  const burstOver = new AbortController();
  const neighbours = (async () => {
    while (!burstOver.signal.aborted)
      others.push(...(await burst({ origin, path: "/spots?near=35.68,139.77", count: 2 })));
  })();
  const answers = await burst({ origin, path: `/map/0/0/0.mvt?slow=${slowMs}`, count: burstSize });
  burstOver.abort();
  await neighbours;
  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 502);
  const slowestRefusal = Math.max(0, ...refused.map(({ ms }) => ms));
  story.check(served.length === cap, `exactly ${cap} were served (${served.length})`);
  story.check(refused.length === burstSize - cap, `every other got its 502 (${refused.length})`);
  story.check(
    slowestRefusal < atOnceMs,
    `at once: the slowest 502 took ${slowestRefusal.toFixed(0)} ms, a served one ${slowMs} ms`,
  );
  const slowest = Math.max(0, ...others.map(({ ms }) => ms));
  story.check(
    others.every(({ status }) => status === 200),
    `the monolith felt nothing: ${others.length} requests beside the burst, slowest ${slowest.toFixed(0)} ms`,
  );
}

async function fallBack({ story, endpoint }: Stage, visitors: Visitors): Promise<void> {
  story.step("Fall back: delete the stack, and the monolith has the route again");
  const report = await walking(story, visitors, async () => {
    story.check(await command(story, ["delete", "map", "--endpoint", endpoint]), "the stack `map` is deleted");
  });
  checkVisitors(story, report, "while the route went back");
  const after = await walking(story, visitors, async () => {});
  checkVisitors(story, after, "after it");
  story.check(tilesBy(after, "monolith") > 0.99, "the tiles come from the monolith");
}

const newVisitors = (origin: string, seed: number) =>
  createVisitors({ origin, visitors: visitorCount, requestsPerSecond: Number(options.rate), seed });

async function journey(story: Story, running: Running[]): Promise<Stage> {
  story.step("A monolith: one process that serves tiles, routes, spots and a page");
  const monolith = await start(process.execPath, [here("monolith/server.ts"), "--port", "0"], /:\d+/);
  running.push(monolith);
  const monolithPort = /:(\d+)/.exec(monolith.ready)?.[1] ?? "";
  story.line(`listening on port ${monolithPort}, process ${monolith.pid}, nothing of Mikan in it`);

  story.step("Mikan in front: the stack `front` makes the load balancer");
  const port = await freePort(options.exit ? 0 : 4566);
  const node = await start(
    mikanCommand,
    ["up", "--ephemeral", "--port", String(port), "--edge-workers", options["edge-workers"]],
    /ready/,
  );
  running.push(node);
  story.line(node.ready);
  const endpoint = /http:\/\/[^ ]+/.exec(node.ready)?.[0] ?? "";
  const listenerPort = await freePort(options.exit ? 0 : 8080);
  const parameters = [`ListenerPort=${listenerPort}`, `MonolithPort=${monolithPort}`];
  const created = await command(story, [
    "deploy",
    here("front.yaml"),
    "--stack",
    "front",
    "--endpoint",
    endpoint,
    ...parameters.flatMap((parameter) => ["--parameter", parameter]),
  ]);
  story.check(created, "the stack `front` is created");
  const stage = { story, endpoint, origin: `http://127.0.0.1:${listenerPort}` };
  if (!created) return stage;

  let visitors = newVisitors(stage.origin, 1);
  visitors.start();
  checkVisitors(story, await walking(story, visitors, async () => {}), "through the load balancer");
  const tiles = visitors.report().kinds.tile.sent / visitors.report().sent;
  story.line(`${Math.round(tiles * 100)}% of the requests ask for tiles`);
  await peel(stage, visitors);
  await visitors.stop();
  await overload(stage);
  visitors = newVisitors(stage.origin, 2);
  visitors.start();
  await fallBack(stage, visitors);
  await visitors.stop();
  return stage;
}

const peelAgain =
  "deploy examples/map-tiles/peeled-app.yaml --stack map --parameters examples/map-tiles/map.parameters.json";

await perform(async (story, running) => {
  const { endpoint, origin } = await journey(story, running);
  return [
    `The map is at ${origin}/ - each tile is outlined in the colour of who served it.`,
    "Peel it again, and watch the page:",
    `  ./mikan ${peelAgain} --code examples/map-tiles/.build/map --endpoint ${endpoint}`,
    `and back:  ./mikan delete map --endpoint ${endpoint}`,
  ];
}, options);
