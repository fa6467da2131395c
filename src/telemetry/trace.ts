/** Trace context, in X-Ray's form, and the spans recorded on the way. Source: X-Ray guide, "Tracing header". */
import type { Instant } from "../base/clock.ts";
import type { Ids } from "../base/ids.ts";

export interface Trace {
  /** `1-<8 hex of epoch seconds>-<24 hex>`. */
  root: string;
  /** The span that caused this one: 16 hex digits. */
  parent?: string;
  sampled: boolean;
  /** Which functions ran before in this chain, as Lambda wrote it; carried on as it is. */
  lineage?: string;
}

/** A trace that begins here. */
export function newTrace(ids: Ids, now: Instant): Trace {
  return {
    root: `1-${Math.floor(now / 1000)
      .toString(16)
      .padStart(8, "0")}-${ids.hex(12)}`,
    sampled: false,
  };
}

/** Reads `Root=...;Parent=...;Sampled=1`; undefined without a root. */
export function parseTrace(header: string): Trace | undefined {
  const fields = new Map(header.split(";").map((field) => field.trim().split("=", 2) as [string, string]));
  const root = fields.get("Root");
  if (root === undefined) return undefined;
  const parent = fields.get("Parent");
  const lineage = fields.get("Lineage");
  return {
    root,
    ...(parent === undefined ? {} : { parent }),
    sampled: fields.get("Sampled") === "1",
    ...(lineage === undefined ? {} : { lineage }),
  };
}

/** Writes the header that {@link parseTrace} reads. */
export function formatTrace(trace: Trace): string {
  const parent = trace.parent ? `;Parent=${trace.parent}` : "";
  const lineage = trace.lineage ? `;Lineage=${trace.lineage}` : "";
  return `Root=${trace.root}${parent};Sampled=${trace.sampled ? 1 : 0}${lineage}`;
}

export interface Span {
  name: string;
  trace: Trace;
  startedAt: Instant;
  durationMs: number;
  /** Absent when it went well. */
  error?: string;
}

export interface Spans {
  record(span: Span): void;
  /** Oldest first. */
  recent(): readonly Span[];
}

/** Keeps the last `spansMax` spans, for the node's own page. */
export function createSpans(spansMax = 1_000): Spans {
  const ring: Span[] = [];
  return {
    record(span) {
      ring.push(span);
      if (ring.length > spansMax) ring.shift();
    },
    recent: () => ring,
  };
}
