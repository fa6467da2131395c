/**
 * Sends requests at a fixed rate, each at its time, whoever is slow: PORT RATE CONNECTIONS SECONDS. Prints `PaceReport` as
 * JSON. A process of its own that never sleeps: timers come in milliseconds, and all that is measured here is smaller.
 *
 * A request's time runs from when it was due, so that one that had to wait for a connection has waited. What comes is
 * told by its length, which the first answer says: every answer of these upstreams is as long as the others.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface PaceReport {
  /** Answers a second that came; less than was asked for where it is too much. */
  perSecond: number;
  p50Us: number;
  p99Us: number;
}

/** At the beginning, not counted: connections are new, and code is cold. */
const warmMs = 300;
/** After the last request is due; what has not come by then counts as this long. */
const lateMs = 2_000;
const request = Buffer.from("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");
const ok = Buffer.from("HTTP/1.1 200");

class Connection {
  readonly socket: Socket;
  /** Of the request under way. */
  dueMs = 0;
  readonly #bytes: Buffer = Buffer.allocUnsafe(64 * 1024);
  readonly #onAnswer: (connection: Connection) => void;
  #answerBytes = 0;
  #came = 0;

  constructor(port: number, onAnswer: (connection: Connection) => void) {
    this.#onAnswer = onAnswer;
    const onread = { buffer: this.#bytes, callback: (bytes: number) => this.#onRead(bytes) };
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
  }

  send(dueMs: number): void {
    this.dueMs = dueMs;
    this.#came = 0;
    this.socket.write(request);
  }

  #onRead(bytes: number): boolean {
    if (this.#came === 0 && ok.compare(this.#bytes, 0, ok.length) !== 0) throw new Error("an answer is not 200");
    if (this.#answerBytes === 0) this.#answerBytes = lengthOf(this.#bytes.toString("latin1", 0, bytes));
    this.#came += bytes;
    if (this.#came === this.#answerBytes) this.#onAnswer(this);
    else if (this.#came > this.#answerBytes) throw new Error("an answer is longer than the first");
    return true;
  }
}

/** Of an answer whose head is in `text`. */
function lengthOf(text: string): number {
  const headBytes = text.indexOf("\r\n\r\n") + 4;
  const length = /^content-length: (\d+)\r$/im.exec(text)?.[1];
  if (headBytes < 4 || length === undefined) throw new Error(`an answer without a length:\n${text}`);
  return headBytes + Number(length);
}

async function pace(port: number, perSecond: number, connections: number, seconds: number): Promise<PaceReport> {
  const free: Connection[] = [];
  const waiting: number[] = [];
  const timesUs: number[] = [];
  let startMs = 0;
  const onAnswer = (connection: Connection) => {
    if (connection.dueMs - startMs >= warmMs) timesUs.push((performance.now() - connection.dueMs) * 1000);
    const dueMs = waiting.shift();
    if (dueMs === undefined) free.push(connection);
    else connection.send(dueMs);
  };
  const all = Array.from({ length: connections }, () => new Connection(port, onAnswer));
  await Promise.all(all.map(({ socket }) => once(socket, "connect")));
  free.push(...all);
  startMs = performance.now();
  const total = Math.round(perSecond * (seconds + warmMs / 1000));
  const counted = Math.round(perSecond * seconds);
  for (let sent = 0; ;) {
    const nowMs = performance.now();
    for (; sent < total; sent += 1) {
      const dueMs = startMs + (sent * 1000) / perSecond;
      if (dueMs > nowMs) break;
      // The one that has been free for longest: all of them are in use, as those of many clients are.
      const connection = free.shift();
      if (connection === undefined) waiting.push(dueMs);
      else connection.send(dueMs);
    }
    const late = nowMs > startMs + (total * 1000) / perSecond + lateMs;
    if (sent === total && (free.length === connections || late)) break;
    await new Promise(setImmediate);
  }
  for (const { socket } of all) socket.destroy();
  const came = timesUs.length;
  for (let missing = counted - came; missing > 0; missing -= 1) timesUs.push(lateMs * 1000);
  const sorted = Float64Array.from(timesUs).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { perSecond: came / seconds, p50Us: at(0.5), p99Us: at(0.99) };
}

if (import.meta.main) {
  const [port = 0, perSecond = 0, connections = 0, seconds = 0] = process.argv.slice(2).map(Number);
  process.stdout.write(`${JSON.stringify(await pace(port, perSecond, connections, seconds))}\n`);
}
