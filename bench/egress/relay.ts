/** A link with distance, in user space: what `netem` would do, for kernels that have none. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Relay {
  port: number;
  close(): void;
}

/**
 * Passes connections on to `port`; what is said arrives `onewayMs` later, each way, and a connection stands only after
 * a round trip: the loopback's own handshake is over at once, so the first bytes wait for it here.
 */
export async function startRelay(port: number, onewayMs: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => {
        sockets.delete(socket);
        // The end travels behind what was said.
        setTimeout(() => (socket === near ? far : near).destroy(), 2 * onewayMs);
      });
      socket.on("error", () => socket.destroy());
    }
    const standsAtMs = performance.now() + 2 * onewayMs;
    near.on("data", (bytes: Buffer) => {
      const waitMs = Math.max(0, standsAtMs - performance.now()) + onewayMs;
      setTimeout(() => far.writable && far.write(bytes), waitMs);
    });
    far.on("data", (bytes: Buffer) => {
      setTimeout(() => near.writable && near.write(bytes), onewayMs);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
