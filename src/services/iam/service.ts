/** IAM: roles and their policies are kept, so that templates which make them work; nothing is enforced by them yet. */
import { defineService } from "../../kit/service.ts";
import { policyResource, roleResource } from "./resources.ts";
import { roleOperations } from "./roles.ts";
import { migrations } from "./tables.ts";

export const iam = defineService({
  name: "iam",
  migrations,
  create: (deps) => ({ operations: roleOperations(deps), resources: [roleResource(deps), policyResource(deps)] }),
});
