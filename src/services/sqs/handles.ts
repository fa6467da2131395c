/** Receipt handles: opaque to clients, and all that is needed to find the row of one receive of one message. */
import { crc32 } from "node:zlib";
import { fault, invalidValue } from "./faults.ts";

export interface Receipt {
  /** The message's own id. */
  messageId: string;
  /** Which receive it was; an older handle is good for nothing. */
  receives: number;
  /** A message may be in flight for 12 hours from here. */
  receivedMs: number;
  /** Its body is kept beside it. */
  isLarge: boolean;
  /** Where it stands in a FIFO queue. */
  fifo?: { groupId: string; sequence: string };
}

/** A receipt that a client has brought back, with the handle as it wrote it. */
export interface Held extends Receipt {
  handle: string;
}

const version = 1;
/** Version, flags, queue, message, time, count, sequence; then the group, and the checksum. */
const headBytes = 44;
const crcBytes = 4;
const handlePattern = /^[A-Za-z0-9_-]{64,256}$/;
const [largeFlag, fifoFlag] = [1, 2];

export function writeHandle(queueUid: string, receipt: Receipt): string {
  const { messageId, receives, receivedMs, isLarge, fifo } = receipt;
  const group = fifo?.groupId ?? "";
  const bytes = Buffer.alloc(headBytes + group.length + crcBytes);
  bytes[0] = version;
  bytes[1] = (isLarge ? largeFlag : 0) | (fifo === undefined ? 0 : fifoFlag);
  bytes.write(queueUid, 2, 8, "hex");
  bytes.write(messageId.replaceAll("-", ""), 10, 16, "hex");
  bytes.writeUIntBE(receivedMs, 26, 6);
  bytes.writeUInt32BE(receives, 32);
  bytes.writeBigUInt64BE(BigInt(fifo?.sequence ?? 0), 36);
  // Group ids are ASCII.
  bytes.write(group, headBytes, "latin1");
  const end = bytes.byteLength - crcBytes;
  bytes.writeUInt32BE(crc32(bytes.subarray(0, end)), end);
  return bytes.toString("base64url");
}

export const uuidOf = (hex: string) =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

/** Throws `ReceiptHandleIsInvalid` for a handle that is none, or another queue's. */
export function readHandle(queueUid: string, handle: string): Held {
  const bytes = handlePattern.test(handle) ? Buffer.from(handle, "base64url") : Buffer.alloc(0);
  const end = bytes.byteLength - crcBytes;
  if (
    end < headBytes ||
    bytes[0] !== version ||
    bytes.readUInt32BE(end) !== crc32(bytes.subarray(0, end)) ||
    bytes.toString("hex", 2, 10) !== queueUid
  ) {
    throw fault("ReceiptHandleIsInvalid", `The input receipt handle "${handle}" is not a valid receipt handle.`);
  }
  const flags = bytes[1] ?? 0;
  const sequence = bytes.readBigUInt64BE(36).toString();
  return {
    handle,
    messageId: uuidOf(bytes.toString("hex", 10, 26)),
    receivedMs: bytes.readUIntBE(26, 6),
    receives: bytes.readUInt32BE(32),
    isLarge: (flags & largeFlag) !== 0,
    ...((flags & fifoFlag) === 0 ? {} : { fifo: { groupId: bytes.toString("latin1", headBytes, end), sequence } }),
  };
}

export const notChangeable = (handle: string) =>
  invalidValue(handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.");
