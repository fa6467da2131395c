/** Turns a directory into the zip that Lambda takes, the same bytes for the same files. */
import { createHash } from "node:crypto";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { ZipFile } from "yazl";
import { UserError } from "./command.ts";

/** Source: Lambda quotas, "Deployment package size" (unzipped). */
const codeBytesMax = 250 * 2 ** 20;
const filesMax = 20_000;
/** Files that Lambda takes as they are. */
const packages: ReadonlySet<string> = new Set([".zip", ".jar"]);
/** The oldest time that a zip can hold: file times must not change the hash. */
const fileTime = new Date(1980, 0, 1);

interface CodeFile {
  /** Where its contents are. */
  path: string;
  /** In the zip. */
  name: string;
}

/**
 * The files under a directory, in the order of their names. Links are followed, as `sam` and `aws` follow them: what a
 * package manager links is in the zip. No file is left out for being ignored by Git.
 */
async function filesIn(directory: string): Promise<CodeFile[]> {
  const files: CodeFile[] = [];
  const walk = async (path: string, name: string, parents: readonly string[]): Promise<void> => {
    const real = await realpath(path);
    if (parents.includes(real)) throw new UserError(`${path} links back to ${real}, which it is in; remove the link`);
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const at = join(path, entry.name);
      const inner = name === "" ? entry.name : `${name}/${entry.name}`;
      const found = entry.isSymbolicLink() ? await linked(at) : entry;
      if (found.isDirectory()) await walk(at, inner, [...parents, real]);
      else if (found.isFile()) files.push({ path: at, name: inner });
      if (files.length > filesMax) throw new UserError(`${directory} holds more than ${filesMax} files`);
    }
  };
  await walk(directory, "", []);
  return files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function linked(path: string) {
  return stat(path).catch((cause: unknown) => {
    throw new UserError(`${path} is a link to something that is not there; mend or remove it`, { cause });
  });
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
    throw new UserError(`There is no code at ${directory}; paths begin where their template is`, { cause });
  });
  if (found.isFile() && packages.has(extname(directory)) && found.size <= codeBytesMax) {
    return hashed(await readFile(directory), 1);
  }
  const files = found.isDirectory() ? await filesIn(directory) : [{ path: directory, name: basename(directory) }];
  if (files.length === 0) throw new UserError(`${directory} holds no files`);
  const archive = new ZipFile();
  let bytes = 0;
  for (const { path, name } of files) {
    const { mode, size } = await stat(path);
    bytes += size;
    if (bytes > codeBytesMax)
      throw new UserError(
        `${directory} is larger than Lambda's ${codeBytesMax / 2 ** 20} MiB; leave out what it does not need`,
      );
    archive.addFile(path, name, { mtime: fileTime, mode: (mode & 0o111) === 0 ? 0o100644 : 0o100755 });
  }
  archive.end();
  const chunks: Buffer[] = [];
  for await (const chunk of archive.outputStream) chunks.push(Buffer.from(chunk as Buffer));
  return hashed(Buffer.concat(chunks), files.length);
}

function hashed(zip: Uint8Array, files: number): PackagedCode {
  return { zip, hash: createHash("sha256").update(zip).digest("hex").slice(0, 32), files };
}
