/** The node's way to its containers: opened with the first that is wanted, and before that only for those of a dead node. */
import { asError } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { ContainerEngine } from "./engine.ts";
import { usedSocket } from "./used-socket.ts";

export interface ContainerOptions {
  /** Compute's own. */
  directory: string;
  log: Log;
  /** Default: true. */
  pull?: boolean;
  socket?: string;
}

export interface Containers {
  /** Rejects where there is no engine; the next call tries again. */
  open(): Promise<ContainerEngine>;
  /** Removes what is left of the node's own. */
  close(): Promise<void>;
}

/** Containers that a former node left are removed before this resolves, if the engine answers. */
export async function createContainers(options: ContainerOptions): Promise<Containers> {
  const { directory, log, pull = true } = options;
  let opened: Promise<ContainerEngine> | undefined;

  const open = async (socket: string | undefined): Promise<ContainerEngine> => {
    // Loaded with the first container: the client costs 25 ms of a start.
    const { openEngine } = await import("./engine.ts");
    const engine = openEngine({ directory, log, pull, ...(socket === undefined ? {} : { socket }) });
    const former = await engine.removeAll();
    if (former > 0) log.warn("containers of functions had outlived their node, and were ended", { containers: former });
    return engine;
  };
  const openOnce = async (): Promise<ContainerEngine> => {
    opened ??= open(options.socket);
    try {
      return await opened;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };

  const former = await usedSocket(directory);
  if (former !== undefined) {
    try {
      (await open(former)).close();
    } catch (error) {
      // Its containers cannot be reached either, and no function of theirs starts before they were asked for.
      log.warn("containers of a former node could not be looked for", { socket: former, error: asError(error) });
    }
  }

  return {
    open: openOnce,
    async close() {
      const engine = await opened;
      if (engine === undefined) return;
      try {
        await engine.removeAll();
      } catch (error) {
        log.warn("containers could not be ended; the next start of the node will", { error: asError(error) });
      }
      engine.close();
    },
  };
}
