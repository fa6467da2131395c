/** The framed channel, at the node's end: two inherited sockets, one for each direction. */
import type { Readable, Writable } from "node:stream";
import { frameMetaBytesMax, responseBytesMax } from "../limits.ts";
import {
  BrokenFrame,
  type Frame,
  type InvokeMeta,
  bytesFrame,
  createFrameReader,
  frameKind,
  textFrame,
} from "./frames.ts";
import { type Link, type LinkEvents, clientContextOf } from "./link.ts";

function onFrame(frame: Frame, events: LinkEvents, credit: (bytes: number) => void): void {
  const { kind, value, payload } = frame;
  switch (kind) {
    case frameKind.answer:
      events.resident(value);
      return events.answered(payload);
    case frameKind.log:
      return events.logged(payload.toString("utf8"));
    case frameKind.output:
      return events.wrote(value === 2 ? 2 : 1, payload);
    case frameKind.failure:
      events.resident(value);
      return events.failed(payload, "handled");
    case frameKind.fatal:
      return events.failed(payload, "fatal");
    case frameKind.tooLarge:
      events.resident(value);
      return events.failed(payload, "too-large");
    case frameKind.ready:
      events.resident(value);
      return events.ready();
    case frameKind.streamBegin:
      return events.streamBegan(payload.toString("utf8"));
    case frameKind.chunk: {
      const taken = events.streamed(payload);
      if (taken === undefined) return credit(payload.length);
      return void taken.then(() => credit(payload.length));
    }
    case frameKind.streamEnd:
      events.resident(value);
      return events.streamEnded();
    case frameKind.initError:
      return events.initFailed(payload);
    default:
      return events.broken(`a frame of the unknown kind ${kind}`);
  }
}

/** `input` goes to the runtime, `output` comes from it. */
export function createFramedLink(input: Writable, output: Readable, events: LinkEvents): Link {
  const credit = (bytes: number) => {
    if (!input.destroyed) input.write(textFrame(frameKind.credit, bytes, ""));
  };
  const read = createFrameReader(frameMetaBytesMax + responseBytesMax, (frame) => onFrame(frame, events, credit));
  output.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      if (!(error instanceof BrokenFrame)) throw error;
      output.destroy();
      events.broken(error.message);
    }
  });
  return {
    send(invocation, deadlineAt) {
      const clientContext = clientContextOf(invocation);
      const meta: InvokeMeta = {
        requestId: invocation.requestId,
        invokedArn: invocation.invokedArn,
        traceHeader: invocation.traceHeader,
        deadlineAt,
        ...(clientContext === undefined ? {} : { clientContext }),
      };
      const [head, payload] = bytesFrame(frameKind.invoke, 0, JSON.stringify(meta), invocation.payload);
      if (payload === undefined) {
        input.write(head);
        return;
      }
      input.cork();
      input.write(head);
      input.write(payload);
      input.uncork();
    },
    async close() {
      input.destroy();
      output.destroy();
    },
  };
}
