import { lstat, mkdtemp, readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BadZip, EmptyZip, unpackZip, ZipTooLarge } from "./zip.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-zip-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

interface Entry {
  name: string;
  data?: string | Buffer;
  /** Unix type and permission bits; absent for a zip made on another system. */
  mode?: number;
  /** What the zip claims the unpacked size is. */
  claimedBytes?: number;
  flags?: number;
  method?: number;
  /** Bytes as they are in the zip; by default `data`, deflated. */
  packed?: Buffer;
}

/** A zip written by hand, so that it can lie. */
function zipOf(entries: readonly Entry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, data = "", mode, claimedBytes, flags = 0, method = 8, packed } of entries) {
    const nameBytes = Buffer.from(name);
    const bytes = Buffer.from(data);
    const body = packed ?? (method === 8 ? deflateRawSync(bytes) : bytes);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(crc32(bytes), 10);
    fields.writeUInt32LE(body.byteLength, 14);
    fields.writeUInt32LE(claimedBytes ?? bytes.byteLength, 18);
    fields.writeUInt16LE(nameBytes.byteLength, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, nameBytes, body]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(mode === undefined ? 0 : (mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    const madeBy = Buffer.from([20, mode === undefined ? 0 : 3]);
    central.push(Buffer.concat([Buffer.from("PK\x01\x02"), madeBy, fields, rest, nameBytes]));
    locals.push(local);
    offset += local.byteLength;
  }
  const directoryBytes = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directoryBytes.byteLength, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directoryBytes, end]);
}

function unpack(zip: Buffer, limits = { bytesMax: 1_000_000, entriesMax: 100 }) {
  const source = {
    sizeBytes: zip.byteLength,
    async *read(start: number, end: number) {
      yield zip.subarray(start, end);
    },
  };
  return unpackZip(source, join(directory, "code"), limits);
}

const code = (path: string) => join(directory, "code", path);
const link = 0o120_777;

