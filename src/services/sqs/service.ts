/** SQS: queues, standard and FIFO, whose messages are on disk before their senders hear of it. */
import { defineService } from "../../kit/service.ts";
import { createCounting } from "./counting.ts";
import type { SqsDeps } from "./deps.ts";
import { fifoKind } from "./fifo.ts";
import { createQueues, type Queue } from "./lookup.ts";
import { attributeOperations } from "./queue-attributes.ts";
import { permissionOperations } from "./permissions.ts";
import { inlinePolicyResource, queuePolicyResource } from "./policy-resources.ts";
import { queueResource } from "./resources.ts";
import { queueOperations } from "./queues.ts";
import { moveJob, moveOperations } from "./moves.ts";
import { sweepJob } from "./sweep.ts";
import { receiptOperations } from "./receipts.ts";
import { receivingOperations } from "./receiving.ts";
import { sendingOperations } from "./sending.ts";
import { standardKind } from "./standard.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";
import { createWaits } from "./waits.ts";

export const sqs = defineService({
  name: "sqs",
  migrations,
  create(house) {
    const shared = { ...house, queues: createQueues(house), waits: createWaits(house.clock, house.metrics) };
    const [standard, fifo] = [standardKind(shared), fifoKind(shared)];
    const kindOf = ({ row }: Queue) => (row.is_fifo ? fifo : standard);
    const deps: SqsDeps = { ...shared, counting: createCounting(house), kindOf };
    return {
      operations: {
        ...queueOperations(deps),
        ...attributeOperations(deps),
        ...tagOperations(deps),
        ...permissionOperations(deps),
        ...moveOperations(deps),
        ...sendingOperations(deps),
        ...receivingOperations(deps),
        ...receiptOperations(deps),
      },
      apart: ["ReceiveMessage"],
      resources: [queueResource(deps), queuePolicyResource(deps), inlinePolicyResource(deps)],
      stop: async () => deps.waits.close(),
      workers: [sweepJob(deps), moveJob(deps)],
    };
  },
});
