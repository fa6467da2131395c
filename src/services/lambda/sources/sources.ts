/** Event sources of functions, as the service has them: operations, the CloudFormation type, and the pollers. */
import type { Resource } from "../../../kit/resource.ts";
import type { LambdaDeps } from "../deps.ts";
import { mappingOperations, type MappingDeps } from "./mappings.ts";
import { createPollers } from "./pollers.ts";
import { recordOperations } from "./failure-records.ts";
import { mappingResource } from "./resources.ts";

export function createSources(lambdaDeps: LambdaDeps) {
  const pollers = createPollers(lambdaDeps);
  const deps: MappingDeps = { ...lambdaDeps, wakeSources: pollers.wake };
  const resources: readonly Resource[] = [mappingResource(deps)];
  return {
    operations: mappingOperations(deps),
    /** For the outbox. */
    internal: recordOperations(deps),
    resources,
    start: () => pollers.start(),
    stop: () => pollers.stop(),
  };
}
