/** Which protocol a destination speaks: asked once by a connection that carries no request. */
import type { Clock } from "../../base/clock.ts";
import { ContextStore } from "../tls/contexts.ts";
import { dial, targetTls } from "../tls/dial.ts";

/** The connection, and TLS. */
const answerMsMax = 5_000;

export type LearnProtocol = (host: string, port: number, serverName: string) => Promise<"http1" | "http2">;

/** Never rejects: what does not answer is asked in HTTP/1.1. Who it is, is for those to check who send it something. */
export function createLearnProtocol(clock: Clock): LearnProtocol {
  const contexts = new ContextStore();
  return (host, port, serverName) =>
    new Promise((resolve) => {
      const tls = targetTls({ verify: false, serverName }, ["h2", "http/1.1"], contexts);
      const socket = dial({ host, port, tls });
      const timer = clock.after(answerMsMax, () => socket.destroy());
      socket.on("secureConnect", () => {
        resolve("alpnProtocol" in socket && socket.alpnProtocol === "h2" ? "http2" : "http1");
        socket.end();
      });
      socket.on("error", () => {
        // `close` follows, and is all there is to know.
      });
      socket.on("close", () => {
        timer.cancel();
        resolve("http1");
      });
      // What it says of itself is dropped.
      socket.resume();
    });
}
