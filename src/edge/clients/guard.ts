/** What one client may take of a listener, as a worker watches over it: connections here, requests as a gate. */
import type { Socket } from "node:net";
import { must } from "../../base/errors.ts";
import { plainAddress } from "../peer.ts";
import type { RateLimit } from "../policies.ts";
import type { ListenerConfig } from "../ports.ts";
import { Census, refused } from "./census.ts";

/** The pool of a listener's connections by client. */
export const censusPool = (listenerId: string) => `clients:${listenerId}`;

/** The rate limit that a listener has for each client. */
export function clientRate({ id, clients }: ListenerConfig): RateLimit | undefined {
  const requestsPerSecond = clients?.requestsPerSecond;
  if (requestsPerSecond === undefined) return undefined;
  const burst = clients?.burst ?? requestsPerSecond;
  return { id: `clients:${id}`, by: { kind: "client" }, requestsPerSecond, burst, answer: "native" };
}

export interface ClientGuardDeps {
  worker: number;
  permits: Readonly<Record<string, SharedArrayBuffer>>;
}

/** Lets a connection in, or not. */
export type ClientGuard = (socket: Socket) => boolean;

export function compileClientGuard(
  { id, clients }: ListenerConfig,
  { worker, permits }: ClientGuardDeps,
): ClientGuard | undefined {
  const max = clients?.connectionsMax;
  if (max === undefined) return undefined;
  const census = new Census(must(permits[censusPool(id)], `the clients of listener ${id}`), worker);
  return (socket) => {
    const place = census.enter(plainAddress(socket.remoteAddress ?? ""), max);
    if (place === refused) return false;
    socket.once("close", () => census.leave(place));
    return true;
  };
}
