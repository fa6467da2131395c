/** Lines of the access log on their way from a worker to main: gathered, and never more than main has room for. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { AccessLogBatch } from "../ports.ts";

/** A line waits this long for others. */
const gatherMs = 500;
/** Bytes gathered for one load balancer before they go at once. */
const gatherMax = 64 * 1024;
/** Characters that main was sent and has not taken; lines beyond are dropped, and counted. */
const untakenMax = 8 * 1024 * 1024;
/** Buffers kept for load balancers that gather anew. */
const spareMax = 4;

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

/** Lines as bytes: written behind one another at once, a line leaves nothing for the collector to carry along. */
interface Gathered {
  bytes: Buffer;
  used: number;
  lines: number;
}

export class Batches {
  readonly #deps: BatchesDeps;
  /** By load balancer. */
  readonly #gathered = new Map<string, Gathered>();
  readonly #spare: Buffer[] = [];
  #size = 0;
  #untaken = 0;
  #dropped = 0;
  #timer: Timer | undefined;

  constructor(deps: BatchesDeps) {
    this.#deps = deps;
  }

  add(loadBalancerId: string, line: string): void {
    if (this.#untaken + this.#size + line.length > untakenMax) this.#dropped += 1;
    else this.#write(this.#roomFor(loadBalancerId, line.length), line);
    this.#timer ??= this.#deps.clock.after(gatherMs, () => this.flush());
  }

  /** Sends what was gathered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#size === 0 && this.#dropped === 0) return;
    const batches = [...this.#gathered].map(([loadBalancerId, { bytes, used, lines }]) => ({
      loadBalancerId,
      text: bytes.toString("latin1", 0, used),
      lines,
    }));
    this.#deps.post({ kind: "accessLog", batches, dropped: this.#dropped });
    for (const { bytes } of this.#gathered.values()) this.#keep(bytes);
    this.#gathered.clear();
    this.#untaken += this.#size;
    this.#size = 0;
    this.#dropped = 0;
  }

  /** Main has taken a message of `size` characters. */
  taken(size: number): void {
    this.#untaken -= size;
  }

  #roomFor(loadBalancerId: string, size: number): Gathered {
    let gathered = this.#gathered.get(loadBalancerId);
    if (gathered !== undefined && gathered.used + size > gathered.bytes.length) {
      this.flush();
      gathered = undefined;
    }
    if (gathered === undefined) {
      gathered = { bytes: this.#bufferFor(size), used: 0, lines: 0 };
      this.#gathered.set(loadBalancerId, gathered);
    }
    return gathered;
  }

  #write(gathered: Gathered, line: string): void {
    gathered.used += gathered.bytes.write(line, gathered.used, "latin1");
    gathered.lines += 1;
    this.#size += line.length;
  }

  #bufferFor(size: number): Buffer {
    if (size > gatherMax) return Buffer.allocUnsafeSlow(size);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(gatherMax);
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === gatherMax && this.#spare.length < spareMax) this.#spare.push(bytes);
  }
}

/** What {@link Batches.taken} is told of a message. */
export function sizeOf({ batches }: AccessLogMessage): number {
  return batches.reduce((sum, { text }) => sum + text.length, 0);
}
