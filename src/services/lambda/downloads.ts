/** Links to stored packages, as `Location` of GetFunction and GetLayerVersion: whoever has one may read it for ten minutes. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock, Instant } from "../../base/clock.ts";
import { jsonResponse, type HttpResponse } from "../../base/http.ts";
import type { Call } from "../../kit/call.ts";
import type { Secrets } from "../../kit/secrets.ts";
import type { Blobs } from "../../store/store.ts";
import type { StoredCode } from "./unpacked.ts";

/** Where the front door (`api/lambda-doors.ts`) finds them. */
export const downloadPath = "/_mikan/lambda/code/";
/** Source: API reference, FunctionCodeLocation and LayerVersionContentOutput: "valid for 10 minutes". */
const linkMs = 10 * 60_000;

export interface Downloads {
  /** The URL of a package, on the host that the caller used. */
  location(code: Pick<StoredCode, "blob" | "sizeBytes">, call: Pick<Call, "publicUrl">): string;
  /** Answers such a link; `target` is its path and query. */
  answer(target: string): Promise<HttpResponse>;
}

export interface DownloadDeps {
  clock: Clock;
  blobs: Blobs;
  secrets: Secrets;
  /** True while a row names the blob. */
  named(blob: string): Promise<boolean>;
}

const form = /^([0-9a-f]{32})\?bytes=(\d{1,16})&expires=(\d{1,16})&proof=([0-9a-f]{64})$/;

const refused = (message: string) => jsonResponse(403, { message });

/** The proof in a link follows from the node's master key; without one, links end with the process. */
export function createDownloads({ clock, blobs, secrets, named }: DownloadDeps): Downloads {
  const key = secrets.derive("lambda code links") ?? randomBytes(32);
  const proofOf = (blob: string, sizeBytes: number, expiresMs: Instant) =>
    createHmac("sha256", key).update(`${blob}\n${sizeBytes}\n${expiresMs}`).digest("hex");

  return {
    location({ blob, sizeBytes }, { publicUrl }) {
      const expiresMs = clock.now() + linkMs;
      const proof = proofOf(blob, sizeBytes, expiresMs);
      return `${publicUrl}${downloadPath}${blob}?bytes=${sizeBytes}&expires=${expiresMs}&proof=${proof}`;
    },
    async answer(target) {
      const match = form.exec(target.slice(downloadPath.length));
      const [, blob = "", size = "", expires = "", proof = ""] = match ?? [];
      const sizeBytes = Number(size);
      const expected = Buffer.from(proofOf(blob, sizeBytes, Number(expires)));
      if (match === null || !timingSafeEqual(expected, Buffer.from(proof))) {
        return refused("This is no link that the node has made.");
      }
      if (Number(expires) < clock.now()) return refused("The link has expired.");
      if (!(await named(blob))) return jsonResponse(404, { message: "The package is gone." });
      return {
        status: 200,
        headers: ["Content-Type", "application/zip", "Content-Length", size],
        body: blobs.read(blob, 0, sizeBytes),
      };
    },
  };
}
