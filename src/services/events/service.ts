/** EventBridge: buses whose events are on disk, with the deliveries that they cause, before their senders hear of it. */
import { defineService } from "../../kit/service.ts";
import { buryingOperations } from "./burying.ts";
import { destinationOperations } from "./api-destinations.ts";
import { archiveResource } from "./archive-resource.ts";
import { archiveOperations } from "./archives.ts";
import { busPolicyResource, busResource } from "./bus-resources.ts";
import { busOperations } from "./buses.ts";
import { connectionOperations } from "./connections.ts";
import { deliveringOperations } from "./delivering.ts";
import type { EventsDeps } from "./deps.ts";
import { connectionResource, destinationResource } from "./endpoint-resources.ts";
import { forwarding } from "./forwarding.ts";
import { createIngestion } from "./ingestion.ts";
import { destinationCalls, invoking, visiting } from "./invoking.ts";
import { permissionOperations } from "./permissions.ts";
import { putOperations } from "./putting.ts";
import { createRulebooks } from "./rulebooks.ts";
import { ruleResource } from "./rule-resource.ts";
import { ruleOperations } from "./rules.ts";
import { replayJob } from "./replaying.ts";
import { replayOperations } from "./replays.ts";
import { scheduleJob } from "./scheduling.ts";
import { sweepJob } from "./sweep.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";
import { targetOperations } from "./targets.ts";
import { testOperations } from "./testing.ts";
import { createTokens } from "./tokens.ts";

export const events = defineService({
  name: "events",
  migrations,
  create(house) {
    const deps: EventsDeps = { ...house, rulebooks: createRulebooks(house) };
    const ingestion = createIngestion(deps);
    const tokens = createTokens(deps);
    const visit = visiting(tokens);
    return {
      operations: {
        ...busOperations(deps),
        ...permissionOperations(deps),
        ...ruleOperations(deps),
        ...targetOperations(deps),
        ...tagOperations(deps),
        ...putOperations(deps, ingestion),
        ...testOperations(),
        ...archiveOperations(deps),
        ...replayOperations(deps),
        ...connectionOperations(deps),
        ...destinationOperations(deps),
      },
      internal: {
        ...deliveringOperations(deps, {
          bus: forwarding(ingestion),
          apiDestination: invoking(visit),
        }),
        ...destinationCalls(deps, visit),
        ...buryingOperations(deps),
      },
      resources: [
        busResource(deps),
        busPolicyResource(deps),
        ruleResource(deps),
        archiveResource(deps),
        connectionResource(deps),
        destinationResource(deps),
      ],
      workers: [scheduleJob(deps), replayJob(deps), tokens.job, sweepJob(deps)],
    };
  },
});
