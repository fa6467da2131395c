/** OpenSSL's contexts of a worker. One that the next configuration needs as it is, is taken over and not made again. */
import { createHash } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";

/** Made for one configuration; what nobody asked it for is forgotten with the store before it. */
export class ContextStore {
  readonly #contexts = new Map<string, SecureContext>();
  #before: ReadonlyMap<string, SecureContext>;

  constructor(before?: ContextStore) {
    this.#before = before?.all ?? new Map();
  }

  get all(): ReadonlyMap<string, SecureContext> {
    return this.#contexts;
  }

  /** The context of `options`. Throws what OpenSSL says of a certificate, a key or a cipher list that it cannot use. */
  of(options: SecureContextOptions): SecureContext {
    // Private keys are part of it: a digest, so that they lie in memory once.
    const key = createHash("sha256").update(JSON.stringify(options)).digest("base64");
    return this.get(key, () => createSecureContext(options));
  }

  /** The context that is known by `key`. */
  get(key: string, make: () => SecureContext): SecureContext {
    const context = this.#contexts.get(key) ?? this.#before.get(key) ?? make();
    this.#contexts.set(key, context);
    return context;
  }

  /** The configuration is in force: there is nothing before it any more. */
  settle(): void {
    this.#before = new Map();
  }
}
