/** ACM: certificates imported, or issued at once by an authority of the node; their keys sealed. */
import { defineService } from "../../kit/service.ts";
import { serviceCall } from "../../kit/call.ts";
import { createAuthority } from "./authority.ts";
import { certificateKeeping, certificateOperations } from "./certificates.ts";
import { dueForRenewal, issuingOperations } from "./issuing.ts";
import { dayMs } from "./limits.ts";
import type { AcmDeps } from "./lookup.ts";
import { certificateResource } from "./resources.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";

export const acm = defineService({
  name: "acm",
  migrations,
  create(house) {
    const deps: AcmDeps = { ...house, authority: createAuthority(house) };
    const { reissue, operations } = issuingOperations(deps);
    return {
      operations: { ...certificateOperations(deps), ...operations, ...tagOperations(deps) },
      internal: {
        ...certificateKeeping(deps),
        // For `/_mikan/ca`.
        ReadAuthority: async () => ({ certificate: await deps.authority.certificate() }),
      },
      resources: [certificateResource(deps)],
      workers: [
        {
          name: "acm:renewal",
          everyMs: dayMs,
          run: async () => {
            const due = await deps.store.read((tx) => dueForRenewal(tx, deps.clock.now()));
            const principal = { kind: "service", service: "acm.amazonaws.com" } as const;
            for (const row of due) await reissue(row, serviceCall(deps, row.account, row.region, principal));
            return { more: false };
          },
        },
      ],
    };
  },
});
