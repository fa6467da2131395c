/** What keeping connections has saved, by destination: handshakes not made, and the time that they would have taken. */

export interface EgressReport {
  /** `https://example.com` */
  origin: string;
  requests: number;
  /** Requests that no answer came to. */
  failures: number;
  /** Connections made; each is a handshake of TCP, and with https one of TLS. */
  handshakes: number;
  /** Requests on a connection that was there already. */
  reused: number;
  /** Mean of a handshake: the name, the connection, TLS. */
  handshakeMs: number;
  savedMs: number;
  /** TCP is one, TLS 1.3 one more, TLS 1.2 two. */
  savedRoundTrips: number;
}

interface Entry {
  requests: number;
  failures: number;
  handshakes: number;
  reused: number;
  totalMs: number;
  roundTrips: number;
}

/** Destinations that are told apart; the rest are one. */
const originsMax = 1_000;
const others = "others";

export class EgressLedger {
  readonly #entries = new Map<string, Entry>();

  begun(origin: string): void {
    this.#of(origin).requests += 1;
  }

  failed(origin: string): void {
    this.#of(origin).failures += 1;
  }

  /** A connection was made for a request. */
  shook(origin: string, tookMs: number, roundTrips: number): void {
    const entry = this.#of(origin);
    entry.handshakes += 1;
    entry.totalMs += tookMs;
    entry.roundTrips += roundTrips;
  }

  reused(origin: string): void {
    this.#of(origin).reused += 1;
  }

  /** Most requests first. */
  report(): EgressReport[] {
    return [...this.#entries]
      .map(([origin, { totalMs, roundTrips, ...counts }]) => {
        const handshakeMs = counts.handshakes === 0 ? 0 : totalMs / counts.handshakes;
        const each = counts.handshakes === 0 ? 0 : roundTrips / counts.handshakes;
        return {
          origin,
          ...counts,
          handshakeMs: rounded(handshakeMs),
          savedMs: rounded(handshakeMs * counts.reused),
          savedRoundTrips: Math.round(each * counts.reused),
        };
      })
      .toSorted((a, b) => b.requests - a.requests);
  }

  #of(origin: string): Entry {
    const key = this.#entries.size >= originsMax && !this.#entries.has(origin) ? others : origin;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { requests: 0, failures: 0, handshakes: 0, reused: 0, totalMs: 0, roundTrips: 0 };
      this.#entries.set(key, entry);
    }
    return entry;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
