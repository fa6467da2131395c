/** Blobs as rows: pieces of fixed length, and a last row that makes them one blob. Every node can read what any wrote. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { blobIdPattern, sweepAgeMs } from "../blobs.ts";
import { digested } from "../digests.ts";
import { BlobMissing, StoreFailure } from "../errors.ts";
import { sql, type Sql } from "../sql.ts";
import type { BlobBody, Blobs, StoredBlob } from "../store.ts";
import { c, insert, table, type Schema } from "../tables.ts";
import type { Session, Sessions } from "./session.ts";

/** Bytes of a piece: few round trips for a large blob, and no piece that takes long to decode. */
const pieceBytes = 256 * 1024;
/** Blobs looked at in one statement of a sweep. */
const sweepRows = 500;

const blobs = table("store_blobs", { id: c.id, size_bytes: c.int, created_ms: c.time }, { key: ["id"] });
const pieces = table(
  "store_blob_pieces",
  { blob_id: c.id, position: c.int, content: c.bytes, created_ms: c.time },
  { key: ["blob_id", "position"] },
);

export const blobSchema: Schema = { owner: "store", migrations: [{ version: 1, create: [blobs, pieces] }] };

/** Gathers what comes into pieces of exactly `pieceBytes`, but for the last. */
class Pieces {
  #gathered: Uint8Array[] = [];
  #bytes = 0;
  position = 0;
  readonly #write: (position: number, content: Uint8Array) => Promise<unknown>;

  constructor(write: (position: number, content: Uint8Array) => Promise<unknown>) {
    this.#write = write;
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.byteLength;) {
      const part = chunk.subarray(at, at + pieceBytes - this.#bytes);
      this.#gathered.push(part);
      this.#bytes += part.byteLength;
      at += part.byteLength;
      if (this.#bytes === pieceBytes) await this.flush();
    }
  }

  async flush(): Promise<void> {
    if (this.#bytes === 0) return;
    await this.#write(this.position, Buffer.concat(this.#gathered, this.#bytes));
    this.position += 1;
    this.#gathered = [];
    this.#bytes = 0;
  }
}

const remove = (id: string): Sql => sql`with gone as (delete from ${blobs.name} where id = ${id})
  delete from ${pieces.name} where blob_id = ${id}`;

async function* readRange(sessions: Sessions, id: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  const one = <R>(query: Sql) => sessions.use((session) => session.one(query) as Promise<R | undefined>);
  const blob = blobIdPattern.test(id)
    ? await one<{ size_bytes: number }>(sql`select size_bytes from ${blobs.name} where id = ${id}`)
    : undefined;
  if (blob === undefined) throw new BlobMissing(id);
  const last = Math.min(end, blob.size_bytes);
  for (let at = start; at < last;) {
    const position = Math.floor(at / pieceBytes);
    const piece = await one<{ content: Uint8Array }>(
      sql`select content from ${pieces.name} where blob_id = ${id} and position = ${position}`,
    );
    // Deleted meanwhile: a short answer would pass for the whole.
    if (piece === undefined) throw new BlobMissing(id);
    const offset = position * pieceBytes;
    const part = piece.content.subarray(at - offset, last - offset);
    at += part.byteLength;
    yield part;
  }
}

export interface BlobDeps {
  sessions: Sessions;
  clock: Clock;
  /** The store's entrance. */
  accept<T>(call: () => Promise<T>): Promise<T>;
}

export function createRowBlobs({ sessions, clock, accept }: BlobDeps): Blobs {
  const use = <T>(work: (session: Session) => Promise<T>) => sessions.use(work);

  async function put(body: BlobBody, limitBytes: number, only?: "md5"): Promise<StoredBlob> {
    const id = randomBytes(16).toString("hex");
    const created_ms = clock.now();
    const writer = new Pieces((position, content) =>
      use((session) => session.run(insert(pieces, { blob_id: id, position, content, created_ms }))),
    );
    try {
      const digest = await digested(body, limitBytes, (piece) => writer.add(piece), only);
      await writer.flush();
      // Only if all are there: a sweep may have taken them from a client that was an hour about it.
      const whole = sql`insert into ${blobs.name} (id, size_bytes, created_ms)
        select ${id}, ${digest.sizeBytes}, ${created_ms}
        where (select count(*) from ${pieces.name} where blob_id = ${id}) = ${writer.position}`;
      if ((await use((session) => session.run(whole))) !== 1) throw new StoreFailure("a blob took too long to arrive");
      return { id, ...digest };
    } catch (error) {
      await use((session) => session.run(remove(id)));
      throw error;
    }
  }

  /** Removes what is old and unnamed, of `candidates` in the order of their ids. */
  async function sweepOf(candidates: (after: string) => Sql, named: (id: string) => Promise<boolean>): Promise<number> {
    let removed = 0;
    for (let after = ""; ;) {
      const rows = (await use((session) => session.all(candidates(after)))) as { id: string }[];
      for (const { id } of rows) {
        after = id;
        if (await named(id)) continue;
        await use((session) => session.run(remove(id)));
        removed += 1;
      }
      if (rows.length < sweepRows) return removed;
    }
  }

  return {
    put: (body, limitBytes, only) => accept(() => put(body, limitBytes, only)),
    read: (id, start = 0, end = Number.MAX_SAFE_INTEGER) => readRange(sessions, id, start, end),
    delete: (id) =>
      accept(async () => {
        if (blobIdPattern.test(id)) await use((session) => session.run(remove(id)));
      }),
    sweep: (named) =>
      accept(async () => {
        const before = clock.now() - sweepAgeMs;
        const removed = await sweepOf(
          (after) => sql`select id from ${blobs.name} where created_ms < ${before} and id > ${after}
            order by id limit ${sweepRows}`,
          named,
        );
        // Pieces whose last row never came; nobody was told of them.
        await sweepOf(
          (after) => sql`select distinct blob_id as id from ${pieces.name} where created_ms < ${before}
            and blob_id > ${after} and blob_id not in (select id from ${blobs.name}) order by id limit ${sweepRows}`,
          async () => false,
        );
        return removed;
      }),
  };
}
