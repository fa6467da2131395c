/** SNS: topics whose messages are on disk, with what is to be delivered to whom, before their publishers hear of it. */
import { defineService } from "../../kit/service.ts";
import { confirmingOperations } from "./confirmations.ts";
import { deliveringOperations } from "./delivering.ts";
import type { SnsDeps } from "./deps.ts";
import { fanoutJob } from "./fanout.ts";
import { createTopics } from "./lookup.ts";
import { outboxOperations } from "./outbox.ts";
import { permissionOperations } from "./permissions.ts";
import { inlinePolicyResource, topicPolicyResource } from "./policy-resources.ts";
import { publishingOperations } from "./publishing.ts";
import { topicResource } from "./resources.ts";
import { createSigning } from "./signing.ts";
import { subscribingOperations } from "./subscribing.ts";
import { subscriptionResource } from "./subscription-resource.ts";
import { subscriptionOperations } from "./subscriptions.ts";
import { sweepJob } from "./sweep.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";
import { textOperations } from "./texts.ts";
import { topicOperations } from "./topics.ts";
import { visitOperations } from "./visits.ts";

export const sns = defineService({
  name: "sns",
  migrations,
  create(house) {
    const deps: SnsDeps = { ...house, topics: createTopics(house), signing: createSigning(house) };
    return {
      operations: {
        ...topicOperations(deps),
        ...tagOperations(deps),
        ...permissionOperations(deps),
        ...subscribingOperations(deps),
        ...confirmingOperations(deps),
        ...subscriptionOperations(deps),
        ...publishingOperations(deps),
        ...textOperations(deps),
      },
      internal: { ...deliveringOperations(deps), ...visitOperations(deps), ...outboxOperations(deps) },
      resources: [
        topicResource(deps),
        subscriptionResource(deps),
        topicPolicyResource(deps),
        inlinePolicyResource(deps),
      ],
      workers: [fanoutJob(deps), sweepJob(deps)],
    };
  },
});
