/** EventBridge Scheduler: what is to happen at a time, once or again and again, also when the node was killed before. */
import { defineService } from "../../kit/service.ts";
import { firingJob } from "./firing.ts";
import { groupJob, groupOperations } from "./groups.ts";
import { invocationOperations } from "./invocations.ts";
import { groupResource, scheduleResource } from "./resources.ts";
import { scheduleOperations } from "./schedules.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";

export const scheduler = defineService({
  name: "scheduler",
  migrations,
  create: (deps) => ({
    operations: { ...scheduleOperations(deps), ...groupOperations(deps), ...tagOperations(deps) },
    internal: invocationOperations(deps),
    resources: [scheduleResource(deps), groupResource(deps)],
    workers: [firingJob(deps), groupJob(deps)],
  }),
});
