/** Lines of access logs on disk, from when a worker brings them until a bucket has them. Best effort, as AWS's are. */
import { appendFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import type { AccessLogBatch } from "../../edge/ports.ts";

/** Characters that wait to be written; lines beyond are dropped. */
const pendingMax = 16 * 1024 * 1024;
/** Bytes of one file; a longer log is delivered in several. */
const fileBytesMax = 32 * 1024 * 1024;
/** Files of one load balancer that wait to be delivered; the oldest goes when one more comes. */
const filesMax = 16;

export interface Parcel {
  loadBalancerId: string;
  path: string;
}

export interface Spool {
  /** Takes lines; what there is no room for is counted as dropped. */
  take(batch: AccessLogBatch): void;
  /** Closes what was gathered: everything that can be delivered, oldest first. */
  parcels(): Promise<Parcel[]>;
  done(parcel: Parcel): Promise<void>;
  /** Lines lost since the last call. */
  dropped(): number;
}

const openSuffix = ".log";

/** File names: the load balancer's id, a number that grows, and whether lines are still added. */
export function createSpool(directory: string): Spool {
  const pending = new Map<string, string[]>();
  let pendingSize = 0;
  let lost = 0;
  let sequence = 0;
  let writing: Promise<void> = Promise.resolve();

  const pathOf = (loadBalancerId: string) => join(directory, `${encodeURIComponent(loadBalancerId)}${openSuffix}`);
  const close = async (path: string) => {
    sequence += 1;
    await rename(path, `${path.slice(0, -openSuffix.length)}.${String(sequence).padStart(12, "0")}.ready`);
  };
  const write = async () => {
    const batches = [...pending];
    pending.clear();
    pendingSize = 0;
    for (const [loadBalancerId, texts] of batches) {
      const path = pathOf(loadBalancerId);
      await mkdir(directory, { recursive: true });
      await appendFile(path, texts.join(""), "latin1");
      if ((await stat(path)).size > fileBytesMax) await close(path);
    }
  };
  /** One write after another; a failure is one of the disk, and costs the lines that it met. */
  const flush = () => {
    writing = writing.then(write).catch(() => {
      lost += 1;
    });
    return writing;
  };
  const names = async () => {
    try {
      return (await readdir(directory)).sort();
    } catch (error) {
      // Nothing was ever logged.
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  };

  return {
    take({ loadBalancerId, text, lines }) {
      if (pendingSize + text.length > pendingMax) {
        lost += lines;
        return;
      }
      const idle = pendingSize === 0;
      pendingSize += text.length;
      const texts = pending.get(loadBalancerId);
      if (texts === undefined) pending.set(loadBalancerId, [text]);
      else texts.push(text);
      if (idle) void flush();
    },
    async parcels() {
      await flush();
      const before = await names();
      // Numbers go on after those that an earlier node left.
      for (const name of before) sequence = Math.max(sequence, Number(/\.(\d{12})\.ready$/.exec(name)?.[1] ?? 0));
      for (const name of before) if (name.endsWith(openSuffix)) await close(join(directory, name));
      const ready = (await names()).flatMap((name) => {
        const match = /^(.*)\.\d{12}\.ready$/.exec(name);
        return match === null
          ? []
          : [{ loadBalancerId: decodeURIComponent(match[1] ?? ""), path: join(directory, name) }];
      });
      const kept: Parcel[] = [];
      for (const parcels of Map.groupBy(ready, ({ loadBalancerId }) => loadBalancerId).values()) {
        for (const { path } of parcels.slice(0, -filesMax)) {
          lost += 1;
          await rm(path, { force: true });
        }
        kept.push(...parcels.slice(-filesMax));
      }
      return kept;
    },
    done: ({ path }) => rm(path, { force: true }),
    dropped() {
      const count = lost;
      lost = 0;
      return count;
    },
  };
}
