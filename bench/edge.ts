/**
 * The edge beside nginx, HAProxy, Caddy and http-proxy: requests per second, CPU and latency, with access log, counts,
 * health checks, timeouts and a cap on. `node bench/edge.ts`
 */
import { atRate, whileIdle } from "./edge/load.ts";
import { EdgeStage, httpProxyMissing, type Proxy } from "./edge/stage.ts";
import { median, missingCommands, printTable, residentMB, treeCpuSeconds, wrk, type Kept } from "./measure.ts";

const rounds = 7;
const connections = 64;
const roundSeconds = 2;
const bodies = [128, 16 * 1024];
/** For the latency that a proxy adds. */
const quietRate = 1_000;
const quietConnections = 10;
const idleConnections = 10_000;
const manyRules = 100;

export interface EdgeFigures {
  bodyBytes: number;
  subject: string;
  /** Medians over the rounds. */
  perSecond: number;
  cpuUsPerRequest: number;
  /** Medians of each round's ratio to nginx in that round. */
  rateToNginx: number;
  cpuToNginx: number;
}

export interface EdgeLatency {
  subject: string;
  /** At half of the slower one's peak. */
  p99Us: number;
  p99ToNginx: number;
  /** At {@link quietRate}, over the upstream alone. */
  addedP50Us: number;
}

export interface EdgeReport {
  peak: EdgeFigures[];
  latency: EdgeLatency[];
  /** CPU of a request that passes 100 rules, to one. */
  rulesCost: number;
  rulesAgain: number;
  /** Memory for 10,000 connections that rest, MB. */
  idleMB: number;
  skipped: string[];
}

export const needed = ["nginx", "haproxy", "caddy", "wrk"];

interface Sampled extends Proxy {
  samples: { perSecond: number; cpuUs: number }[];
}

/** Measures, prints, and gives the figures. Needs the Debian packages of {@link needed}. */
export async function run(): Promise<EdgeReport> {
  const missing = await missingCommands(needed);
  if (missing.length > 0) throw new Error(`bench/edge.ts needs ${missing.join(", ")}`);
  const skipped: string[] = [];
  const peak: EdgeFigures[] = [];
  for (const bytes of bodies) peak.push(...(await peakOf(bytes, skipped)));
  const latency = await latencies(peak);
  const rules = await rulesCosts();
  const idleMB = await idleMemory();
  const report = { peak, latency, ...rules, idleMB, skipped: [...new Set(skipped)] };
  print(report);
  return report;
}

export function promises({ peak, latency, rulesCost }: EdgeReport): Kept[] {
  const own = peak.filter(({ subject }) => subject === "edge");
  const peer = (bodyBytes: number) => peak.find((one) => one.subject === "http-proxy" && one.bodyBytes === bodyBytes);
  return [
    ...own.flatMap((figures): Kept[] => {
      const size = `${figures.bodyBytes} B`;
      const old = peer(figures.bodyBytes);
      return [
        { what: `requests/s of ${size}, to nginx`, value: figures.rateToNginx, unit: "x", atLeast: 0.65 },
        { what: `CPU for a request of ${size}, to nginx`, value: figures.cpuToNginx, unit: "x", atMost: 1.8 },
        ...(old === undefined
          ? []
          : [
              {
                what: `requests/s of ${size}, to http-proxy`,
                value: figures.perSecond / old.perSecond,
                unit: "x",
                atLeast: 3,
              },
            ]),
      ];
    }),
    ...latency
      .filter(({ subject }) => subject === "edge")
      .flatMap(({ p99ToNginx, addedP50Us }): Kept[] => [
        { what: "p99 at half of the slower one's peak, to nginx", value: p99ToNginx, unit: "x", atMost: 1.3 },
        { what: `latency added at ${quietRate}/s, median`, value: addedP50Us, unit: "us", atMost: 150 },
      ]),
    { what: "CPU of 100 rules, to one", value: rulesCost, unit: "x", atMost: 1.05 },
  ];
}

async function peakOf(bodyBytes: number, skipped: string[]): Promise<EdgeFigures[]> {
  const stage = await EdgeStage.set(bodyBytes);
  try {
    const old = await stage.httpProxy();
    if (old === undefined) skipped.push(httpProxyMissing);
    const proxies = [
      await stage.edge("edge"),
      await stage.nginx(),
      await stage.haproxy(),
      await stage.caddy(),
      ...(old === undefined ? [] : [old]),
      // The same thing again: how far it differs from itself is what no other difference may be read from.
      await stage.edge("edge again"),
    ];
    return figuresOf(bodyBytes, await sampled(proxies));
  } finally {
    await stage.strike();
  }
}

/** Each goes first, second, ... in turn, so that none always follows the same one. */
async function sampled(proxies: readonly Proxy[]): Promise<Sampled[]> {
  const subjects = proxies.map((proxy): Sampled => ({ ...proxy, samples: [] }));
  for (const { port } of subjects) await wrk(urlOf(port), { connections, seconds: 1 });
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < subjects.length; i += 1) {
      const subject = subjects[(round + i) % subjects.length] as Sampled;
      const before = await treeCpuSeconds(subject.pid);
      const { requests, perSecond } = await wrk(urlOf(subject.port), { connections, seconds: roundSeconds });
      const cpuUs = (((await treeCpuSeconds(subject.pid)) - before) * 1e6) / requests;
      subject.samples.push({ perSecond, cpuUs });
    }
  }
  return subjects;
}

