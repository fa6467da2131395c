/** KMS: keys that never leave the node unsealed, and what is done with them. */
import { defineService } from "../../kit/service.ts";
import { aliasOperations } from "./aliases.ts";
import { dataKeyOperations } from "./data-keys.ts";
import { createEncryption, encryptionOperations } from "./encryption.ts";
import { grantOperations } from "./grants.ts";
import { createKeyring, type KmsDeps } from "./keyring.ts";
import { deletionJob, keyOperations } from "./keys.ts";
import { aliasResource, keyResource } from "./resources.ts";
import { rotationJob, rotationOperations } from "./rotation.ts";
import { signingOperations } from "./signing.ts";
import { migrations } from "./tables.ts";
import { tagOperations } from "./tags.ts";

export const kms = defineService({
  name: "kms",
  migrations,
  create(house) {
    const deps: KmsDeps = { ...house, keyring: createKeyring(house) };
    const encryption = createEncryption(deps);
    return {
      operations: {
        ...keyOperations(deps),
        ...aliasOperations(deps),
        ...encryptionOperations({ ...deps, encryption }),
        ...dataKeyOperations({ ...deps, encryption }),
        ...signingOperations(deps),
        ...rotationOperations(deps),
        ...grantOperations(deps),
        ...tagOperations(deps),
      },
      resources: [keyResource(deps), aliasResource(deps)],
      workers: [deletionJob(deps), rotationJob(deps)],
    };
  },
});
