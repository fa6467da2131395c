/** `ProvisionedConcurrencyConfig` of `AWS::Lambda::Version` and `AWS::Lambda::Alias`: in force before the resource is. */
import type { Call } from "../../kit/call.ts";
import { ResourceFailure, type JsonObject } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import type { LambdaDeps } from "./deps.ts";
import { invalid } from "./faults.ts";
import { arnOf } from "./names.ts";
import { provisionedChange, provisionedDeletion, shownProvisioned } from "./provisioned.ts";
import type { ProvisionedKey } from "./provisioned-tables.ts";
import { integer, isObject } from "./template-values.ts";

const lookMs = 100;

/** How many environments a template asks for; undefined for none. */
export function provisionedIn(properties: JsonObject): number | undefined {
  const config = properties["ProvisionedConcurrencyConfig"];
  if (config === undefined) return undefined;
  const count = isObject(config) ? integer(config, "ProvisionedConcurrentExecutions") : undefined;
  if (count === undefined) throw invalid("ProvisionedConcurrencyConfig must have ProvisionedConcurrentExecutions.");
  return count;
}

/** Makes a version or an alias have `count` environments ahead, and resolves when they are ready, as CloudFormation waits. */
export function provisionedProperty(deps: LambdaDeps) {
  const { clock, provisioner } = deps;
  const change = provisionedChange(deps);
  const remove = provisionedDeletion(deps);

  return async (key: ProvisionedKey, count: number | undefined, call: Call): Promise<void> => {
    if (count === undefined) {
      await remove(key);
      return;
    }
    const { name: FunctionName, qualifier: Qualifier } = key;
    const input = { FunctionName, Qualifier, ProvisionedConcurrentExecutions: count };
    checkInput("lambda", "PutProvisionedConcurrencyConfig", input);
    const row = await change(key, count);
    // Bounded by the step's own limit, which aborts the call.
    for (;;) {
      const { Status, StatusReason } = shownProvisioned(row, provisioner.statusOf(row));
      if (Status === "READY") return;
      if (Status === "FAILED") {
        throw new ResourceFailure(
          `Provisioned Concurrency configuration failed to be applied. Reason: ${StatusReason}`,
          arnOf(key),
        );
      }
      await clock.sleep(lookMs, call.signal);
    }
  };
}
