import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import yauzl from "yauzl";
import { packageCode } from "./package-code.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-package-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function write(name: string, text = name): Promise<string> {
  const path = join(directory, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, text);
  return path;
}

/** Names in a zip, and whether each can be run. */
function entriesOf(zip: Uint8Array): Promise<string[]> {
  return new Promise((resolve, reject) => {
    yauzl.fromBuffer(Buffer.from(zip), { lazyEntries: false }, (error, file) => {
      if (error !== null) return reject(error);
      const names: string[] = [];
      file.on("entry", ({ fileName, externalFileAttributes: mode }) => {
        names.push(((mode >>> 16) & 0o111) === 0 ? fileName : `${fileName}*`);
      });
      file.on("end", () => resolve(names));
    });
  });
}

describe("code", () => {
  it("is the same zip for the same files, whenever they were written", async () => {
    const path = await write("src/b/index.mjs");
    await write("src/a.txt");
    const first = await packageCode(join(directory, "src"));
    await utimes(path, 0, 0);
    expect((await packageCode(join(directory, "src"))).hash).toBe(first.hash);
    await write("src/a.txt", "other");
    expect((await packageCode(join(directory, "src"))).hash).not.toBe(first.hash);
  });

  it("is everything in the directory, also what Git ignores, and what may be run may be run", async () => {
    await write("src/.gitignore", "node_modules\n");
    await write("src/node_modules/x/index.js");
    await chmod(await write("src/bootstrap"), 0o755);
    const { zip, files } = await packageCode(join(directory, "src"));
    expect(await entriesOf(zip)).toEqual([".gitignore", "bootstrap*", "node_modules/x/index.js"]);
    expect(files).toBe(3);
  });

  it("follows links, to files and to directories", async () => {
    await write("packages/x/index.js");
    const file = await write("shared.txt");
    await mkdir(join(directory, "src/node_modules"), { recursive: true });
    await symlink(join(directory, "packages/x"), join(directory, "src/node_modules/x"));
    await symlink(file, join(directory, "src/shared.txt"));
    const { zip } = await packageCode(join(directory, "src"));
    expect(await entriesOf(zip)).toEqual(["node_modules/x/index.js", "shared.txt"]);
  });

  it("may be a file, or a package that is made already", async () => {
    const { zip } = await packageCode(await write("src/index.mjs"));
    expect(await entriesOf(zip)).toEqual(["index.mjs"]);
    const made = await write("made.zip");
    await writeFile(made, zip);
    expect(Buffer.from((await packageCode(made)).zip)).toEqual(Buffer.from(zip));
  });

  it("that cannot be packaged is refused with what to do", async () => {
    await expect(packageCode(join(directory, "none"))).rejects.toThrow(/There is no code at .*none; paths begin/);
    await expect(packageCode(directory)).rejects.toThrow(/holds no files/);
    await symlink(join(directory, "gone"), join(directory, "link"));
    await expect(packageCode(directory)).rejects.toThrow(/link is a link to something that is not there/);
    await rm(join(directory, "link"));
    await mkdir(join(directory, "a"));
    await symlink(directory, join(directory, "a/up"));
    await expect(packageCode(directory)).rejects.toThrow(/a\/up links back to .*; remove the link/);
  });
});
