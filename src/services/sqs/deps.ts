/** What the operations of SQS share. */
import type { Deps } from "../../kit/service.ts";
import type { Counting } from "./counting.ts";
import type { Kind } from "./kinds.ts";
import type { Queue, Queues } from "./lookup.ts";
import type { Waits } from "./waits.ts";

export interface KindDeps extends Deps {
  queues: Queues;
  waits: Waits;
}

export interface SqsDeps extends KindDeps {
  counting: Counting;
  kindOf(queue: Queue): Kind;
}
