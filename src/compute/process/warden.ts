/**
 * Ends the environments of a node that died. A runtime of ours sees its channel close and exits, but one that computes
 * without pause, or somebody else's, does not: so one small shell holds a pipe from the node and the list of the
 * environments' process groups, and kills these when the pipe ends, however the node came to its end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Log } from "../../telemetry/log.ts";

export interface Warden {
  /** `pid` leads a process group that must not outlive this node. */
  watch(pid: number): void;
  forget(pid: number): void;
  close(): void;
}

/**
 * POSIX shell: `+ pid` and `- pid` on its input, SIGKILL to the groups at its end, and to what is in the control groups
 * below its arguments: those find who left its process group, and must be thawed, as the frozen cannot end.
 */
const script = `
trap '' INT TERM HUP
groups=' '
while read -r sign pid; do
  case $sign in
    +) groups="$groups$pid " ;;
    -) groups="\${groups%% $pid *} \${groups#* $pid }" ;;
  esac
done
for pid in $groups; do kill -KILL "-$pid" 2>/dev/null; done
tries=0
while [ $tries -lt 20 ]; do
  left=
  for root; do
    for group in "$root"/*/; do
      [ -e "$group/cgroup.procs" ] || continue
      while read -r pid; do kill -KILL "$pid" 2>/dev/null; done < "$group/cgroup.procs"
      [ -e "$group/freezer.state" ] && echo THAWED > "$group/freezer.state"
      [ -e "$group/cgroup.freeze" ] && echo 0 > "$group/cgroup.freeze"
      rmdir "$group" 2>/dev/null || left=1
    done
    rmdir "$root" 2>/dev/null
  done
  [ -z "$left" ] && exit
  tries=$((tries + 1))
  sleep 0.05
done
`;

/** `cgroupRoots`: see {@link Cgroups.roots}. */
export function createWarden(log: Log, cgroupRoots: readonly string[]): Warden {
  const watched = new Set<number>();
  let shell: ChildProcess | undefined;
  let closed = false;

  const tell = (text: string) => shell?.stdin?.write(text);
  const open = () => {
    // A session of its own: a signal to the node's group must not take the warden with it.
    const started = spawn("/bin/sh", ["-c", script, "warden", ...cgroupRoots], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/",
      env: { PATH: "/usr/bin:/bin" },
    });
    shell = started;
    started.unref();
    // Its death shows at `exit`; a write that comes too late has nothing to add.
    started.stdin.on("error", () => undefined);
    started.on("error", (error) => log.error("the warden of environments could not start", { error }));
    started.on("exit", (status, signal) => {
      if (shell === started) shell = undefined;
      if (!closed)
        log.warn("the warden of environments has ended; the next environment starts another", { status, signal });
    });
    for (const pid of watched) tell(`+ ${pid}\n`);
  };
  return {
    watch(pid) {
      watched.add(pid);
      if (shell === undefined) open();
      else tell(`+ ${pid}\n`);
    },
    forget(pid) {
      if (watched.delete(pid)) tell(`- ${pid}\n`);
    },
    close() {
      closed = true;
      shell?.stdin?.end();
    },
  };
}
