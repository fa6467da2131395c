/** Lines of the access log on their way from a worker to main: gathered, and never more than main has room for. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { AccessLogBatch } from "../ports.ts";

/** A line waits this long for others. */
const gatherMs = 500;
/** Characters gathered before they go at once. */
const gatherMax = 64 * 1024;
/** Characters that main was sent and has not taken; lines beyond are dropped, and counted. */
const untakenMax = 8 * 1024 * 1024;

export interface AccessLogMessage {
  kind: "accessLog";
  batches: readonly AccessLogBatch[];
  /** Lines dropped since the last message. */
  dropped: number;
}

export interface BatchesDeps {
  clock: Clock;
  post(message: AccessLogMessage): void;
}

export class Batches {
  readonly #deps: BatchesDeps;
  /** By load balancer. */
  readonly #gathered = new Map<string, { text: string; lines: number }>();
  #size = 0;
  #untaken = 0;
  #dropped = 0;
  #timer: Timer | undefined;

  constructor(deps: BatchesDeps) {
    this.#deps = deps;
  }

  add(loadBalancerId: string, line: string): void {
    if (this.#untaken + this.#size + line.length > untakenMax) {
      this.#dropped += 1;
    } else {
      const gathered = this.#gathered.get(loadBalancerId);
      if (gathered === undefined) {
        this.#gathered.set(loadBalancerId, { text: line, lines: 1 });
      } else {
        gathered.text += line;
        gathered.lines += 1;
      }
      this.#size += line.length;
    }
    if (this.#size >= gatherMax) this.flush();
    else this.#timer ??= this.#deps.clock.after(gatherMs, () => this.flush());
  }

  /** Sends what was gathered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#size === 0 && this.#dropped === 0) return;
    const batches = [...this.#gathered].map(([loadBalancerId, { text, lines }]) => ({ loadBalancerId, text, lines }));
    this.#deps.post({ kind: "accessLog", batches, dropped: this.#dropped });
    this.#gathered.clear();
    this.#untaken += this.#size;
    this.#size = 0;
    this.#dropped = 0;
  }

  /** Main has taken a message of `size` characters. */
  taken(size: number): void {
    this.#untaken -= size;
  }
}

/** What {@link Batches.taken} is told of a message. */
export function sizeOf({ batches }: AccessLogMessage): number {
  return batches.reduce((sum, { text }) => sum + text.length, 0);
}
