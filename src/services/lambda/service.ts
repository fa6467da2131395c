/** Lambda: functions and their versions, who may invoke them, and the invocations themselves. */
import { defineService } from "../../kit/service.ts";
import type { Call } from "../../kit/call.ts";
import { asError } from "../../base/errors.ts";
import { sql } from "../../store/sql.ts";
import { aliasOperations } from "./aliases.ts";
import { releaseCode } from "./code.ts";
import { concurrencyOperations } from "./concurrency.ts";
import type { LambdaDeps } from "./deps.ts";
import { eventOperations } from "./events.ts";
import { codeOf, createExecutions } from "./executions.ts";
import { functionOperations } from "./functions.ts";
import { invokeOperations } from "./invoke.ts";
import { functionRef } from "./names.ts";
import { permissionOperations, policyArn, policyReader } from "./permissions.ts";
import { aliasResource, functionResource, permissionResource, versionResource } from "./resources.ts";
import { createRetired } from "./retired.ts";
import { createSlots } from "./slots.ts";
import { migrations, versions } from "./tables.ts";
import { tagOperations } from "./tags.ts";
import { createUnpackedCode } from "./unpacked.ts";
import { updateOperations } from "./updates.ts";
import { versionOperations } from "./versions.ts";

export const lambda = defineService({
  name: "lambda",
  migrations,
  create(house) {
    const { store, clock, log } = house;
    const unpacked = createUnpackedCode({ ...house, blobs: store.blobs });
    const retired = createRetired(clock, (gone) => {
      for (const row of gone.versions) {
        releaseCode({ store, unpacked }, codeOf(row)).catch((error: unknown) => {
          log.warn("code of a deleted function could not be removed; the sweep will", { error: asError(error) });
        });
      }
    });
    const executions = createExecutions({ ...house, unpacked });
    const deps: LambdaDeps = { ...house, unpacked, retired, executions, slots: createSlots() };
    return {
      operations: {
        ...functionOperations(deps),
        ...updateOperations(deps),
        ...versionOperations(deps),
        ...aliasOperations(deps),
        ...concurrencyOperations(deps),
        ...permissionOperations(deps),
        ...tagOperations(deps),
        ...invokeOperations(deps),
      },
      internal: eventOperations(deps),
      resources: [functionResource(deps), permissionResource(deps), versionResource(deps), aliasResource(deps)],
      arnsOf: {
        Invoke: (input: { FunctionName: string; Qualifier?: string }, call: Call) => [
          policyArn(functionRef(input.FunctionName, input.Qualifier, call)),
        ],
      },
      policyOf: policyReader(deps),
      namesBlob: async (id) =>
        (await store.read((tx) =>
          tx.one(sql`select version from ${versions.name} where code_blob = ${id} limit 1`),
        )) !== undefined,
      start: () => unpacked.start(),
      async stop() {
        retired.stop();
        await unpacked.stop();
      },
    };
  },
});
