/** What the operations of EventBridge share. */
import type { Deps } from "../../kit/service.ts";
import type { Rulebooks } from "./rulebooks.ts";

export interface EventsDeps extends Deps {
  rulebooks: Rulebooks;
}
