/** Cuts a standard stream into log events, one a line. */
import { StringDecoder } from "node:string_decoder";
import { logLineLengthMax } from "../limits.ts";

export interface LineCutter {
  push(chunk: Buffer): void;
  /** Gives out what has no line end yet. */
  flush(): void;
}

/** A line without end is given out in pieces of the longest event, so that no more than one is ever held. */
export function createLineCutter(onLine: (text: string) => void): LineCutter {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const giveOut = (text: string) => {
    if (text !== "") onLine(text.endsWith("\r") ? text.slice(0, -1) : text);
  };
  return {
    push(chunk) {
      const text = rest + decoder.write(chunk);
      let from = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
        giveOut(text.slice(from, end));
        from = end + 1;
      }
      rest = text.slice(from);
      for (; rest.length > logLineLengthMax; rest = rest.slice(logLineLengthMax))
        giveOut(rest.slice(0, logLineLengthMax));
    },
    flush() {
      const text = rest;
      rest = "";
      giveOut(text);
    },
  };
}
