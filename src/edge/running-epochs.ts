/** Which epochs of the routing the workers still run, as main hears of it: what belongs to older ones can be let go. */
export class RunningEpochs {
  /** By worker: the epoch it runs, once it does. */
  readonly #running = new Map<number, number>();
  /** By worker: epochs that are superseded there but not retired. */
  readonly #old = new Map<number, Set<number>>();

  runs(worker: number, epoch: number): void {
    this.#running.set(worker, epoch);
  }

  /** From now on `epoch` is to run; what workers run of another has requests that go on. */
  supersede(epoch: number): void {
    for (const [worker, running] of this.#running) {
      if (running === epoch) continue;
      const old = this.#old.get(worker);
      if (old === undefined) this.#old.set(worker, new Set([running]));
      else old.add(running);
    }
  }

  retired(worker: number, epoch: number): void {
    this.#old.get(worker)?.delete(epoch);
  }

  workerGone(worker: number): void {
    this.#old.delete(worker);
    this.#running.delete(worker);
  }

  /** The oldest epoch with requests under way, where `latest` is the newest. */
  oldest(latest: number): number {
    let oldest = latest;
    for (const epochs of this.#old.values()) for (const epoch of epochs) oldest = Math.min(oldest, epoch);
    return oldest;
  }
}
