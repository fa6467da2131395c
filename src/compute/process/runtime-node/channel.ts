/** The child's end of the framed channel. Runs in the function's process, so it takes nothing from the house but frames. */
import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { bytesFrame, channelFd, createFrameReader, type Frame, type FrameKind, textFrame } from "../frames.ts";

/**
 * Writes are synchronous, on a descriptor that blocks: a frame is out before `process.exit` can lose it, log and answer
 * keep their order, and a function that writes faster than the node reads is slowed down instead of buffered.
 */
function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(channelFd.toNode, bytes, at);
}

export function sendText(kind: FrameKind, value: number, text: string): void {
  writeAll(textFrame(kind, value, text));
}

export function sendBytes(kind: FrameKind, bytes: Uint8Array): void {
  for (const part of bytesFrame(kind, 0, "", bytes)) writeAll(part);
}

export interface Incoming {
  /** The wait for the next invocation keeps the process alive, or not: while a handler runs, only its own work does. */
  keepAlive(keep: boolean): void;
}

/** Events of 6 MB and their meta; the node refuses longer ones long before. */
const bodyBytesMax = 7 * 1024 * 1024;

/** Reads frames from the node. Its end is the end of the node, and so of this process. */
export function receive(onFrame: (frame: Frame) => void): Incoming {
  const socket = new Socket({ fd: channelFd.fromNode, readable: true, writable: false });
  // SIGKILL and not exit: nothing that the function registered may hold the process when its node is gone.
  const die = () => process.kill(process.pid, "SIGKILL");
  socket.on("data", createFrameReader(bodyBytesMax, onFrame));
  socket.on("end", die);
  socket.on("error", die);
  return {
    keepAlive(keep) {
      if (keep) socket.ref();
      else socket.unref();
    },
  };
}
