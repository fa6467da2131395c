/** Code on its way in: taken from the request or from S3, on disk and proven to unpack before any row names it. */
import { asError, isFault } from "../../base/errors.ts";
import { BodyTooLarge, bytesOf, type Body } from "../../base/http.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { raw, sql, type Sql } from "../../store/sql.ts";
import type { ReadTx, Store, StoredBlob } from "../../store/store.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { unzippedBytesMax, zipBytesMax } from "./limits.ts";
import { layers } from "./layer-tables.ts";
import { versions } from "./tables.ts";
import { imageCode, type FoundImage, type Images } from "./images.ts";
import type { StoredCode, Unpacked, UnpackedCode } from "./unpacked.ts";
import { BadZip, EmptyZip, ZipTooLarge } from "./zip.ts";

/** The members of CreateFunction's `Code` and of UpdateFunctionCode that say where the code is. */
export interface CodeInput {
  ZipFile?: Uint8Array | undefined;
  S3Bucket?: string | undefined;
  S3Key?: string | undefined;
  S3ObjectVersion?: string | undefined;
  S3ObjectStorageMode?: string | undefined;
  ImageUri?: string | undefined;
  SourceKMSKeyArn?: string | undefined;
}

export interface CodeDeps {
  store: Store;
  peers: Pick<Peers, "s3">;
  unpacked: UnpackedCode;
}

const unreadable = "Could not unzip uploaded file. Please check your file, then try to upload again.";

function zipFault(error: unknown): Error {
  if (error instanceof BadZip) return invalid(unreadable, { cause: error });
  if (error instanceof EmptyZip) return invalid("Uploaded file must be a non-empty zip", { cause: error });
  if (error instanceof ZipTooLarge || error instanceof BodyTooLarge) {
    return invalid(`Unzipped size must be smaller than ${unzippedBytesMax} bytes`, { cause: error });
  }
  return asError(error);
}

async function objectOf({ s3 }: CodeDeps["peers"], input: CodeInput, call: Call): Promise<Body> {
  const { S3Bucket: Bucket, S3Key: Key, S3ObjectVersion: VersionId } = input;
  try {
    const { Body } = await s3.GetObject({ Bucket, Key, ...(VersionId === undefined ? {} : { VersionId }) }, call);
    return Body;
  } catch (error) {
    if (!isFault(error)) throw error;
    const text = `Error occurred while GetObject. S3 Error Code: ${error.code}. S3 Error Message: ${error.message}`;
    throw invalid(text, { cause: error });
  }
}

async function* streamOf(body: Exclude<Body, Uint8Array | undefined>): AsyncGenerator<Uint8Array> {
  yield* body;
}

/** The bytes to store, and how many there may be. */
async function bodyOf({ peers }: Pick<CodeDeps, "peers">, input: CodeInput, call: Call) {
  if (input.SourceKMSKeyArn) throw notYet("Code.SourceKMSKeyArn");
  if (input.S3ObjectStorageMode !== undefined) throw notYet("Code.S3ObjectStorageMode");
  const { ZipFile, S3Bucket, S3Key } = input;
  if (ZipFile !== undefined && (S3Bucket !== undefined || S3Key !== undefined)) {
    throw invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.");
  }
  if (ZipFile !== undefined) {
    if (ZipFile.byteLength > zipBytesMax) {
      throw fault("RequestEntityTooLarge", `Zipped size must be smaller than ${zipBytesMax} bytes`);
    }
    return ZipFile;
  }
  if (S3Bucket === undefined || S3Key === undefined) {
    throw invalid("Please provide a source for function code.");
  }
  const body = await objectOf(peers, input, call);
  return body === undefined || body instanceof Uint8Array ? bytesOf(body, unzippedBytesMax) : streamOf(body);
}

async function takeCode({ store, ...deps }: CodeDeps, input: CodeInput, call: Call) {
  const body = await bodyOf(deps, input, call);
  let stored: StoredBlob | undefined;
  try {
    stored = await store.blobs.put(body, unzippedBytesMax);
    const code: StoredCode = { blob: stored.id, sha256Base64: stored.sha256Base64, sizeBytes: stored.sizeBytes };
    return { code, pinned: await deps.unpacked.pin(code) };
  } catch (error) {
    if (stored !== undefined) await store.blobs.delete(stored.id);
    throw zipFault(error);
  }
}

/** What a package is once it was taken in. */
export interface Taken {
  code: StoredCode;
  unzippedBytes: number;
  /** Of an image; whether it is there yet, says itself. */
  image?: FoundImage["image"];
}

/**
 * Takes code or an image in for `body`, as `withCode` does. `patient`: an image is waited for. Throws AWS's fault for
 * what is of the other type.
 */
export async function withPackage<T>(
  deps: CodeDeps & { images: Images },
  packaged: { isImage: boolean; patient: boolean; code: CodeInput },
  call: Call,
  body: (taken: Taken) => Promise<T>,
): Promise<T> {
  const { isImage, patient, code: input } = packaged;
  const { ImageUri: uri } = input;
  if (!isImage) {
    if (uri !== undefined) throw invalid("Please don't provide ImageUri when the function's PackageType is Zip.");
    return withCode(deps, input, call, (code, { unzippedBytes }) => body({ code, unzippedBytes }));
  }
  if (uri === undefined || input.ZipFile !== undefined || input.S3Bucket !== undefined || input.S3Key !== undefined) {
    throw invalid("Please provide ImageUri, and nothing else, when the function's PackageType is Image.");
  }
  const { image, sha256 } = await deps.images.find(uri, patient);
  return body({ code: imageCode(sha256), unzippedBytes: 0, image });
}

/**
 * Takes code in for `body`, whose transaction names it; what no row names afterwards is removed again. Throws AWS's
 * fault for what is no package, and then `body` has not run.
 */
export async function withCode<T>(
  deps: CodeDeps,
  input: CodeInput,
  call: Call,
  body: (code: StoredCode, unpacked: Unpacked) => Promise<T>,
): Promise<T> {
  const { code, pinned } = await takeCode(deps, input, call);
  try {
    return await body(code, pinned);
  } finally {
    pinned.unpin();
    await releaseCode(deps, code);
  }
}

const nameOf = async (tx: ReadTx, column: Sql, value: string) =>
  (await tx.one(sql`select version from ${versions.name} where ${column} = ${value} limit 1`)) ??
  tx.one(sql`select version from ${layers.name} where ${column} = ${value} limit 1`);

/** A row that names the blob; undefined when there is none. */
export const blobName = (tx: ReadTx, blob: string) => nameOf(tx, raw("code_blob"), blob);

/** Removes code that no version and no layer names any more. Several may share a blob, and several blobs a content. */
export async function releaseCode({ store, unpacked }: Pick<CodeDeps, "store" | "unpacked">, code: StoredCode) {
  // An image is the engine's to keep.
  if (code.blob === "") return;
  const { blobNamed, contentNamed } = await store.read(async (tx) => {
    const blobNamed = await blobName(tx, code.blob);
    return { blobNamed, contentNamed: blobNamed ?? (await nameOf(tx, raw("code_sha256"), code.sha256Base64)) };
  });
  if (blobNamed === undefined) await store.blobs.delete(code.blob);
  if (contentNamed === undefined) await unpacked.forget(code.sha256Base64);
}
