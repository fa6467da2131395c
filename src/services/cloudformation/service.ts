/** CloudFormation: templates become stacks, whose resources the services that own them make. */
import { defineService } from "../../kit/service.ts";
import { callbackRetentionJob } from "./callback-retention.ts";
import { createCallbacks } from "./callbacks.ts";
import { changeSetExecution } from "./change-set-execution.ts";
import { changeSetOperations } from "./change-sets.ts";
import { createStackOperations } from "./create-stack.ts";
import { customResource, customResourceType, withCustomTypes } from "./custom-resource.ts";
import { deleteStackOperations } from "./delete-stack.ts";
import { describeStacksOperations } from "./describe-stacks.ts";
import { createDriftDetector } from "./drift-detection.ts";
import { driftOperations } from "./drift-operations.ts";
import { createEngine } from "./engine.ts";
import { eventOperations } from "./events.ts";
import { exportOperations } from "./exports.ts";
import { macroResource } from "./macro-resource.ts";
import { nestedStackResource } from "./nested-stack.ts";
import { retentionJob } from "./retention.ts";
import { signalOperations } from "./signal-resource.ts";
import { createSourceReader } from "./source-reader.ts";
import { stackResourceOperations } from "./stack-resources.ts";
import { rollbackOperations } from "./rollback-stack.ts";
import { stackPolicyOperations } from "./stack-policies.ts";
import { migrations } from "./tables.ts";
import { templateOperations } from "./template-operations.ts";
import { updateControlOperations } from "./update-control.ts";
import { updateStackOperations } from "./update-stack.ts";
import { waitResources } from "./wait-condition.ts";

export const cloudformation = defineService({
  name: "cloudformation",
  migrations,
  create(house) {
    const callbacks = createCallbacks(house);
    const custom = (type: string) => customResource(house, engine, callbacks, type);
    const deps = { ...house, resourceType: withCustomTypes(house.resourceType, custom) };
    const engine = createEngine(deps);
    const detector = createDriftDetector(deps);
    const reader = createSourceReader(deps.clock);
    const stackOperations = {
      ...createStackOperations(deps, engine, reader),
      ...deleteStackOperations(deps, engine),
      ...updateStackOperations(deps, engine, reader),
    };
    return {
      operations: {
        ...stackOperations,
        ...changeSetOperations(deps, reader),
        ...changeSetExecution(deps, engine),
        ...describeStacksOperations(deps),
        ...driftOperations(deps, detector),
        ...eventOperations(deps),
        ...exportOperations(deps),
        ...rollbackOperations(deps, engine),
        ...stackPolicyOperations(deps),
        ...signalOperations(deps, callbacks),
        ...stackResourceOperations(deps),
        ...templateOperations(deps, reader),
        ...updateControlOperations(deps, engine),
      },
      internal: { Respond: callbacks.respond },
      resources: [
        nestedStackResource(deps, engine, stackOperations),
        custom(customResourceType),
        macroResource(deps),
        ...waitResources(deps, engine, callbacks),
      ],
      workers: [retentionJob(deps), callbackRetentionJob(deps)],
      async start() {
        await engine.start();
        await detector.start();
      },
      async stop() {
        await detector.stop();
        await engine.stop();
        await reader.stop();
      },
    };
  },
});
