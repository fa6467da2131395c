/**
 * What connections to one destination cost and save, in memory that one worker writes and main reads, as the counts of
 * clusters (`stats.ts`).
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import type { ConnectionMeter } from "../pool.ts";

const atOpen = 0;
const atHandshakes = 1;
const atResumed = 2;
const atReused = 3;
const atMs = 4;
const atRoundTrips = 5;
const cells = 6;

/** Memory of one worker's meter of one destination. */
export function meterBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(cells * Float64Array.BYTES_PER_ELEMENT);
}

/** What a worker that is gone had open is open no more. */
export function clearMeter(block: SharedArrayBuffer): void {
  new Float64Array(block)[atOpen] = 0;
}

export interface MeterSums {
  connections: number;
  handshakes: number;
  resumed: number;
  reused: number;
  /** Of all handshakes. */
  tookMs: number;
  roundTrips: number;
}

export function readMeter(blocks: readonly SharedArrayBuffer[]): MeterSums {
  const counts = blocks.map((block) => new Float64Array(block));
  const sum = (cell: number) => counts.reduce((total, block) => total + (block[cell] ?? 0), 0);
  return {
    connections: sum(atOpen),
    handshakes: sum(atHandshakes),
    resumed: sum(atResumed),
    reused: sum(atReused),
    tookMs: sum(atMs),
    roundTrips: sum(atRoundTrips),
  };
}

/** The writer's side; only the worker that owns the block may use it. */
export class Meter implements ConnectionMeter {
  readonly #cells: Float64Array;
  readonly #clock: Clock;

  constructor(block: SharedArrayBuffer, clock: Clock) {
    this.#cells = new Float64Array(block);
    this.#clock = clock;
  }

  dialled(socket: Socket): void {
    const startedMs = this.#clock.monotonicMs();
    const secure = socket instanceof TLSSocket ? socket : undefined;
    socket.once(secure === undefined ? "connect" : "secureConnect", () => {
      this.#add(atOpen, 1);
      this.#add(atHandshakes, 1);
      if (secure?.isSessionReused() === true) this.#add(atResumed, 1);
      this.#add(atMs, this.#clock.monotonicMs() - startedMs);
      this.#add(atRoundTrips, roundTripsOf(secure));
      socket.once("close", () => this.#add(atOpen, -1));
    });
  }

  reused(): void {
    this.#add(atReused, 1);
  }

  #add(cell: number, by: number): void {
    this.#cells[cell] = (this.#cells[cell] ?? 0) + by;
  }
}

/** TCP is one; TLS 1.3 is one more (RFC 8446 section 2), TLS 1.2 two, or one where it resumes (RFC 5246 section 7.3). */
function roundTripsOf(secure: TLSSocket | undefined): number {
  if (secure === undefined) return 1;
  return secure.getProtocol() === "TLSv1.3" || secure.isSessionReused() ? 2 : 3;
}
