/** What the operations of SNS share. */
import type { Deps } from "../../kit/service.ts";
import type { Topics } from "./lookup.ts";
import type { Signing } from "./signing.ts";

export interface SnsDeps extends Deps {
  topics: Topics;
  signing: Signing;
}
