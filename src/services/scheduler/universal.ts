/**
 * Universal targets: `arn:aws:scheduler:::aws-sdk:sqs:sendMessage`, any operation that changes something, of any service
 * of the house. Source: Scheduler user guide, "Using universal targets".
 */
import type { Arn } from "../../base/arn.ts";
import { Fault, isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { sdkInput } from "../../kit/sdk-input.ts";
import { loadService, serviceKeys } from "../../wire/model.ts";
import { invalid, notYet } from "./faults.ts";

/** Operations that only read: how the names of those begin that AWS refuses. Source: the same page, "Unsupported actions". */
export const readingPrefixes = [
  "get",
  "describe",
  "list",
  "poll",
  "receive",
  "search",
  "scan",
  "query",
  "select",
  "read",
  "lookup",
  "discover",
  "validate",
  "batchGet",
  "batchDescribe",
  "batchRead",
  "transactGet",
  "adminGet",
  "adminList",
  "testMigration",
  "retrieve",
  "testConnection",
  "translateDocument",
  "isAuthorized",
  "invokeModel",
] as const;

/** The SDK's names of services that the house calls by their signing names. */
const aliases: Readonly<Record<string, string>> = {
  cloudwatchlogs: "logs",
  elasticloadbalancingv2: "elasticloadbalancing",
  eventbridge: "events",
};

interface UniversalTarget {
  service: string;
  operation: string;
}

function universalOf({ resource }: Arn): UniversalTarget {
  const [, sdkName = "", action = ""] = /^aws-sdk:([a-z0-9-]+):([a-z][A-Za-z0-9]*)$/.exec(resource) ?? [];
  if (sdkName === "") throw invalid("Provided Arn is not in correct format.");
  const service = Object.hasOwn(aliases, sdkName) ? aliases[sdkName] : sdkName;
  if (service === undefined || !serviceKeys().includes(service)) throw notYet(`targets of aws-sdk:${sdkName}`);
  const isReading = readingPrefixes.some((prefix) => action.startsWith(prefix));
  const model = loadService(service).operation(`${action.charAt(0).toUpperCase()}${action.slice(1)}`);
  if (isReading || model === undefined || model.opaque) {
    throw invalid(`${action} is not a supported api action for the service ${sdkName}.`);
  }
  return { service, operation: model.name };
}

/** @throws Fault `ValidationException`; `NotImplemented` for services that the house has not */
export function checkUniversal(arn: Arn, input: string | undefined): void {
  const { service, operation } = universalOf(arn);
  // What its context attributes will be is not known yet.
  if (input === undefined || input.includes("<aws.scheduler.")) return;
  try {
    sdkInput(service, operation, JSON.parse(input));
  } catch (error) {
    if (isFault(error)) throw invalid(`Invalid Input for ${service}:${operation}. ${error.message}`, { cause: error });
    throw error;
  }
}

export async function invokeUniversal(peers: Peers, arn: Arn, input: string | undefined, call: Call): Promise<void> {
  const { service, operation } = universalOf(arn);
  const made = sdkInput(service, operation, JSON.parse(input ?? "{}"));
  // Peers are looked up by name; the model says what the operation takes.
  const operations = Reflect.get(peers, service) as Readonly<
    Record<string, (input: object, call: Call) => Promise<object>>
  >;
  const answer = await operations[operation]?.(made, call);
  if (answer !== undefined) checkEntries(answer);
}

/** Batches answer well when some of their entries failed. Those are sent one at a time here: a failure is that of the whole. */
function checkEntries(answer: object): void {
  const failed: unknown = Reflect.get(answer, "FailedEntryCount");
  if (typeof failed === "number" && failed > 0) throw new Fault("FailedEntries", `${failed} entries have failed.`);
}
