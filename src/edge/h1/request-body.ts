/** A request body as a handler reads it: a stream of the slices that came, with backpressure to the client. */
import type { ClientConnection } from "./connection.ts";

interface Waiter {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: Error): void;
}

const ended: IteratorResult<Uint8Array> = { done: true, value: undefined };

export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #connection: ClientConnection;
  readonly #queueBytesMax: number;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #complete = false;
  #failure: Error | undefined;
  #waiter: Waiter | undefined;
  #read = false;
  #unwanted = false;

  constructor(connection: ClientConnection, queueBytesMax: number) {
    this.#connection = connection;
    this.#queueBytesMax = queueBytesMax;
  }

  push(slice: Buffer): void {
    if (this.#unwanted) return;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: slice });
      return;
    }
    this.#queue.push(slice);
    this.#queuedBytes += slice.length;
    if (this.#queuedBytes >= this.#queueBytesMax) this.#connection.holdRequest(true);
  }

  complete(): void {
    this.#complete = true;
    this.#waiter?.resolve(ended);
    this.#waiter = undefined;
  }

  fail(error: Error): void {
    if (this.#complete) return;
    this.#failure = error;
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }

  /** Everything that came, when all of it is here. */
  get whole(): Uint8Array | undefined {
    if (!this.#complete) return undefined;
    this.#read = true;
    return this.#queue.length === 1 ? this.#queue[0] : Buffer.concat(this.#queue);
  }

  /** Nobody reads on: what comes is dropped. */
  drop(): void {
    this.#unwanted = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#waiter?.resolve(ended);
    this.#waiter = undefined;
    this.#connection.holdRequest(false);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#read) throw new TypeError("the body of a request can be read once");
    this.#read = true;
    return {
      next: () => this.#next(),
      return: () => {
        this.drop();
        return Promise.resolve(ended);
      },
    };
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    const slice = this.#queue.shift();
    if (slice !== undefined) {
      this.#queuedBytes -= slice.length;
      if (this.#queuedBytes < this.#queueBytesMax) this.#connection.holdRequest(false);
      return Promise.resolve({ done: false, value: slice });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#complete || this.#unwanted) return Promise.resolve(ended);
    this.#connection.sendContinue();
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }
}
