/** EventBridge: buses whose events are on disk, with the deliveries that they cause, before their senders hear of it. */
import { defineService } from "../../kit/service.ts";
import { buryingOperations } from "./burying.ts";
import { busOperations } from "./buses.ts";
import { deliveringOperations } from "./delivering.ts";
import type { EventsDeps } from "./deps.ts";
import { notYet } from "./faults.ts";
import { forwarding } from "./forwarding.ts";
import { createIngestion } from "./ingestion.ts";
import { permissionOperations } from "./permissions.ts";
import { putOperations } from "./putting.ts";
import { createRulebooks } from "./rulebooks.ts";
import { ruleOperations } from "./rules.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";
import { targetOperations } from "./targets.ts";

export const events = defineService({
  name: "events",
  migrations,
  create(house) {
    const deps: EventsDeps = { ...house, rulebooks: createRulebooks(house) };
    const ingestion = createIngestion(deps);
    return {
      operations: {
        ...busOperations(deps),
        ...permissionOperations(deps),
        ...ruleOperations(deps),
        ...targetOperations(deps),
        ...tagOperations(deps),
        ...putOperations(deps, ingestion),
      },
      internal: {
        ...deliveringOperations(deps, {
          bus: forwarding(ingestion),
          apiDestination: async () => {
            throw notYet("API destinations");
          },
        }),
        ...buryingOperations(deps),
      },
    };
  },
});
