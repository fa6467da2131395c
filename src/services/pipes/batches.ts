/** One batch on its way through a pipe: enrichment, input template, target; and what of it is done with. */
import type { Clock } from "../../base/clock.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { parseArn } from "../../base/arn.ts";
import { visitDestination } from "./destinations.ts";
import { fault } from "./faults.ts";
import { pipeArn, type PipeRef } from "./names.ts";
import type { QueueRecord } from "./records.ts";
import type { Settings } from "./settings.ts";
import { deliver, type Failures } from "./targets.ts";
import { parseTemplate, type PipeVariables, type Transformer } from "./templates.ts";

export interface BatchRunner {
  /** Gives the records that are done with. Throws where the whole batch has failed. */
  (records: readonly QueueRecord[], call: Call): Promise<readonly QueueRecord[]>;
}

const transformerOf = (template: string | undefined): Transformer =>
  template ? parseTemplate(template) : (event) => event;

export function batchRunner(
  { peers, clock }: { peers: Peers; clock: Clock },
  ref: PipeRef,
  settings: Settings,
): BatchRunner {
  const { Enrichment, EnrichmentParameters, Source, Target, TargetParameters } = settings;
  const toEnrichment = transformerOf(EnrichmentParameters?.InputTemplate);
  const toTarget = transformerOf(TargetParameters?.InputTemplate);
  const enrichmentArn = Enrichment === "" ? undefined : Enrichment;

  const variablesOf = (sentMs: number): PipeVariables => ({
    pipeArn: pipeArn(ref),
    pipeName: ref.name,
    sourceArn: Source,
    enrichmentArn,
    targetArn: Target,
    ingestionTime: new Date(sentMs).toISOString(),
  });

  const enrich = async (arn: string, records: readonly QueueRecord[], call: Call): Promise<unknown[]> => {
    const inputs = records.map((record) => toEnrichment(record, variablesOf(sentAt(record, clock))));
    return parseArn(arn)?.service === "lambda"
      ? byFunction(arn, inputs, call)
      : byDestination(arn, records, inputs, call);
  };

  /** One request for each event; what is answered takes the event's place. */
  const byDestination = async (
    arn: string,
    records: readonly QueueRecord[],
    inputs: readonly unknown[],
    call: Call,
  ): Promise<unknown[]> => {
    const http = EnrichmentParameters?.HttpParameters;
    const events: unknown[] = [];
    for (const [index, input] of inputs.entries()) {
      const text = await visitDestination({ peers, call }, { arn, http, event: records[index], input });
      events.push(...said(text));
    }
    return events;
  };

  const byFunction = async (FunctionName: string, inputs: readonly unknown[], call: Call): Promise<unknown[]> => {
    const { FunctionError, Payload } = await peers.lambda.Invoke(
      { FunctionName, Payload: Buffer.from(JSON.stringify(inputs)) },
      call,
    );
    if (FunctionError !== undefined) throw fault("EnrichmentFailed", `The enrichment failed: ${FunctionError}`);
    return answered(Payload);
  };

  return async (records, call) => {
    const events = enrichmentArn === undefined ? records : await enrich(enrichmentArn, records, call);
    // An enrichment that answers with nothing lets nothing through.
    if (events.length === 0) return records;
    const isOneToOne = events.length === records.length;
    const outgoing = events.map((event, index) => {
      const record = isOneToOne ? records[index] : undefined;
      const sentMs = record === undefined ? clock.now() : sentAt(record, clock);
      return { event, input: toTarget(event, variablesOf(sentMs)), sentMs };
    });
    const failures = await deliver({ peers, settings, pipe: ref, call }, outgoing);
    return doneOf(records, failures, enrichmentArn === undefined);
  };
}

function sentAt({ attributes }: QueueRecord, clock: Clock): number {
  const sent = Number(attributes["SentTimestamp"]);
  return Number.isFinite(sent) ? sent : clock.now();
}

/** What an endpoint answers with: events where it is JSON, else a text as one. */
function said(text: string): unknown[] {
  try {
    return answered(Buffer.from(text));
  } catch (error) {
    if (error instanceof SyntaxError) return [text];
    throw error;
  }
}

/** The events that an enrichment answers with: a list, or one. */
function answered(payload: Uint8Array | undefined): unknown[] {
  const text = Buffer.from(payload ?? []).toString();
  if (text === "") return [];
  const answer: unknown = JSON.parse(text);
  if (answer === null || (typeof answer === "object" && Object.keys(answer).length === 0)) return [];
  return Array.isArray(answer) ? answer : [answer];
}

function doneOf(records: readonly QueueRecord[], failures: Failures, isOneToOne: boolean): readonly QueueRecord[] {
  const failed = "payload" in failures ? failedIds(failures.payload) : idsAt(records, failures.indexes, isOneToOne);
  if (failed === "all") return [];
  const known = new Set(records.map(({ messageId }) => messageId));
  // A message that was not in the batch: nothing that the function says can be relied on.
  if (!failed.every((id) => known.has(id))) return [];
  const left = new Set(failed);
  return records.filter(({ messageId }) => !left.has(messageId));
}

/** Which of the messages an event of an enrichment has come of, nobody knows. */
function idsAt(records: readonly QueueRecord[], indexes: readonly number[], isOneToOne: boolean) {
  if (indexes.length > 0 && !isOneToOne) return "all" as const;
  return indexes.map((index) => records[index]?.messageId ?? "");
}

/** `batchItemFailures` of a function's answer; another answer is success. Source: guide, "Pipes batching", partial batch failures. */
function failedIds(payload: Uint8Array): "all" | readonly string[] {
  const text = Buffer.from(payload).toString();
  let answer: unknown;
  try {
    answer = text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
  if (typeof answer !== "object" || answer === null || !("batchItemFailures" in answer)) return [];
  const items: unknown = answer.batchItemFailures;
  if (items === null) return [];
  if (!Array.isArray(items)) return "all";
  const ids = items.flatMap((item: unknown) => {
    const id: unknown = typeof item === "object" && item !== null ? Reflect.get(item, "itemIdentifier") : undefined;
    return typeof id === "string" && id !== "" ? [id] : [];
  });
  return ids.length === items.length ? ids : "all";
}
