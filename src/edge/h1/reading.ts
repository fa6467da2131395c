/** Reading from clients' sockets into one buffer that all of a thread's connections share. */
import { Socket, type SocketConstructorOpts } from "node:net";

/**
 * Has what comes on `socket` go to `onBytes`: the bytes `[0..end)` of a buffer that is used again after the call. Gives
 * the socket to go on with.
 *
 * Node reads into one's own buffer (`onread`) only where one dials. A socket that a server accepted gets 64 KB anew for
 * each read: a tenth of what a request costs, and most of what the collector has to do. So the handle of one that
 * nothing was read from goes to a new socket that has a buffer; where that cannot be, the old one serves as well.
 */
export function readInto(buffer: Buffer, socket: Socket, onBytes: (bytes: Buffer, end: number) => void): Socket {
  // It has no public name, but has had this one in every version of Node.
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null || socket.bytesRead > 0 || socket.readableEnded) {
    socket.on("data", (bytes: Buffer) => onBytes(bytes, bytes.length));
    return socket;
  }
  const options: SocketConstructorOpts = {
    onread: {
      buffer,
      callback(end) {
        onBytes(buffer, end);
        return true;
      },
    },
  };
  Reflect.set(socket, "_handle", null);
  const reading = new Socket(Object.assign<SocketConstructorOpts, object>(options, { handle, noDelay: true }));
  // Whoever waits for the end of the old one hears of it; for nobody it would be memory that each connection holds.
  if (socket.listenerCount("close") > 0) reading.once("close", () => socket.destroy());
  return reading;
}
