/**
 * The way to the one host by which a function answers CloudFormation. Code that answers calls it by https on port 443,
 * most of it whatever else the URL says; the node speaks http on a port of its own. So the socket that would speak TLS
 * to exactly that host is a plain one to the node's endpoint. Every way of Node.js to make an https request ends in
 * `tls.connect`: `node:https` with any agent, `fetch`, and undici in a package.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import type { Socket, TcpNetConnectOpts } from "node:net";

type Net = typeof import("node:net");
type Tls = typeof import("node:tls");

/** Node's own modules: loading TLS takes longer than the rest of the runtime, and few functions are told the host. */
const load = createRequire(import.meta.url);

function install(host: string, endpoint: URL): void {
  const tls = load("node:tls") as Tls;
  const net = load("node:net") as Net;
  const connect = tls.connect;
  const address: TcpNetConnectOpts = {
    host: endpoint.hostname.replace(/^\[|\]$/g, ""),
    port: Number(endpoint.port === "" ? 80 : endpoint.port),
  };
  const toNode = (onSecure: unknown): Socket => {
    const socket = net.connect(address);
    // What waits for the handshake need not.
    if (typeof onSecure === "function") socket.once("secureConnect", () => void onSecure());
    return socket.once("connect", () => socket.emit("secureConnect"));
  };
  const routed = (...args: unknown[]) => {
    const [options] = args;
    const named = typeof options === "object" && options !== null && "host" in options && options.host === host;
    if (named) return toNode(args.at(-1));
    return Reflect.apply(connect, tls, args);
  };
  Object.assign(tls, { connect: routed });
  syncBuiltinESMExports();
}

/** Makes the way as soon as an event names the host: nobody else knows of it. */
export function routeWhenNamed(host: string, endpoint: string): (event: Buffer) => void {
  // An endpoint that speaks https itself is not this node's to be replaced.
  let waits = host !== "" && endpoint.startsWith("http:");
  return (event) => {
    if (!waits || !event.includes(host)) return;
    waits = false;
    install(host, new URL(endpoint));
  };
}
