import type { LambdaDeps } from "../deps.ts";
import type { Mapping, Poller } from "./pollers.ts";
export function createStreamPoller(_deps: LambdaDeps, _mapping: Mapping): Poller {
  return { stop: async () => {} };
}
