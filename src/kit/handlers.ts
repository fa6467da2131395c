/** The types of a service's operations, taken from the official client: what comes in, what goes out, which faults exist. */
import type { Body } from "../base/http.ts";
import type { Call } from "./call.ts";

interface CommandLike<Out> {
  readonly input: object;
  resolveMiddleware(stack: never, configuration: never, options: never): (args: never) => Promise<{ output: Out }>;
}

type CommandClass = new (input: never) => CommandLike<unknown>;

/** Names of the operations of a client module: `"SendMessage" | ...`. */
export type OperationName<M> = {
  [K in keyof M]: K extends `${infer Op}Command` ? (M[K] extends CommandClass ? Op : never) : never;
}[keyof M];

type CommandOf<M, Op extends string> = `${Op}Command` extends keyof M
  ? M[`${Op}Command`] extends new (input: never) => infer C
    ? C
    : never
  : never;

/** What a client sends: the SDK's own input type. */
export type InputOf<M, Op extends string> = CommandOf<M, Op> extends { readonly input: infer In } ? In : never;

type RawOutputOf<M, Op extends string> = CommandOf<M, Op> extends CommandLike<infer Out> ? Out : never;

type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T];

/** A blob or a stream as the SDK lets clients give it; after decoding it is bytes, or a `Body`. */
type Decoded<T> = [ArrayBuffer] extends [T] ? Uint8Array : [string | Uint8Array] extends [T] ? Body : T;

type Plain = string | number | boolean | bigint | null | undefined | Date | Uint8Array;

/** What a handler receives: the SDK's input with required members present, and blobs decoded. */
export type Received<T> = T extends Plain
  ? T
  : T extends readonly (infer E)[]
    ? Received<E>[]
    : T extends object
      ? { [K in RequiredKeys<T>]: Exclude<ReceivedOptional<T[K]>, undefined> } & {
          [K in Exclude<keyof T, RequiredKeys<T>>]?: ReceivedOptional<T[K]>;
        }
      : T;

type ReceivedOptional<T> = [string | Uint8Array] extends [Exclude<T, undefined>]
  ? Decoded<Exclude<T, undefined>> | undefined
  : Received<T>;

/** What a handler answers: the SDK's output without its metadata; blobs as bytes, streams as `Body`. */
export type Answer<T> = { [K in keyof T as K extends "$metadata" ? never : K]: AnswerMember<T[K]> };

type AnswerMember<T> =
  Exclude<T, undefined> extends { transformToString(encoding?: string): string }
    ? Uint8Array | undefined
    : Exclude<T, undefined> extends { transformToByteArray(): unknown }
      ? Body
      : T;

export type OutputOf<M, Op extends string> = Answer<RawOutputOf<M, Op>>;

/** The operations of a service, each optional: one that is absent answers 501 with its name. */
export type Handlers<M> = {
  [Op in OperationName<M> & string]?: (input: Received<InputOf<M, Op>>, call: Call) => Promise<OutputOf<M, Op>>;
};

/** The same operations as a peer calls them. */
export type PeerOf<M> = {
  [Op in OperationName<M> & string]: (input: InputOf<M, Op>, call: Call) => Promise<OutputOf<M, Op>>;
};

/** Names of the exceptions of a client module. */
export type ExceptionName<M> = {
  [K in keyof M]: M[K] extends new (options: never) => { readonly name: infer N; readonly $fault: unknown }
    ? N extends string
      ? string extends N
        ? never
        : N
      : never
    : never;
}[keyof M];
