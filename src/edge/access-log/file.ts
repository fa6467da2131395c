/** Access logs as files: one for each load balancer in a directory, or all of them on standard output. */
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { asError } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { AccessLogBatch } from "../ports.ts";

/** Characters that wait to be written; lines beyond are dropped, and counted. */
const pendingMax = 16 * 1024 * 1024;

export interface AccessLogFiles {
  take(batch: AccessLogBatch): void;
  /** Resolves when all that was taken is written. */
  flush(): Promise<void>;
}

export interface AccessLogFilesDeps {
  /** A directory, made where it is missing; `-` is standard output. */
  place: string;
  log: Log;
  metrics: Metrics;
  /** For tests. */
  print?: (text: string) => void;
}

/** Files are opened anew for each batch: one that is moved away (by a log rotation) is made again. */
export function createAccessLogFiles({ place, log, metrics, print }: AccessLogFilesDeps): AccessLogFiles {
  const dropped = metrics.counter("access_log_file_dropped");
  let pending = 0;
  let told = false;
  let writing: Promise<void> = Promise.resolve();
  const write =
    place === "-"
      ? async ({ text }: AccessLogBatch) => void (print ?? process.stdout.write.bind(process.stdout))(text)
      : async ({ loadBalancerId, text }: AccessLogBatch) => {
          await mkdir(place, { recursive: true });
          await appendFile(join(place, fileName(loadBalancerId)), text, "latin1");
        };
  const append = async (batch: AccessLogBatch) => {
    try {
      await write(batch);
      told = false;
    } catch (error) {
      dropped.add(batch.lines);
      // A full disk is said once, not with every batch.
      if (!told) log.error("an access log could not be written", { place, error: asError(error) });
      told = true;
    } finally {
      pending -= batch.text.length;
    }
  };
  return {
    take(batch) {
      if (pending + batch.text.length > pendingMax) {
        dropped.add(batch.lines);
        return;
      }
      pending += batch.text.length;
      writing = writing.then(() => append(batch));
    },
    flush: () => writing,
  };
}

/** `web-0123456789abcdef.log` of `.../app/web/0123456789abcdef`. */
function fileName(loadBalancerId: string): string {
  const [name = "", id = ""] = loadBalancerId.split("/").slice(-2);
  const plain = loadBalancerId.includes("/") ? `${name}-${id}` : loadBalancerId;
  return `${plain.replaceAll(/[^A-Za-z0-9._-]/g, "_")}.log`;
}
