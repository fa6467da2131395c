/** The thread that reads long templates: YAML takes milliseconds for each kilobyte, and main has other things to do. */
import { parentPort } from "node:worker_threads";
import { isFault, must } from "../../base/errors.ts";
import { positionsOf, type Place } from "./positions.ts";
import { parseSource } from "./source.ts";

export interface ReadRequest {
  id: number;
  text: string;
  /** Asks where these stand, instead of what the text says. */
  places?: readonly Place[];
}

/** The template, or the positions, as JSON text; or the fault that it is. */
export type ReadAnswer = { id: number; json: string } | { id: number; code: string; message: string };

const port = must(parentPort, "the parent of the thread");

port.on("message", (request: ReadRequest) => {
  port.postMessage(answerTo(request), []);
});

function answerTo({ id, text, places }: ReadRequest): ReadAnswer {
  try {
    return { id, json: JSON.stringify(places === undefined ? parseSource(text) : positionsOf(text, places)) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { id, code: error.code, message: error.message };
  }
}
