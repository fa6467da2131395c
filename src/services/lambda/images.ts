/**
 * Functions whose package is a container image: found on this machine or fetched, and named by its digest from then on.
 * Source: Lambda guide, "Create a Lambda function using a container image".
 */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Ids } from "../../base/ids.ts";
import type { Compute, ResolvedImage } from "../../compute/ports.ts";
import { sql } from "../../store/sql.ts";
import type { Store } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import type { Log } from "../../telemetry/log.ts";
import { fault, invalid } from "./faults.ts";
import { imageLookUpMs } from "./limits.ts";
import { latest } from "./names.ts";
import { findVersion, isFunction, versions, type VersionRow } from "./tables.ts";

/** The image of a function: being looked up, found, or given up. */
export interface ImageUse {
  uri: string;
  /** Names these bytes on the machine that found it. */
  id?: string;
  /** The same by its digest, for all who know the registry. */
  resolvedUri?: string;
  failure?: { code: "ImageAccessDenied" | "InvalidImage" | "InternalError"; reason: string };
}

/** What an image function has in the place of a stored package, until it is found and after. */
export const imageCode = (sha256: string) => ({ blob: "", sha256Base64: sha256, sizeBytes: 0 });

/** No digest, so no image yet. */
const unknown = "";

const isEngineError = (error: unknown): error is Error & { status: number } =>
  error instanceof Error && error.name === "EngineError" && "status" in error;

/** The reference without its tag or digest. */
function nameIn(uri: string): string {
  const [name = ""] = uri.split("@");
  const colon = name.indexOf(":", name.lastIndexOf("/"));
  return colon === -1 ? name : name.slice(0, colon);
}

function foundOf(uri: string, { id, digest }: ResolvedImage) {
  const image: ImageUse = { uri, id, resolvedUri: `${nameIn(uri)}@${digest}` };
  return { image, sha256: digest.slice("sha256:".length) };
}

function failureOf(error: Error & { status: number }): NonNullable<ImageUse["failure"]> {
  const { status, message } = error;
  if (/denied|unauthorized|authentication/i.test(message)) return { code: "ImageAccessDenied", reason: message };
  return { code: status === 0 ? "InternalError" : "InvalidImage", reason: message };
}

/** A function without its image cannot be invoked or published. */
export function checkImage({ settings }: Pick<VersionRow, "settings">): void {
  const { image } = settings;
  if (image === undefined || image.id !== undefined) return;
  const state = image.failure === undefined ? "Pending" : "Failed";
  throw fault(
    "ResourceConflictException",
    `The operation cannot be performed at this time. The function is currently in the following state: ${state}`,
  );
}

export interface ImageDeps {
  store: Store;
  clock: Clock;
  ids: Ids;
  log: Log;
  compute: Compute;
}

export type FoundImage = ReturnType<typeof foundOf>;

export interface Images {
  /**
   * The image that `uri` names. With `patient` it is waited for; without, it may be one that is still being fetched.
   * Throws AWS's fault when it is known that there is none.
   */
  find(uri: string, patient: boolean): Promise<FoundImage>;
  /** Takes care of a function that was stored while its image is being fetched; nothing to do for another. */
  follow(row: VersionRow): void;
  /** The same for those of a former node. */
  start(): Promise<void>;
  stop(): void;
}

export function createImages({ store, clock, ids, log, compute }: ImageDeps): Images {
  /** Under way, by URI: one fetch serves all that ask for it. */
  const lookUps = new Map<string, Promise<FoundImage>>();
  let stopped = false;

  const lookUp = (uri: string): Promise<FoundImage> => {
    const underWay = lookUps.get(uri);
    if (underWay !== undefined) return underWay;
    const begun = compute
      .findImage(uri)
      .then((found) => foundOf(uri, found))
      .finally(() => lookUps.delete(uri));
    lookUps.set(uri, begun);
    return begun;
  };

  const settle = async (row: VersionRow, image: ImageUse, sha256: string): Promise<void> => {
    const fresh = { revision_id: ids.uuid(), build_id: ids.uuid() };
    await store.tx(async (tx) => {
      const now = await findVersion(tx, row, latest);
      // Deleted, or given other code meanwhile.
      if (now?.settings.image?.uri !== image.uri || now.code_sha256 !== unknown) return;
      const values = { ...fresh, code_sha256: sha256, settings: { ...now.settings, image } };
      await tx.run(sql`update ${versions.name} set ${assign(versions, values)}
        where ${isFunction(row)} and version = ${latest}`);
    });
  };

  const follow = async (row: VersionRow, uri: string): Promise<void> => {
    try {
      const { image, sha256 } = await lookUp(uri);
      if (!stopped) await settle(row, image, sha256);
    } catch (error) {
      // A node that ends gives its fetches up; the next one begins them again.
      if (stopped) return;
      if (!isEngineError(error)) throw error;
      await settle(row, { uri, failure: failureOf(error) }, unknown);
    }
  };

  const followRow = (row: VersionRow) => {
    const { image } = row.settings;
    if (image === undefined || image.id !== undefined || image.failure !== undefined) return;
    follow(row, image.uri).catch((error: unknown) => {
      log.error("the image of a function could not be followed", { function: row.name, error: asError(error) });
    });
  };

  return {
    async find(uri, patient) {
      const over = new AbortController();
      const pending = (): FoundImage => ({ image: { uri }, sha256: unknown });
      // Cut short when the image comes first; nobody looks at it then.
      const patience = clock.sleep(imageLookUpMs, over.signal).then(pending, pending);
      const found = lookUp(uri);
      try {
        return await (patient ? found : Promise.race([found, patience]));
      } catch (error) {
        if (!isEngineError(error)) throw error;
        const text = `Source image ${uri} does not exist. Provide a valid source image. ${error.message}`;
        throw invalid(text, { cause: error });
      } finally {
        over.abort();
        // Without patience nobody waits for it but `follow`, which asks again.
        found.catch(() => undefined);
      }
    },
    follow: followRow,
    async start() {
      const pending = await store.read((tx) =>
        tx.all<VersionRow>(sql`select ${versions.columns} from ${versions.name}
          where code_sha256 = ${unknown} and version = ${latest}`),
      );
      pending.forEach(followRow);
    },
    stop() {
      stopped = true;
    },
  };
}
