/** What a custom resource answers, read once when it comes in. Source: user guide, "Custom resource response objects". */
import type { CallbackRow } from "./callback-tables.ts";
import { isMap, isScalar, member, textOf, type Json, type JsonObject } from "./json.ts";
import { customResponseBytesMax } from "./limits.ts";

/** Beside the attributes that came in an answer: they are masked where properties are shown. */
export const noEchoAttribute = "Mikan::NoEcho";

/** An answer as it is kept. `fault` is what is wrong with one that cannot be used. */
export type CustomAnswer =
  | { kind: "success"; physicalId: string; data: JsonObject; noEcho: boolean }
  | { kind: "failed"; physicalId: string; reason: string }
  | { kind: "fault"; fault: string };

/** Reads an answer; `body` is undefined when it was too long to be read. */
export function customAnswer(
  body: Uint8Array | undefined,
  { callback, logical_id: logicalId }: CallbackRow,
): JsonObject {
  if (body === undefined || body.byteLength > customResponseBytesMax) return refused("Response object is too long.");
  const response = parsed(body);
  if (response === undefined) return refused("Invalid response object: it is not a JSON object.");
  const text = (name: string) => {
    const value = member(response, name);
    return isScalar(value) ? textOf(value) : "";
  };
  if (text("RequestId") !== callback) return refused("Invalid response object: RequestId is not that of the request.");
  if (text("LogicalResourceId") !== logicalId) {
    return refused("Invalid response object: LogicalResourceId is not that of the request.");
  }
  const physicalId = text("PhysicalResourceId");
  const status = text("Status");
  if (status === "FAILED") return { kind: "failed", physicalId, reason: text("Reason") };
  if (status !== "SUCCESS") {
    return refused("Invalid response object: Value of property Status must be one of [SUCCESS, FAILED].");
  }
  const data = member(response, "Data") ?? {};
  if (!isMap(data)) return refused("Invalid response object: Value of property Data must be an object.");
  const noEcho = text("NoEcho") === "true";
  return { kind: "success", physicalId, data: withoutNulls(data), noEcho };
}

function refused(fault: string): JsonObject {
  return { kind: "fault", fault };
}

/** A function that sends `null` or nothing for an attribute has none. */
function withoutNulls(data: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
}

function parsed(body: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(body).toString("utf8")) as Json;
    return isMap(value) ? value : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
