/** The two ways in which compute refuses an invocation; callers know them by name (ports.ts). */
import type { ComputeClosed, ComputeFull } from "./ports.ts";

export class ClosedError extends Error implements ComputeClosed {
  override readonly name = "ComputeClosed";

  constructor() {
    super("the node is closing");
  }
}

export class FullError extends Error implements ComputeFull {
  override readonly name = "ComputeFull";
}
