/** IAM: users, groups, roles and their policies. Who may assume a role is enforced; what they may do then is not yet. */
import { defineService } from "../../kit/service.ts";
import { accessKeyOperations, accessKeySource } from "./access-keys.ts";
import { accountOperations } from "./account.ts";
import { attachmentOperations } from "./attachments.ts";
import { authorizationDetailsOperations } from "./authorization-details.ts";
import { groupOperations } from "./groups.ts";
import { instanceProfileOperations } from "./instance-profiles.ts";
import { policyOperations } from "./policies.ts";
import { policyVersionOperations } from "./policy-versions.ts";
import { resourcesOf } from "./resources.ts";
import { roleOperations } from "./roles.ts";
import { serverCertificateKeeping, serverCertificateOperations } from "./server-certificates.ts";
import { migrations } from "./tables.ts";
import { userOperations } from "./users.ts";

export const iam = defineService({
  name: "iam",
  migrations,
  create: (deps) => ({
    operations: {
      ...userOperations(deps),
      ...groupOperations(deps),
      ...roleOperations(deps),
      ...attachmentOperations(deps),
      ...policyOperations(deps),
      ...policyVersionOperations(deps),
      ...instanceProfileOperations(deps),
      ...accessKeyOperations(deps),
      ...accountOperations(deps),
      ...serverCertificateOperations(deps),
      ...authorizationDetailsOperations(deps),
    },
    internal: serverCertificateKeeping(deps),
    resources: resourcesOf(deps),
    keyOf: accessKeySource(deps),
  }),
});