describe("unpackZip", () => {
  it("keeps contents, directories and permission bits", async () => {
    await unpack(
      zipOf([
        { name: "bin/", mode: 0o040_755 },
        { name: "bin/run", data: "#!/bin/sh", mode: 0o100_755 },
        { name: "lib/deep/data.json", data: "{}", mode: 0o100_600 },
        { name: "dos.txt", data: "no mode" },
        { name: "setuid", data: "", mode: 0o104_755 },
        { name: "stored", data: "as it is", method: 0 },
      ]),
    );
    expect(await readFile(code("bin/run"), "utf8")).toBe("#!/bin/sh");
    expect(await readFile(code("lib/deep/data.json"), "utf8")).toBe("{}");
    expect(await readFile(code("stored"), "utf8")).toBe("as it is");
    const modes = ["bin/run", "lib/deep/data.json", "dos.txt", "setuid"].map(
      async (path) => (await stat(code(path))).mode,
    );
    expect((await Promise.all(modes)).map((mode) => mode & 0o7777)).toEqual([0o755, 0o644, 0o644, 0o755]);
  });

  it("lets the last entry of a name win", async () => {
    await unpack(
      zipOf([
        { name: "a", data: "first" },
        { name: "a", data: "last" },
      ]),
    );
    expect(await readFile(code("a"), "utf8")).toBe("last");
  });

  it("keeps links that stay inside, and leaves out those that lead nowhere", async () => {
    await unpack(
      zipOf([
        { name: "real/file", data: "here" },
        { name: "real/link", data: "file", mode: link },
        { name: "up", data: "real/../real/file", mode: link },
        { name: "nowhere", data: "missing", mode: link },
      ]),
    );
    expect(await readlink(code("real/link"))).toBe("file");
    expect(await readFile(code("up"), "utf8")).toBe("here");
    await expect(lstat(code("nowhere"))).rejects.toThrow("ENOENT");
  });

  it.each<[string, Entry[]]>([
    ["a path upwards", [{ name: "../evil", data: "x" }]],
    ["a path upwards inside", [{ name: "a/../../evil", data: "x" }]],
    ["an absolute path", [{ name: "/etc/evil", data: "x" }]],
    ["a path with a drive", [{ name: "C:/evil", data: "x" }]],
    ["a path upwards with backslashes", [{ name: "..\\evil", data: "x" }]],
    ["a name with a zero", [{ name: "evil\0.js", data: "x" }]],
    ["a name too long", [{ name: "x".repeat(1_025), data: "x" }]],
    ["a part of a name too long", [{ name: "x".repeat(300), data: "x" }]],
    ["a link upwards", [{ name: "evil", data: "../outside", mode: link }]],
    ["an absolute link", [{ name: "evil", data: "/etc/passwd", mode: link }]],
    [
      "a file through a link",
      [
        { name: "evil", data: "/tmp", mode: link },
        { name: "evil/file", data: "x" },
      ],
    ],
    [
      "a link through another one, which is inside to the eye only",
      [
        { name: "p/q/r/file", data: "x" },
        { name: "p/q/r/top", data: "../../..", mode: link },
        { name: "evil", data: "p/q/r/top/..", mode: link },
      ],
    ],
    ["a link with a zero", [{ name: "evil", data: "a\0b", mode: link }]],
    [
      "a file that is a directory",
      [
        { name: "a", data: "x" },
        { name: "a/b", data: "x" },
      ],
    ],
    ["a device", [{ name: "evil", mode: 0o020_644 }]],
    ["an encrypted entry", [{ name: "secret", data: "x", flags: 1 }]],
    ["another method", [{ name: "bzip", data: "x", method: 12 }]],
    ["more bytes than it says", [{ name: "bomb", data: "x".repeat(100_000), claimedBytes: 10 }]],
    ["fewer bytes than it says", [{ name: "short", data: "x", claimedBytes: 10 }]],
    ["broken bytes", [{ name: "broken", data: "x".repeat(100), packed: Buffer.from("no deflate stream") }]],
  ])("refuses %s", async (_what, entries) => {
    await expect(unpack(zipOf(entries))).rejects.toBeInstanceOf(BadZip);
    expect(await readdir(directory)).toEqual(["code"]);
    await expect(lstat(join(directory, "outside"))).rejects.toThrow("ENOENT");
  });

  it("refuses a bomb before a byte of it is unpacked", async () => {
    const bomb = zipOf([
      { name: "a", data: "fine" },
      { name: "b", data: Buffer.alloc(999_997) },
    ]);
    expect(bomb.byteLength).toBeLessThan(2_000);
    await expect(unpack(bomb)).rejects.toBeInstanceOf(ZipTooLarge);
    expect(await readdir(join(directory, "code"))).toEqual([]);
  });

  it("takes as many bytes and entries as the limits say, and no more", async () => {
    await unpack(zipOf([{ name: "a", data: Buffer.alloc(1_000_000) }]));
    await rm(join(directory, "code"), { recursive: true });
    const entries = Array.from({ length: 101 }, (_, i) => ({ name: `f${i}`, data: "x" }));
    await expect(unpack(zipOf(entries))).rejects.toBeInstanceOf(BadZip);
  });

  it.each([
    ["an empty body", Buffer.alloc(0)],
    ["a zip without files", zipOf([])],
  ])("tells %s apart", async (_what, zip) => {
    await expect(unpack(zip)).rejects.toBeInstanceOf(EmptyZip);
  });

  it.each([
    ["text", Buffer.from("this is no zip")],
    ["a cut zip", zipOf([{ name: "a", data: "x".repeat(1_000) }]).subarray(0, -30)],
    [
      "a zip whose directory points beyond its end",
      (() => {
        const zip = zipOf([{ name: "a", data: "x" }]);
        zip.writeUInt32LE(0x7fff_ffff, zip.byteLength - 6);
        return zip;
      })(),
    ],
  ])("refuses %s", async (_what, zip) => {
    await expect(unpack(zip)).rejects.toBeInstanceOf(BadZip);
  });

  it("reads large packages piece by piece", async () => {
    const entries = Array.from({ length: 90 }, (_, i) => ({
      name: `d${i % 7}/f${i}`,
      data: Buffer.alloc(10_000, i),
      method: 0,
    }));
    await unpack(zipOf(entries));
    const files = await Promise.all(entries.map(({ name }) => readFile(code(name))));
    expect(files.every((bytes, i) => bytes.equals(Buffer.alloc(10_000, i)))).toBe(true);
  });
});
