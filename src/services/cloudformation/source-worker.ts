/** The thread that reads long templates: YAML takes milliseconds for each kilobyte, and main has other things to do. */
import { parentPort } from "node:worker_threads";
import { isFault, must } from "../../base/errors.ts";
import { parseSource } from "./source.ts";

export interface ReadRequest {
  id: number;
  text: string;
}

/** The template as JSON text, or the fault that it is. */
export type ReadAnswer = { id: number; json: string } | { id: number; code: string; message: string };

const port = must(parentPort, "the parent of the thread");

port.on("message", ({ id, text }: ReadRequest) => {
  port.postMessage(answerTo(id, text), []);
});

function answerTo(id: number, text: string): ReadAnswer {
  try {
    return { id, json: JSON.stringify(parseSource(text)) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { id, code: error.code, message: error.message };
  }
}
