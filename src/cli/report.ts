/** What Lambda says of an invocation in its last log line, in words. */

export interface Report {
  durationMs: number;
  billedMs: number;
  memoryMiB: number;
  memoryUsedMiB: number;
  /** Only where the invocation had to wait for a new environment. */
  initMs?: number;
}

const figure = (text: string, name: string): number | undefined => {
  const found = new RegExp(`(?:^|\\t)${name}: ([0-9.]+) `).exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
};

function fromText(line: string): Report | undefined {
  const durationMs = figure(line, "Duration");
  const initMs = figure(line, "Init Duration");
  if (durationMs === undefined) return undefined;
  return {
    durationMs,
    billedMs: figure(line, "Billed Duration") ?? 0,
    memoryMiB: figure(line, "Memory Size") ?? 0,
    memoryUsedMiB: figure(line, "Max Memory Used") ?? 0,
    ...(initMs === undefined ? {} : { initMs }),
  };
}

interface PlatformReport {
  type?: string;
  record?: {
    metrics?: {
      durationMs?: number;
      billedDurationMs?: number;
      memorySizeMB?: number;
      maxMemoryUsedMB?: number;
      initDurationMs?: number;
    };
  };
}

function fromJson(line: string): Report | undefined {
  if (!line.includes('"platform.report"')) return undefined;
  // A line that names it and is no JSON is one that the function wrote.
  const { type, record } = parsed(line);
  const metrics = record?.metrics;
  if (type !== "platform.report" || metrics?.durationMs === undefined) return undefined;
  const { durationMs, billedDurationMs = 0, memorySizeMB = 0, maxMemoryUsedMB = 0, initDurationMs: initMs } = metrics;
  return {
    durationMs,
    billedMs: billedDurationMs,
    memoryMiB: memorySizeMB,
    memoryUsedMiB: maxMemoryUsedMB,
    ...(initMs === undefined ? {} : { initMs }),
  };
}

function parsed(line: string): PlatformReport {
  try {
    return JSON.parse(line) as PlatformReport;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {};
  }
}

/** The report in the tail of a log, in either format; undefined where the function's log level leaves it out. */
export function reportIn(tail: string): Report | undefined {
  for (const line of tail.trimEnd().split("\n").toReversed()) {
    const report = line.startsWith("REPORT ") ? fromText(line) : fromJson(line);
    if (report !== undefined) return report;
  }
  return undefined;
}

/** `Warm start. 1.2 ms, billed 2 ms; 61 of 128 MB used.` */
export function inWords({ durationMs, billedMs, memoryMiB, memoryUsedMiB, initMs }: Report): string {
  const start = initMs === undefined ? "Warm start." : `Cold start: ${initMs.toFixed(1)} ms to be ready.`;
  return `${start} ${durationMs.toFixed(1)} ms, billed ${billedMs} ms; ${memoryUsedMiB} of ${memoryMiB} MB used.`;
}
