/** From a version to a running environment: the code unpacked and pinned, the spec made, and environments ended when it is gone. */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Compute, FunctionSpec, ImageSpec, Invocation, InvocationResult } from "../../compute/ports.ts";
import type { Sessions } from "../../kit/sessions.ts";
import type { Log } from "../../telemetry/log.ts";
import { logGroupOf } from "./configuration.ts";
import { createDebugging, type Debugging } from "./debugging.ts";
import { arnOf } from "./names.ts";
import { retiredMsMax } from "./retired.ts";
import type { Logging } from "./settings.ts";
import type { VersionRow } from "./tables.ts";
import type { StoredCode, UnpackedCode } from "./unpacked.ts";
import { releaseCode, type CodeDeps } from "./code.ts";
import { rootOf, type LayerRoots } from "./layer-roots.ts";
import { rootIsUsed } from "./layer-tables.ts";

/** Specs whose end is remembered; more updates than that in 15 minutes leave their environments to compute's own idle limit. */
const specsMax = 20_000;

/** Everything that environments of a version need, kept in its place. */
export interface Prepared {
  spec: FunctionSpec;
  /** Must be called once, when no environment is started any more. */
  release(): void;
}

export interface Executions {
  /** Runs one invocation; rejects when the code cannot be unpacked or the node is closing. */
  run(row: VersionRow, invocation: Invocation): Promise<InvocationResult>;
  /** The same code and settings, for environments that are started ahead. */
  prepare(row: VersionRow): Promise<Prepared>;
  /**
   * The version as it was is gone: its environments end `graceMs` from now, or with their last invocation. One that
   * comes late, because the edge took it before, is still run.
   */
  retire(row: VersionRow, graceMs: number): void;
  debugging: Debugging;
}

export interface ExecutionDeps {
  clock: Clock;
  log: Log;
  compute: Compute;
  unpacked: UnpackedCode;
  layerRoots: LayerRoots;
  sessions: Pick<Sessions, "issue">;
  publicUrl: () => string;
}

interface SpecUse {
  running: number;
  retired: boolean;
}

export const codeOf = (row: VersionRow): StoredCode => ({
  blob: row.code_blob,
  sha256Base64: row.code_sha256,
  sizeBytes: row.code_bytes,
});

/** As compute wants it; without a format of its own, lines are text. */
const loggingOf = (logging: Logging | undefined) =>
  logging === undefined
    ? {}
    : {
        logFormat: "JSON" as const,
        applicationLogLevel: logging.applicationLevel,
        systemLogLevel: logging.systemLevel,
      };

/** An image by the id that it had when it was looked up, whatever became of its tag; elsewhere by its digest. */
function imageIn({ settings: { image, imageConfig = {} } }: VersionRow): { image?: ImageSpec } {
  if (image === undefined) return {};
  const { uri, id = uri, resolvedUri: elsewhere = uri } = image;
  const { EntryPoint: entryPoint, Command: command, WorkingDirectory: workingDirectory } = imageConfig;
  return {
    image: {
      reference: id,
      elsewhere,
      ...(entryPoint === undefined ? {} : { entryPoint }),
      ...(command === undefined ? {} : { command }),
      ...(workingDirectory === undefined ? {} : { workingDirectory }),
    },
  };
}

/** Removes what only this version needed; it must be in no row any more. */
export async function releaseVersion(
  deps: Pick<CodeDeps, "store" | "unpacked"> & { layerRoots: LayerRoots },
  row: VersionRow,
): Promise<void> {
  await releaseCode(deps, codeOf(row));
  if (row.settings.layers === undefined) return;
  const root = rootOf(row.settings.layers);
  if (!(await deps.store.read((tx) => rootIsUsed(tx, root)))) await deps.layerRoots.forget(root);
}

/** Names the environments of a version in compute. */
export const specId = (row: VersionRow) => `${arnOf({ ...row, qualifier: row.version })}:${row.build_id}`;

export function createExecutions(deps: ExecutionDeps): Executions {
  const { clock, log, compute, unpacked, layerRoots, sessions, publicUrl } = deps;
  const specs = new Map<string, SpecUse>();

  const specOf = (row: VersionRow, codeDir: string, optDir: string | undefined): FunctionSpec => ({
    id: specId(row),
    functionName: row.name,
    version: row.version,
    runtime: row.settings.runtime,
    handler: row.settings.handler,
    codeDir,
    ...imageIn(row),
    ...(optDir === undefined ? {} : { optDir }),
    environment: row.settings.environment ?? {},
    region: row.region,
    account: row.account,
    endpointUrl: publicUrl(),
    // Asked for when an environment starts, not with every invocation. AWS names the session after the function, too.
    get credentials() {
      return sessions.issue({ kind: "role", account: row.account, roleArn: row.settings.role, session: row.name });
    },
    memoryMiB: row.settings.memoryMiB,
    timeoutMs: row.settings.timeoutSeconds * 1_000,
    logGroup: logGroupOf(row),
    ephemeralStorageMiB: row.settings.recorded.ephemeralMiB,
    ...loggingOf(row.settings.logging),
  });

  const endEnvironments = (id: string) => {
    compute.retire(id).catch((error: unknown) => {
      log.error("environments of a function that is gone could not be ended", { spec: id, error: asError(error) });
    });
  };

  const useOf = (id: string): SpecUse => {
    const use = specs.get(id) ?? { running: 0, retired: false };
    if (specs.size < specsMax) specs.set(id, use);
    return use;
  };

  const prepare = async (row: VersionRow): Promise<Prepared> => {
    if (row.settings.image !== undefined) return { spec: specOf(row, "", undefined), release: () => {} };
    const code = await unpacked.pin(codeOf(row));
    try {
      const { layers } = row.settings;
      const optDir = layers === undefined ? undefined : await layerRoots.directoryOf(layers);
      return { spec: specOf(row, code.directory, optDir), release: () => code.unpin() };
    } catch (error) {
      code.unpin();
      throw error;
    }
  };

  const debugging = createDebugging({ clock, log, compute, prepare });

  return {
    prepare,
    debugging,
    async run(row, invocation) {
      const debugged = debugging.active ? await debugging.specFor(row) : undefined;
      if (debugged !== undefined) return compute.invoke(debugged, invocation);
      const id = specId(row);
      const use = useOf(id);
      use.running += 1;
      try {
        const { spec, release } = await prepare(row);
        try {
          return await compute.invoke(spec, invocation);
        } finally {
          release();
        }
      } finally {
        use.running -= 1;
        if (use.retired && use.running === 0) endEnvironments(id);
      }
    },
    retire(row, graceMs) {
      const id = specId(row);
      const use = useOf(id);
      clock.after(graceMs, () => {
        use.retired = true;
        if (use.running === 0) endEnvironments(id);
      });
      clock.after(retiredMsMax, () => specs.delete(id));
    },
  };
}
