/** What code outside a stack answers, and what it has answered; and macros, the code that templates call. */
import { c, table, type Column, type Row } from "../../store/tables.ts";
import type { JsonObject } from "./json.ts";

const kindOf: Column<"request" | "handle" | "condition"> = { kind: "id", nullable: false };

/** What code outside may answer: a request to a custom resource, a wait condition's handle. */
export const callbacks = table(
  "cloudformation_callbacks",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    /** A UUID: the RequestId of a custom resource. */
    callback: c.id,
    kind: kindOf,
    logical_id: c.id,
    /** Who knows it may answer. */
    secret: c.id,
    /** No answer counts after this; null while its resource is there. */
    deadline_ms: c.nullable(c.time),
    /** The request has been handed over. */
    sent: c.bool,
  },
  { key: ["account", "region", "stack", "callback"], indexes: [{ columns: ["deadline_ms"] }] },
);
export type CallbackRow = Row<typeof callbacks>;

/** What came in: of a request one answer, of a handle one for each unique id. */
export const callbackAnswers = table(
  "cloudformation_callback_answers",
  { account: c.id, region: c.id, stack: c.id, callback: c.id, unique_id: c.id, body: c.json<JsonObject>() },
  { key: ["account", "region", "stack", "callback", "unique_id"] },
);
export type AnswerRow = Row<typeof callbackAnswers>;

/** Macros by name, which templates of the account use in the region. */
export const macros = table(
  "cloudformation_macros",
  { account: c.id, region: c.id, name: c.id, token: c.id, function_name: c.text },
  { key: ["account", "region", "name"] },
);
export type MacroRow = Row<typeof macros>;
