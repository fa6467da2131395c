/** Signals to wait conditions, as they come in at a handle's URL. Source: user guide, "Wait conditions". */
import { invalid } from "./faults.ts";
import { isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { customResponseBytesMax } from "./limits.ts";

export interface ConditionSignal {
  uniqueId: string;
  /** `{ status, reason, data }`. */
  signal: JsonObject;
}

export const uniqueIdLengthMax = 64;

/** Reads a signal. Throws what its sender is to know: AWS's URL takes anything, and the condition waits on. */
export function conditionAnswer(body: Uint8Array | undefined): ConditionSignal {
  if (body === undefined || body.byteLength > customResponseBytesMax) {
    throw invalid(`A signal has at most ${customResponseBytesMax} bytes.`);
  }
  const given = parsed(body);
  const text = (name: string) => {
    const value = member(given, name);
    if (value === undefined) return "";
    if (!isScalar(value)) throw invalid(`${name} of a signal must be a string.`);
    return textOf(value);
  };
  return signalOf(text("Status"), text("UniqueId"), text("Reason"), text("Data"));
}

/** Throws when the status or the id is not one that a signal can have. */
export function signalOf(status: string, uniqueId: string, reason: string, data: string): ConditionSignal {
  if (status !== "SUCCESS" && status !== "FAILURE") throw invalid("Status of a signal must be SUCCESS or FAILURE.");
  if (uniqueId === "" || uniqueId.length > uniqueIdLengthMax) {
    throw invalid(`UniqueId of a signal must have 1 to ${uniqueIdLengthMax} characters.`);
  }
  return { uniqueId, signal: { status, reason, data } };
}

function parsed(body: Uint8Array): JsonObject {
  try {
    const value = JSON.parse(Buffer.from(body).toString("utf8")) as Json;
    if (isMap(value)) return value;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid("A signal must be a JSON object.", { cause });
  }
  throw invalid("A signal must be a JSON object.");
}
