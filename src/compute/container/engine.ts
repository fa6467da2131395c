/** The containers of one node: made, watched and ended through the engine, and known by a label after its death. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Duplex } from "node:stream";
import type { Log } from "../../telemetry/log.ts";
import { type EngineApi, EngineError, createEngineApi, findSocket } from "./engine-api.ts";
import { type FoundImage, findImage, isReference, pullImage } from "./images.ts";
import { forgetSocket, noteSocket } from "./used-socket.ts";

export interface EngineOptions {
  /** Compute's own. */
  directory: string;
  log: Log;
  /** Fetch images that are not on this machine. */
  pull: boolean;
  /** Path of the engine's socket. Default: what `DOCKER_HOST` names, or the first that is there. */
  socket?: string;
}

export interface ContainerExit {
  status: number;
  outOfMemory: boolean;
}

export interface ContainerEngine {
  /** The image on this machine, fetched if need be, by its other name if it has one. Throws an {@link EngineError} that says what to do. */
  image(reference: string, elsewhere?: string): Promise<FoundImage>;
  /** Makes a container of the node's own. Returns its id. */
  create(name: string, body: object): Promise<string>;
  /** What it writes, from its start on; ends with it. */
  attach(id: string): Promise<Duplex>;
  start(id: string): Promise<void>;
  /** The id of its first process, as the engine's machine has it. */
  pidOf(id: string): Promise<number>;
  /** Waits for its end; `signal` gives it up. */
  exitOf(id: string, signal: AbortSignal): Promise<ContainerExit>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /** Kills what runs in it, and removes it; harmless when it is gone. */
  remove(id: string): Promise<void>;
  /** Removes all containers of nodes on this directory; how many there were. */
  removeAll(): Promise<number>;
  close(): void;
}

const nodeLabel = "cloud.mikan.node";
/** Gone, or about to go. */
const goneStatuses = new Set([304, 404, 409]);

/** Nodes on one directory, one after the other, know one another's containers by this. */
function familyOf(directory: string): string {
  return createHash("sha256").update(resolve(directory)).digest("hex").slice(0, 16);
}

async function unlessGone(action: Promise<unknown>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (!(error instanceof EngineError && goneStatuses.has(error.status))) throw error;
  }
}

function missing(reference: string, why: string): EngineError {
  const text = `The image ${reference} is not on this machine, and ${why}. Build it (docker build -t ${reference} .), or load it.`;
  return new EngineError(404, text);
}

async function imageIn(api: EngineApi, { log, pull }: EngineOptions, reference: string): Promise<FoundImage> {
  if (!isReference(reference)) throw new EngineError(400, `${reference} is no reference of an image.`);
  const found = await findImage(api, reference);
  if (found !== undefined) return found;
  if (!pull || reference.startsWith("sha256:")) throw missing(reference, "is not fetched");
  try {
    await pullImage(api, log, reference);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw missing(reference, `could not be fetched: ${error.message.trim()}`);
  }
  const pulled = await findImage(api, reference);
  if (pulled === undefined) throw missing(reference, "is not there after it was fetched");
  return pulled;
}

/** Asks the engine nothing yet. Throws an {@link EngineError} where there is none. */
export function openEngine(options: EngineOptions): ContainerEngine {
  const { directory } = options;
  const socket = options.socket ?? findSocket(process.env);
  const api = createEngineApi(socket);
  const family = familyOf(directory);
  const filters = JSON.stringify({ label: [`${nodeLabel}=${family}`] });
  const remove = (id: string) =>
    unlessGone(api.call({ method: "DELETE", path: `/containers/${id}`, query: { force: "true", v: "true" } }));
  const post = async (id: string, verb: string) =>
    void (await api.call({ method: "POST", path: `/containers/${id}/${verb}` }));
  let isNoted = false;

  const note = () => {
    // Before the first container: the next node has to know whom to ask.
    if (!isNoted) noteSocket(directory, socket);
    isNoted = true;
  };

  return {
    async image(reference, elsewhere = reference) {
      const found = elsewhere === reference ? undefined : await findImage(api, reference);
      return found ?? imageIn(api, options, elsewhere);
    },
    async create(name, body) {
      note();
      const labelled = { ...body, Labels: { [nodeLabel]: family } };
      const created = await api.call({ method: "POST", path: "/containers/create", query: { name }, body: labelled });
      return (created as { Id: string }).Id;
    },
    attach: (id) =>
      api.attach({
        method: "POST",
        path: `/containers/${id}/attach`,
        query: { stream: "true", stdout: "true", stderr: "true" },
      }),
    start: (id) => post(id, "start"),
    async pidOf(id) {
      const { State } = (await api.call({ method: "GET", path: `/containers/${id}/json` })) as {
        State: { Pid: number };
      };
      return State.Pid;
    },
    async exitOf(id, signal) {
      const waited = await api.wait({ method: "POST", path: `/containers/${id}/wait` }, signal);
      const { StatusCode: status } = waited as { StatusCode: number };
      const inspected = await api.call({ method: "GET", path: `/containers/${id}/json` });
      const { State } = inspected as { State: { OOMKilled: boolean } };
      return { status, outOfMemory: State.OOMKilled };
    },
    pause: (id) => post(id, "pause"),
    unpause: (id) => post(id, "unpause"),
    remove,
    async removeAll() {
      const listed = await api.call({ method: "GET", path: "/containers/json", query: { all: "true", filters } });
      const ids = (listed as readonly { Id: string }[]).map(({ Id }) => Id);
      for (const id of ids) await remove(id);
      await forgetSocket(directory);
      isNoted = false;
      return ids.length;
    },
    close: () => api.close(),
  };
}
