/** Lambda: functions and their versions, who may invoke them, and the invocations themselves. */
import { defineService } from "../../kit/service.ts";
import type { Call } from "../../kit/call.ts";
import { recallOver } from "../../kit/recall.ts";
import { asError } from "../../base/errors.ts";
import { aliasOperations } from "./aliases.ts";
import { codeSigningOperations } from "./code-signing.ts";
import { concurrencyOperations } from "./concurrency.ts";
import { debugOperations } from "./debugging.ts";
import type { LambdaDeps } from "./deps.ts";
import { blobName } from "./code.ts";
import { createDownloads } from "./downloads.ts";
import { eventConfigOperations } from "./event-configs.ts";
import { eventConfigResource } from "./event-config-resources.ts";
import { eventOperations } from "./events.ts";
import { createExecutions, releaseVersion } from "./executions.ts";
import { functionOperations } from "./functions.ts";
import { createImages } from "./images.ts";
import { invokeOperations } from "./invoke.ts";
import { layerJob } from "./layer-job.ts";
import { layerOperations } from "./layers.ts";
import { layerPermissionOperations } from "./layer-permissions.ts";
import { layerPermissionResource, layerVersionResource } from "./layer-resources.ts";
import { createLayerRoots } from "./layer-roots.ts";
import { functionRef } from "./names.ts";
import { permissionOperations, policyArn, policyReader } from "./permissions.ts";
import { aliasResource, functionResource, permissionResource, versionResource } from "./resources.ts";
import { accountConcurrencyDefault } from "./limits.ts";
import { migrations } from "./migrations.ts";
import { codeSigningResource } from "./option-resources.ts";
import { provisionedOperations } from "./provisioned.ts";
import { createProvisioner } from "./provisioner.ts";
import { recursionOperations } from "./recursion.ts";
import { createRetired } from "./retired.ts";
import { runtimeManagementOperations } from "./runtime-management.ts";
import { createSlots } from "./slots.ts";
import { createSources } from "./sources/sources.ts";
import { tagOperations } from "./tags.ts";
import { createUnpackedCode } from "./unpacked.ts";
import { updateOperations } from "./updates.ts";
import { urlOperations } from "./urls.ts";
import { urlResource } from "./url-resources.ts";
import { urlVisits } from "./url-visits.ts";
import { versionOperations } from "./versions.ts";

export const lambda = defineService({
  name: "lambda",
  migrations,
  create(given) {
    // All that writes what an invocation reads goes through it.
    const recall = recallOver(given.store);
    const house = { ...given, store: recall.store };
    const { store, clock, log, scheduler } = house;
    const unpacked = createUnpackedCode({ ...house, blobs: store.blobs });
    const layerRoots = createLayerRoots({ ...house, unpacked });
    const retired = createRetired(clock, (gone) => {
      for (const row of gone.versions) {
        releaseVersion({ store, unpacked, layerRoots }, row).catch((error: unknown) => {
          log.warn("code of a deleted function could not be removed; the sweep will", { error: asError(error) });
        });
      }
    });
    const executions = createExecutions({ ...house, unpacked, layerRoots });
    const named = async (id: string) => (await store.read((tx) => blobName(tx, id))) !== undefined;
    const downloads = createDownloads({ ...house, blobs: store.blobs, named });
    const accountConcurrency = house.lambdaConcurrency ?? accountConcurrencyDefault;
    const slots = createSlots({ clock, accountMax: accountConcurrency });
    const images = createImages(house);
    const provisioner = createProvisioner({ ...house, executions, slots });
    const deps: LambdaDeps = {
      ...house,
      recall,
      accountConcurrency,
      provisioner,
      unpacked,
      layerRoots,
      images,
      downloads,
      retired,
      executions,
      slots,
    };
    // Checkpoints are written all the time, and no invocation reads them.
    const sources = createSources({ ...deps, store: given.store });
    return {
      operations: {
        ...functionOperations(deps),
        ...updateOperations(deps),
        ...versionOperations(deps),
        ...aliasOperations(deps),
        ...concurrencyOperations(deps),
        ...provisionedOperations(deps),
        ...recursionOperations(deps),
        ...runtimeManagementOperations(deps),
        ...codeSigningOperations(deps),
        ...permissionOperations(deps),
        ...tagOperations(deps),
        ...invokeOperations(deps),
        ...urlOperations(deps),
        ...eventConfigOperations(deps),
        ...layerOperations(deps),
        ...layerPermissionOperations(deps),
        ...sources.operations,
      },
      internal: {
        ...eventOperations(deps),
        ...debugOperations(deps),
        ...sources.internal,
        VisitUrl: urlVisits(deps),
        Download: ({ target }: { target: string }) => downloads.answer(target),
      },
      workers: [layerJob(deps)],
      resources: [
        functionResource(deps),
        permissionResource(deps),
        versionResource(deps),
        aliasResource(deps),
        layerVersionResource(deps),
        layerPermissionResource(deps),
        urlResource(deps),
        eventConfigResource(deps),
        codeSigningResource(deps),
        ...sources.resources,
      ],
      arnsOf: {
        Invoke: (input: { FunctionName: string; Qualifier?: string }, call: Call) => [
          policyArn(functionRef(input.FunctionName, input.Qualifier, call)),
        ],
        InvokeWithResponseStream: (input: { FunctionName: string; Qualifier?: string }, call: Call) => [
          policyArn(functionRef(input.FunctionName, input.Qualifier, call)),
        ],
      },
      policyOf: policyReader(deps),
      namesBlob: named,
      async start() {
        await unpacked.start();
        provisioner.attach(scheduler.start(provisioner.job));
        await images.start();
        await sources.start();
      },
      async stop() {
        images.stop();
        await sources.stop();
        executions.debugging.stop();
        retired.stop();
        await unpacked.stop();
      },
    };
  },
});
