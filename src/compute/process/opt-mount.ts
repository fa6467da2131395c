/**
 * `/opt` of a function's own. Layers are written for that path, and scripts in them name it; in a mount namespace it can
 * be theirs without a change to the machine. It costs about 7 ms at the start of an environment, and only functions
 * with layers pay it. Where the machine does not allow it (no Linux, no `/opt`, no user namespaces), variables point to
 * the directory instead.
 */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../../telemetry/log.ts";

/**
 * The start of a command line that shows `optDir` as `/opt` to the rest of it, in the same process; undefined where
 * that is not possible.
 */
export type OptMount = (optDir: string) => Promise<readonly [string, ...string[]] | undefined>;

/** A machine that takes longer for an empty program would hold up every cold start. */
const probeMsMax = 5_000;
/** By their paths: the function's own PATH is in force already. */
const shell = ["/bin/sh", "-c", '/bin/mount --bind "$0" /opt && exec "$@"'];

/** Root needs no namespace of users; others keep their own id in one, and what they may do in it ends there. */
function prefixOf(optDir: string): readonly [string, ...string[]] {
  const users = process.getuid?.() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"];
  return ["/usr/bin/unshare", ...users, "--mount", ...shell, optDir];
}

export function createOptMount({ directory, log }: { directory: string; log: Log }): OptMount {
  let possible: Promise<boolean> | undefined;

  const probe = async (): Promise<boolean> => {
    if (process.platform !== "linux") return false;
    const empty = join(directory, "opt");
    await mkdir(empty, { recursive: true });
    const [command, ...args] = prefixOf(empty);
    return new Promise((resolve) => {
      execFile(command, [...args, "/bin/true"], { timeout: probeMsMax, env: {} }, (error) => {
        if (error !== null) {
          log.info("layers are found by MIKAN_OPT and the variables of each language: /opt cannot be theirs here", {
            error,
          });
        }
        resolve(error === null);
      });
    });
  };

  return async (optDir) => {
    possible ??= probe();
    return (await possible) ? prefixOf(optDir) : undefined;
  };
}
