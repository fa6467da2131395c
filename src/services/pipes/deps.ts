/** What the operations of Pipes share. */
import type { Deps } from "../../kit/service.ts";

export interface PipesDeps extends Deps {
  /** A pipe was made or changed. */
  wake(): void;
}
