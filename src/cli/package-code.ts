/** Turns a directory into the zip that Lambda takes, the same bytes for the same files. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { ZipFile } from "yazl";
import { UserError } from "./command.ts";

/** Source: Lambda quotas, "Deployment package size" (unzipped). */
const codeBytesMax = 250 * 2 ** 20;
const filesMax = 20_000;
/** Files that Lambda takes as they are. */
const packages: ReadonlySet<string> = new Set([".zip", ".jar"]);
/** The oldest time that a zip can hold: file times must not change the hash. */
const fileTime = new Date(1980, 0, 1);

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

export interface PackagedCode {
  zip: Uint8Array;
  /** Of the zip: 32 hex digits. */
  hash: string;
  files: number;
}

/** Zips `directory`, or a single file; a file that is a package already stays as it is. Throws a {@link UserError} when it is missing, empty or larger than Lambda takes. */
export async function packageCode(directory: string): Promise<PackagedCode> {
  const found = await stat(directory).catch((cause: unknown) => {
    throw new UserError(`There is no code at ${directory}`, { cause });
  });
  if (found.isFile() && packages.has(extname(directory)) && found.size <= codeBytesMax) {
    return hashed(await readFile(directory), 1);
  }
  const files = found.isDirectory() ? await filesIn(directory) : [directory];
  if (files.length === 0) throw new UserError(`${directory} holds no files`);
  if (files.length > filesMax) throw new UserError(`${directory} holds more than ${filesMax} files`);
  const archive = new ZipFile();
  let bytes = 0;
  for (const file of files) {
    const { mode, size } = await stat(file);
    bytes += size;
    if (bytes > codeBytesMax) throw new UserError(`${directory} is larger than Lambda's ${codeBytesMax / 2 ** 20} MiB`);
    const name = found.isDirectory() ? relative(directory, file) : file.slice(file.lastIndexOf("/") + 1);
    archive.addFile(file, name, { mtime: fileTime, mode: (mode & 0o111) === 0 ? 0o100644 : 0o100755 });
  }
  archive.end();
  const chunks: Buffer[] = [];
  for await (const chunk of archive.outputStream) chunks.push(Buffer.from(chunk as Buffer));
  return hashed(Buffer.concat(chunks), files.length);
}

function hashed(zip: Uint8Array, files: number): PackagedCode {
  return { zip, hash: createHash("sha256").update(zip).digest("hex").slice(0, 32), files };
}