const urlOf = (port: number) => `http://127.0.0.1:${port}/`;

function figuresOf(bodyBytes: number, subjects: readonly Sampled[]): EdgeFigures[] {
  const nginx = subjects.find(({ name }) => name === "nginx")?.samples ?? [];
  return subjects.map(({ name, samples }) => {
    const ratio = (key: "perSecond" | "cpuUs") =>
      median(samples.map((one, i) => one[key] / (nginx[i]?.[key] ?? Number.NaN)));
    return {
      bodyBytes,
      subject: name,
      perSecond: median(samples.map((one) => one.perSecond)),
      cpuUsPerRequest: median(samples.map((one) => one.cpuUs)),
      rateToNginx: ratio("perSecond"),
      cpuToNginx: ratio("cpuUs"),
    };
  });
}

async function latencies(peak: readonly EdgeFigures[]): Promise<EdgeLatency[]> {
  const stage = await EdgeStage.set(128);
  try {
    const subjects = [await stage.edge("edge"), await stage.nginx(), await stage.edge("edge again")];
    const slowest = Math.min(
      ...peak
        .filter(({ bodyBytes, subject }) => bodyBytes === 128 && (subject === "edge" || subject === "nginx"))
        .map((one) => one.perSecond),
    );
    const half = Math.round(slowest / 2);
    // What was not compiled yet would be measured, and nothing else.
    for (const { port } of subjects) await wrk(urlOf(port), { connections, seconds: roundSeconds });
    const p99s = subjects.map((): number[] => []);
    const added = subjects.map((): number[] => []);
    for (let round = 0; round < rounds; round += 1) {
      const bare = await atRate(stage.upstream, quietRate, quietConnections, roundSeconds);
      for (let i = 0; i < subjects.length; i += 1) {
        const at = (round + i) % subjects.length;
        const { port } = subjects[at] as Proxy;
        p99s[at]?.push((await atRate(port, half, connections, roundSeconds)).p99Us);
        added[at]?.push((await atRate(port, quietRate, quietConnections, roundSeconds)).p50Us - bare.p50Us);
      }
    }
    return subjects.map(({ name }, i) => ({
      subject: name,
      p99Us: median(p99s[i] ?? []),
      p99ToNginx: median((p99s[i] ?? []).map((value, round) => value / (p99s[1]?.[round] ?? Number.NaN))),
      addedP50Us: median(added[i] ?? []),
    }));
  } finally {
    await stage.strike();
  }
}

async function rulesCosts(): Promise<{ rulesCost: number; rulesAgain: number }> {
  const stage = await EdgeStage.set(128);
  try {
    const proxies = [await stage.edge("1", 1), await stage.edge("100", manyRules), await stage.edge("1 again", 1)];
    const [one, many, again] = await sampled(proxies);
    const ratio = (other: Sampled | undefined) =>
      median((other?.samples ?? []).map(({ cpuUs }, i) => cpuUs / (one?.samples[i]?.cpuUs ?? Number.NaN)));
    return { rulesCost: ratio(many), rulesAgain: ratio(again) };
  } finally {
    await stage.strike();
  }
}

async function idleMemory(): Promise<number> {
  const stage = await EdgeStage.set(128);
  try {
    const { port, pid } = await stage.edge("edge");
    const before = await residentMB(pid);
    let atRest = before;
    await whileIdle(port, idleConnections, async () => {
      atRest = await residentMB(pid);
    });
    return atRest - before;
  } finally {
    await stage.strike();
  }
}

function print({ peak, latency, rulesCost, rulesAgain, idleMB, skipped }: EdgeReport): void {
  for (const bytes of bodies) {
    process.stdout.write(
      `Bodies of ${bytes} bytes, ${connections} connections, ${rounds} interleaved rounds of ${roundSeconds} s, medians:\n`,
    );
    printTable(
      ["", "requests/s", "CPU us/req", "rate/nginx", "CPU/nginx"],
      peak
        .filter(({ bodyBytes }) => bodyBytes === bytes)
        .map((f) => [
          f.subject,
          f.perSecond.toFixed(0),
          f.cpuUsPerRequest.toFixed(1),
          f.rateToNginx.toFixed(2),
          f.cpuToNginx.toFixed(2),
        ]),
    );
  }
  process.stdout.write(`At a fixed rate, half of the slower one's peak and ${quietRate}/s:\n`);
  printTable(
    ["", "p99 us", "p99/nginx", "added p50 us"],
    latency.map((f) => [f.subject, f.p99Us.toFixed(0), f.p99ToNginx.toFixed(2), f.addedP50Us.toFixed(0)]),
  );
  process.stdout.write(
    `CPU of ${manyRules} rules to one: ${rulesCost.toFixed(2)}x (one rule to itself: ${rulesAgain.toFixed(2)}x)\n`,
  );
  process.stdout.write(`Memory of ${idleConnections} connections at rest: ${idleMB.toFixed(1)} MB\n`);
  for (const line of skipped) process.stdout.write(`${line}\n`);
}

if (import.meta.main) await run();
