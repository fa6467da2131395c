/** Systems Manager, of which there is Parameter Store: values with a history, some of them secret. */
import { defineService } from "../../kit/service.ts";
import { describingOperations } from "./describing.ts";
import { readingOperations } from "./reading.ts";
import { parameterResource } from "./resources.ts";
import { migrations } from "./tables.ts";
import { createValues } from "./values.ts";
import { writingOperations, type SsmDeps } from "./writing.ts";

export const ssm = defineService({
  name: "ssm",
  migrations,
  create(house) {
    const deps: SsmDeps = { ...house, values: createValues(house) };
    return {
      operations: { ...writingOperations(deps), ...readingOperations(deps), ...describingOperations(deps) },
      resources: [parameterResource(deps)],
    };
  },
});
