/** CloudWatch Logs: what functions and clients write, kept and found again. */
import { defineService } from "../../kit/service.ts";
import { groupOperations } from "./groups.ts";
import { ingestionOperations } from "./ingestion.ts";
import { readingOperations } from "./reading.ts";
import { groupResource } from "./resources.ts";
import { purgeJob, retentionJob } from "./retention.ts";
import { streamOperations } from "./streams.ts";
import { migrations } from "./tables.ts";

export const logs = defineService({
  name: "logs",
  migrations,
  create(deps) {
    const { operations, internal } = ingestionOperations(deps);
    return {
      operations: { ...groupOperations(deps), ...streamOperations(deps), ...readingOperations(deps), ...operations },
      internal,
      resources: [groupResource(deps)],
      workers: [retentionJob(deps), purgeJob(deps)],
    };
  },
});
