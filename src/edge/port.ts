/** Binding a port, and saying who holds it when somebody else does. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { createServer, type ListenOptions, type Server } from "node:net";
import { errorCode } from "../base/errors.ts";
import type { PortInUse } from "./ports.ts";

/** See {@link PortInUse}. */
export class PortInUseError extends Error implements PortInUse {
  override readonly name = "PortInUse";
  readonly port: number;
  readonly holder?: string;

  constructor(port: number, holder?: string, options?: ErrorOptions) {
    super(`port ${port} is in use${holder === undefined ? "" : ` by ${holder}`}`, options);
    this.port = port;
    if (holder !== undefined) this.holder = holder;
  }
}

/** Binds `server`; rejects with {@link PortInUseError} where the port is taken. */
export async function listen(server: Server, options: ListenOptions): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    if (errorCode(error) !== "EADDRINUSE") throw error;
    const port = options.port ?? 0;
    throw new PortInUseError(port, await holderOf(port), { cause: error });
  }
}

/** Binds a port for a moment, for itself alone; gives it, which is a free one for 0. Rejects with {@link PortInUseError}. */
export async function tryPort(host: string, port: number): Promise<number> {
  const server = createServer();
  await listen(server, { host, port });
  const bound = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return typeof bound === "object" && bound !== null ? bound.port : port;
}

/** Closes a listening socket; connections are left alone. */
export function stopListening(server: Server): void {
  if (server.listening) server.close();
}

const listenState = "0A";
/** Processes looked at for the holder; a machine with more keeps its secret. */
const processesMax = 5_000;

/** `node (pid 4711)`: the process that listens on `port`, where /proc shows it and we may look. */
export async function holderOf(port: number): Promise<string | undefined> {
  const inode = (await listenerInode("/proc/net/tcp", port)) ?? (await listenerInode("/proc/net/tcp6", port));
  if (inode === undefined) return undefined;
  const pids = (await entriesOf("/proc")).filter((name) => /^\d+$/.test(name)).slice(0, processesMax);
  for (const pid of pids) {
    for (const fd of await entriesOf(`/proc/${pid}/fd`)) {
      if ((await linkOf(`/proc/${pid}/fd/${fd}`)) === `socket:[${inode}]`) {
        // Not comm: a process may name its main thread otherwise (Node does).
        return `${basename((await linkOf(`/proc/${pid}/exe`)) ?? "process")} (pid ${pid})`;
      }
    }
  }
  return undefined;
}

async function listenerInode(table: string, port: number): Promise<string | undefined> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of (await textOf(table)).split("\n")) {
    const columns = line.trim().split(/\s+/);
    if (columns[1]?.endsWith(suffix) && columns[3] === listenState) return columns[9];
  }
  return undefined;
}

// Processes come and go while we look, and others' we may not see: both mean only that the holder stays unnamed.
const unseen = () => undefined;
const entriesOf = async (path: string) => (await readdir(path).catch(unseen)) ?? [];
const textOf = async (path: string) => (await readFile(path, "utf8").catch(unseen)) ?? "";
const linkOf = (path: string) => readlink(path).catch(unseen);
