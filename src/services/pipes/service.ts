/** EventBridge Pipes: from a queue through a filter, an enrichment and a template to a target. */
import { defineService } from "../../kit/service.ts";
import type { PipesDeps } from "./deps.ts";
import { pipeOperations } from "./pipes.ts";
import { createPollers } from "./pollers.ts";
import { pipeResource } from "./resources.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";

export const pipes = defineService({
  name: "pipes",
  migrations,
  create(house) {
    const pollers = createPollers(house);
    const deps: PipesDeps = { ...house, wake: pollers.wake };
    return {
      operations: { ...pipeOperations(deps), ...tagOperations(deps) },
      resources: [pipeResource(deps)],
      start: pollers.start,
      stop: pollers.stop,
    };
  },
});
