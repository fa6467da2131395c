/** `TemplateURL`: a template in S3, which here is the node's own. Source: API reference, CreateStack, TemplateURL. */
import { BodyTooLarge, bytesOf } from "../../base/http.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { invalid } from "./faults.ts";
import { templateUrlBytesMax } from "./limits.ts";

export interface TemplateLocation {
  bucket: string;
  key: string;
  versionId?: string;
}

/** Endpoints of S3 that name the bucket in the path, and the end of those that name it in the host. */
const pathHosts =
  /^(?:s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com|127(?:\.\d{1,3}){3}|\[::1\]|localhost|(?:s3\.)?(?:[a-z0-9-]+\.)?localhost)$/;
const bucketHosts = /^(.+)\.(?:s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com|s3(?:\.[a-z0-9-]+)?\.localhost)$/;

/** Where a URL leads in S3. `ownHosts` are names of this node. Throws AWS's errors for everything that is not S3. */
export function templateLocation(text: string, ownHosts: readonly string[]): TemplateLocation {
  if (!URL.canParse(text)) throw invalid("TemplateURL must be a supported URL.");
  const url = new URL(text);
  if (url.protocol === "s3:") {
    throw invalid(`S3 error: Domain name specified in ${url.hostname} is not a valid S3 domain`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid("TemplateURL must be a supported URL.");
  const versionId = url.searchParams.get("versionId");
  const location = locate(url, ownHosts);
  if (location.bucket === "" || location.key === "")
    throw invalid("TemplateURL must reference a valid S3 object to which you have access.");
  return { ...location, ...(versionId === null ? {} : { versionId }) };
}

function locate(url: URL, ownHosts: readonly string[]): { bucket: string; key: string } {
  const path = decoded(url.pathname.slice(1));
  const bucket = bucketHosts.exec(url.hostname)?.[1];
  if (bucket !== undefined) return { bucket, key: path };
  if (!pathHosts.test(url.hostname) && !ownHosts.includes(url.hostname)) {
    throw invalid("TemplateURL must be a supported URL.");
  }
  const slash = path.indexOf("/");
  return slash < 0 ? { bucket: path, key: "" } : { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw invalid("TemplateURL must be a supported URL.", { cause });
  }
}

/** The text behind a template URL, read with the caller's rights. */
export async function templateAt(url: string, { peers, publicUrl }: Deps, call: Call): Promise<string> {
  const ownHosts = [call.publicUrl, publicUrl()].map((own) => new URL(own).hostname);
  const { bucket, key, versionId } = templateLocation(url, ownHosts);
  try {
    const input = { Bucket: bucket, Key: key, ...(versionId === undefined ? {} : { VersionId: versionId }) };
    const { Body } = await peers.s3.GetObject(input, call);
    const bytes = await bytesOf(Body, templateUrlBytesMax);
    return Buffer.from(bytes).toString();
  } catch (cause) {
    if (cause instanceof BodyTooLarge) {
      throw invalid(`Template may not exceed ${templateUrlBytesMax} bytes in size.`, { cause });
    }
    if (isFault(cause)) throw invalid(`S3 error: ${cause.message}`, { cause });
    throw cause;
  }
}
