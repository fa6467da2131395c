/** A huge object passes through a node whose memory stays as it was. */
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startNodeProcess } from "../../../test/node-process.ts";

const mib = 2 ** 20;
const objectBytes = 512 * mib;
const partBytes = 128 * mib;
/** What the node may hold besides what it held before: far less than the object, far more than it needs (about 90 MiB). */
const growthMiBMax = 250;
const testMsMax = 120_000;

/** The most that the process ever held. */
async function peakMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

function bytesOf(length: number): Readable {
  const piece = Buffer.alloc(mib, "mikan");
  return Readable.from(
    (function* () {
      for (let at = 0; at < length; at += piece.length) yield piece;
    })(),
  );
}

it.skipIf(process.platform !== "linux")(
  "half a GiB goes in, in one piece and in parts, and out again",
  async () => {
    const data = await mkdtemp(join(tmpdir(), "mikan-memory-"));
    const node = await startNodeProcess("--port", "0", "--data", data);
    const { s3, destroy } = clientsOf(node.url);
    try {
      const Bucket = "huge";
      await s3.send(new CreateBucketCommand({ Bucket }));
      const before = await peakMiB(node.pid);
      await s3.send(
        new PutObjectCommand({ Bucket, Key: "one", Body: bytesOf(objectBytes), ContentLength: objectBytes }),
      );
      const parts = { Bucket, Key: "parts" };
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand(parts));
      const sent = Array.from({ length: objectBytes / partBytes }, async (_, i) => {
        const part = { ...parts, UploadId, PartNumber: i + 1 };
        const { ETag } = await s3.send(
          new UploadPartCommand({ ...part, Body: bytesOf(partBytes), ContentLength: partBytes }),
        );
        return { PartNumber: i + 1, ETag };
      });
      const MultipartUpload = { Parts: await Promise.all(sent) };
      await s3.send(new CompleteMultipartUploadCommand({ ...parts, UploadId, MultipartUpload }));
      for (const Key of ["one", "parts"]) {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
        let read = 0;
        for await (const piece of Body as Readable) read += (piece as Buffer).length;
        expect(read).toBe(objectBytes);
      }
      expect((await peakMiB(node.pid)) - before).toBeLessThan(growthMiBMax);
    } finally {
      destroy();
      await node.end();
      await rm(data, { recursive: true, force: true });
    }
  },
  testMsMax,
);
