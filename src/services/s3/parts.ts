/** Parts of uploads and of the objects that they became. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import type { ObjectChecksum } from "./checksums.ts";
import type { Range } from "./conditions.ts";
import { fault } from "./faults.ts";
import { ofContent, parts, type ContentRef, type Part, type Version } from "./tables.ts";

/** Parts after a number, in order. */
export function partsAfter(tx: ReadTx, ref: ContentRef, after: number, limit: number): Promise<Part[]> {
  return tx.all<Part>(sql`select ${parts.columns} from ${parts.name} where ${ofContent(ref)}
    and part_number > ${after} order by part_number limit ${limit}`);
}

/** Where a part of an object lies. What was put in one piece is its own first part. */
export async function findPart(
  tx: ReadTx,
  version: Version,
  number: number,
): Promise<{ range: Range; checksum: ObjectChecksum | null }> {
  const { account, region, content } = version;
  if (content === null || version.parts_count === null) {
    if (number === 1) return { range: { start: 0, end: version.size_bytes }, checksum: version.checksum };
    throw notThere(number);
  }
  const ref = { account, region, content };
  // Numbers may have gaps while an upload is under way; in the object they count 1, 2, 3 ...
  const [own] = await tx.all<Part>(sql`select ${parts.columns} from ${parts.name} where ${ofContent(ref)}
    order by part_number limit 1 offset ${number - 1}`);
  if (own === undefined) throw notThere(number);
  const before = await tx.one<{ bytes: number | null }>(sql`select sum(size_bytes) as bytes from ${parts.name}
    where ${ofContent(ref)} and part_number < ${own.part_number}`);
  const start = Number(before?.bytes) || 0;
  return { range: { start, end: start + own.size_bytes }, checksum: own.checksum };
}

const notThere = (number: number) =>
  fault("InvalidPartNumber", "The requested partnumber is not satisfiable", { PartNumberRequested: String(number) });
