/** A WebSocket endpoint for tests: says back what it is told, message by message (RFC 6455). */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Stage } from "./edge.suite.ts";

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface EchoOptions {
  /** Answers what is no upgrade. */
  listener?: RequestListener;
  /** Fields beside the handshake's own, each with its end. */
  lines?: (request: IncomingMessage) => string;
  onOpen?: (socket: Socket, request: IncomingMessage) => void;
}

/** Starts one; gives its port. */
export async function echoes(stage: Stage, { listener, lines, onOpen }: EchoOptions = {}): Promise<number> {
  const server: Server = createServer(listener ?? ((_, response) => response.end("plain")));
  const sockets = new Set<Socket>();
  server.on("upgrade", (request, duplex: Socket, head: Buffer) => {
    sockets.add(duplex);
    duplex.on("close", () => sockets.delete(duplex));
    duplex.on("error", () => duplex.destroy());
    duplex.write(`${acceptance(request)}${lines?.(request) ?? ""}\r\n`);
    onOpen?.(duplex, request);
    const reader = new FrameReader((code, payload) => echo(duplex, code, payload));
    reader.push(head);
    duplex.on("data", (chunk: Buffer) => reader.push(chunk));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => {
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

function acceptance({ headers }: IncomingMessage): string {
  const accept = createHash("sha1")
    .update(`${headers["sec-websocket-key"] ?? ""}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
}

function echo(socket: Socket, code: number, payload: Buffer): void {
  if (code === opcode.ping) socket.write(frame(opcode.pong, payload));
  else if (code === opcode.close) socket.end(frame(opcode.close, payload));
  else if (code !== opcode.pong) socket.write(frame(code, payload));
}

/** A frame as a server sends it; `mask` makes it a client's. */
export function frame(code: number, payload: Buffer, mask?: Buffer): Buffer {
  const { length } = payload;
  const long = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + long);
  head[0] = 0x80 | code;
  head[1] = (mask === undefined ? 0 : 0x80) | (long === 0 ? length : long === 2 ? 126 : 127);
  if (long === 2) head.writeUInt16BE(length, 2);
  if (long === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (mask === undefined) return Buffer.concat([head, payload]);
  return Buffer.concat([head, mask, unmasked(payload, mask)]);
}

function unmasked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
}

/** Takes frames out of a stream of bytes, however it was cut. */
export class FrameReader {
  readonly #onFrame: (code: number, payload: Buffer) => void;
  #pending = Buffer.alloc(0);

  constructor(onFrame: (code: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    while (this.#take()) {
      // The next one.
    }
  }

  #take(): boolean {
    const bytes = this.#pending;
    if (bytes.length < 2) return false;
    const short = bytes.readUInt8(1) & 0x7f;
    const long = short === 126 ? 2 : short === 127 ? 8 : 0;
    const masked = bytes.readUInt8(1) >= 0x80;
    const start = 2 + long + (masked ? 4 : 0);
    if (bytes.length < start) return false;
    const length = long === 0 ? short : long === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < start + length) return false;
    const payload = bytes.subarray(start, start + length);
    this.#pending = bytes.subarray(start + length);
    this.#onFrame(bytes.readUInt8(0) & 0x0f, masked ? unmasked(payload, bytes.subarray(start - 4, start)) : payload);
    return true;
  }
}
