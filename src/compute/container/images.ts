/** Images, as the engine of this machine has them or fetches them: which one a reference names, and what it starts. */
import type { Log } from "../../telemetry/log.ts";
import { pullMsMax } from "../limits.ts";
import { type EngineApi, EngineError } from "./engine-api.ts";

export interface FoundImage {
  /** `sha256:...`: names these bytes on this machine, whatever becomes of the tag. */
  id: string;
  /** Of its manifest, as registries name it; the id of an image that was in none. */
  digest: string;
  entryPoint: readonly string[];
  command: readonly string[];
}

/** As Docker defines it (distribution/reference), but for the length of its parts; nothing else reaches a path. */
const referenceForm =
  /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::\d+)?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[\w][\w.-]*)?(?:@sha256:[0-9a-f]{64})?$/i;
const idForm = /^sha256:[0-9a-f]{64}$/;

export function isReference(text: string): boolean {
  return text.length <= 1_024 && (referenceForm.test(text) || idForm.test(text));
}

interface Inspected {
  Id: string;
  RepoDigests?: readonly string[] | null;
  Config?: { Entrypoint?: readonly string[] | null; Cmd?: readonly string[] | null };
}

/** Undefined when this machine has no such image. */
export async function findImage(api: EngineApi, reference: string): Promise<FoundImage | undefined> {
  try {
    const inspected = await api.call({ method: "GET", path: `/images/${reference}/json` });
    const { Id, RepoDigests, Config } = inspected as Inspected;
    const id = Id.startsWith("sha256:") ? Id : `sha256:${Id}`;
    const digest = RepoDigests?.[0]?.split("@")[1] ?? id;
    return { id, digest, entryPoint: Config?.Entrypoint ?? [], command: Config?.Cmd ?? [] };
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return undefined;
    throw error;
  }
}

/** One line of an engine's report on what it fetches. */
interface Progress {
  status?: string;
  error?: string;
}

/** The reference of an image in a registry, apart from its tag or digest; `latest` without any, as Docker has it. */
function partsOf(reference: string): { fromImage: string; tag: string } {
  const [name = "", digest] = reference.split("@");
  if (digest !== undefined) return { fromImage: name, tag: digest };
  const colon = name.indexOf(":", name.lastIndexOf("/"));
  return colon === -1
    ? { fromImage: name, tag: "latest" }
    : { fromImage: name.slice(0, colon), tag: name.slice(colon + 1) };
}

/** Fetches an image from its registry. Throws an {@link EngineError} that says why it could not. */
export async function pullImage(api: EngineApi, log: Log, reference: string): Promise<void> {
  log.warn("an image is not on this machine, and is fetched from its registry", { image: reference });
  let failure: string | undefined;
  const onLine = (line: unknown) => {
    const { status, error } = line as Progress;
    failure ??= error;
    if (status !== undefined) log.info("fetching an image", { image: reference, status });
  };
  const query = partsOf(reference);
  await api.lines({ method: "POST", path: "/images/create", query }, AbortSignal.timeout(pullMsMax), onLine);
  if (failure !== undefined) throw new EngineError(0, failure);
}
