/** Secrets Manager: values with versions and labels, encrypted under KMS, rotated by functions. */
import { defineService } from "../../kit/service.ts";
import type { SecretDeps } from "./lookup.ts";
import { valueOperations } from "./reading.ts";
import { resourcePolicyResource, rotationScheduleResource, secretResource } from "./resources.ts";
import { rotationJob, rotationOperations, rotationRuns } from "./rotation.ts";
import { deletionJob, secretOperations } from "./secrets.ts";
import { migrations } from "./tables.ts";
import { createValues } from "./values.ts";

export const secretsmanager = defineService({
  name: "secretsmanager",
  migrations,
  create(house) {
    const deps: SecretDeps = { ...house, values: createValues(house) };
    return {
      operations: { ...secretOperations(deps), ...valueOperations(deps), ...rotationOperations(deps) },
      internal: rotationRuns(deps),
      resources: [secretResource(deps), resourcePolicyResource(deps), rotationScheduleResource(deps)],
      workers: [deletionJob(deps), rotationJob(deps)],
    };
  },
});
