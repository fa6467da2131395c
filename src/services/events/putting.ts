/** PutEvents: what was acknowledged is on disk, with the deliveries that it causes. */
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import { parseTrace } from "../../telemetry/trace.ts";
import { admit } from "./access.ts";
import { findBus } from "./bus-rows.ts";
import type { EventsDeps } from "./deps.ts";
import { compact, type Envelope } from "./envelope.ts";
import { invalid, notYet } from "./faults.ts";
import type { Ingestion } from "./ingestion.ts";
import { entriesBytesMax, timeBytes } from "./limits.ts";
import { busArn, busRef } from "./names.ts";
import type { BusRef, BusRow } from "./tables.ts";

type Entry = Received<InputOf<typeof import("@aws-sdk/client-eventbridge"), "PutEvents">>["Entries"][number];

/** Source: user guide, "Calculating PutEvents event entry size". */
function sizeOf({ Time, Source = "", DetailType = "", Detail = "", Resources = [] }: Entry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : timeBytes);
}

interface Refusal {
  ErrorCode: string;
  ErrorMessage: string;
}

/** What is wrong with an entry, in AWS's words. */
function refusalOf(entry: Entry): Refusal | undefined {
  for (const name of ["Source", "DetailType", "Detail"] as const) {
    if (entry[name]) continue;
    const ErrorMessage = `Parameter ${name} is not valid. Reason: ${name} is a required argument.`;
    return { ErrorCode: "InvalidArgument", ErrorMessage };
  }
  if (entry.Source?.startsWith("aws.")) {
    return { ErrorCode: "NotAuthorizedForSource", ErrorMessage: "Not authorized for the source." };
  }
  if (!isObject(entry.Detail ?? "")) return { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." };
  return undefined;
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

export function putOperations({ store, clock, ids, log, metrics }: EventsDeps, ingestion: Ingestion) {
  /** The buses of a request; undefined for one that is not there. Throws where the caller may not. */
  const busesOf = async (entries: readonly Entry[], call: Call) => {
    const found = new Map<string, { ref: BusRef; row: BusRow | undefined }>();
    for (const { EventBusName } of entries) {
      const ref = busRef(EventBusName, call);
      const arn = busArn(ref);
      if (found.has(arn)) continue;
      const row = await store.read((tx) => findBus(tx, ref));
      if (row !== undefined) admit(row, "PutEvents", call);
      found.set(arn, { ref, row });
    }
    return (entry: Entry) => must(found.get(busArn(busRef(entry.EventBusName, call))), "the entry's bus");
  };

  const envelopeOf = (entry: Entry, call: Call, now: number): Envelope => ({
    id: ids.uuid(),
    detailType: entry.DetailType ?? "",
    source: entry.Source ?? "",
    account: call.account,
    timeMs: entry.Time?.getTime() ?? now,
    region: call.region,
    resources: entry.Resources ?? [],
    detail: compact(entry.Detail ?? ""),
  });

  return {
    async PutEvents({ Entries, EndpointId }, call) {
      if (EndpointId !== undefined) throw notYet("global endpoints");
      if (Entries.reduce((sum, entry) => sum + sizeOf(entry), 0) > entriesBytesMax) {
        throw invalid("Total size of the entries in the request is over the limit.");
      }
      const busOf = await busesOf(Entries, call);
      const now = clock.now();
      const outcomes = Entries.map((entry) => {
        const refusal = refusalOf(entry);
        return refusal ?? { entry, bus: busOf(entry), envelope: envelopeOf(entry, call, now) };
      });
      const arrivals = outcomes.flatMap((outcome) => {
        if (!("envelope" in outcome)) return [];
        const { entry, bus, envelope } = outcome;
        if (bus.row === undefined) {
          // AWS says nothing of it either.
          metrics.counter("events_lost").add();
          log.warn("an event was put on a bus that does not exist", { bus: bus.ref.bus, account: bus.ref.account });
          return [];
        }
        const trace = entry.TraceHeader === undefined ? undefined : parseTrace(entry.TraceHeader);
        const rest = entry.TraceHeader === undefined ? {} : { traceHeader: entry.TraceHeader };
        return [{ bus: bus.ref, envelope, trace: trace ?? call.trace, ...rest }];
      });
      await ingestion.take(arrivals);
      return {
        FailedEntryCount: outcomes.filter((outcome) => !("envelope" in outcome)).length,
        Entries: outcomes.map((outcome) => ("envelope" in outcome ? { EventId: outcome.envelope.id } : outcome)),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
