/** What the two kinds of queue have in common, and where each does it in its own way. */
import type { Fault } from "../../base/errors.ts";
import type { Held, Receipt } from "./handles.ts";
import type { Queue } from "./lookup.ts";
import type { Extras } from "./tables.ts";

/** A message on its way in; checked. */
export interface NewMessage {
  id: string;
  sentMs: number;
  body: string;
  extras: Extras | null;
  sender: string;
  /** Of the message itself; undefined takes the queue's. */
  delayMs: number | undefined;
  groupId: string | undefined;
}

/** What became of a send: the id is an earlier send's where this is its repetition. */
export interface Sent {
  id: string;
  sequence?: string;
}

export interface Wanted {
  messages: number;
  visibilityMs: number;
  now: number;
}

/** A message that was received. */
export interface Taken {
  receipt: Receipt;
  sentMs: number;
  firstReceivedMs: number;
  body: string;
  extras: Extras | null;
  sender: string;
  groupId: string | null;
}

/** Why a receipt is good for nothing: undefined when it was good. */
export type Refusals = readonly (Fault | undefined)[];

export interface VisibilityChange extends Held {
  visibilityMs: number;
}

export interface Kind {
  /** Resolves when they are on disk, in the order in which they came. */
  send(queue: Queue, messages: readonly NewMessage[]): Promise<Sent[]>;
  /** Fewer than wanted where fewer are there. */
  take(queue: Queue, wanted: Wanted): Promise<Taken[]>;
  remove(queue: Queue, held: readonly Held[], now: number): Promise<Refusals>;
  /** Makes received messages visible again after `visibilityMs` of each. */
  setVisibility(queue: Queue, changes: readonly VisibilityChange[], now: number): Promise<Refusals>;
  /** When the next message can be received that is known by now. */
  nextMs(queue: Queue): Promise<number | undefined>;
}
