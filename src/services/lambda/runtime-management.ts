/** Runtime management: when a function gets a newer runtime. Recorded: runtimes here are the machine's interpreters (docs/differences.md). */
import type { UpdateRuntimeOn } from "@aws-sdk/client-lambda";
import type { Handlers } from "../../kit/handlers.ts";
import { upsert } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { functionNotFound, invalid } from "./faults.ts";
import { arnOf, isVersionNumber, latest, ownFunction, unqualifiedArn, type FunctionRef } from "./names.ts";
import { findRuntimeManagement, runtimeManagement, type RuntimeManagementRow } from "./option-tables.ts";
import { findVersion } from "./tables.ts";

export interface RuntimeManagement {
  updateOn: UpdateRuntimeOn;
  /** Only, and always, with `Manual`. */
  runtimeArn?: string | undefined;
}

/** The version that `ref` names itself: an alias has no runtime of its own. */
function versionOf({ qualifier = latest }: FunctionRef): string {
  if (qualifier === latest || isVersionNumber(qualifier)) return qualifier;
  throw invalid("The function resource provided must be an unqualified function or a version, not an alias.");
}

const shownArn = (ref: FunctionRef) => (ref.qualifier === undefined ? unqualifiedArn(ref) : arnOf(ref));

export function runtimeManagementChange({ store }: Pick<LambdaDeps, "store">) {
  return async (ref: FunctionRef, { updateOn, runtimeArn }: RuntimeManagement): Promise<void> => {
    const { account, region, name } = ref;
    const version = versionOf(ref);
    if (updateOn === "Manual" && runtimeArn === undefined) {
      throw invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual.");
    }
    if (updateOn !== "Manual" && runtimeArn !== undefined) {
      throw invalid("RuntimeVersionArn can be specified only when UpdateRuntimeOn is Manual.");
    }
    await store.tx(async (tx) => {
      if ((await findVersion(tx, ref, version)) === undefined) throw functionNotFound(shownArn(ref));
      const row: RuntimeManagementRow = { account, region, name, version, update_on: updateOn, runtime_arn: null };
      await tx.run(upsert(runtimeManagement, { ...row, runtime_arn: runtimeArn ?? null }));
    });
  };
}

export function runtimeManagementOperations(deps: LambdaDeps) {
  const change = runtimeManagementChange(deps);
  return {
    async PutRuntimeManagementConfig(input, call) {
      const ref = ownFunction(input.FunctionName, input.Qualifier, call, "PutRuntimeManagementConfig");
      const { UpdateRuntimeOn: updateOn, RuntimeVersionArn: runtimeArn } = input;
      await change(ref, { updateOn, runtimeArn });
      return {
        UpdateRuntimeOn: updateOn,
        FunctionArn: shownArn(ref),
        ...(runtimeArn === undefined ? {} : { RuntimeVersionArn: runtimeArn }),
      };
    },

    async GetRuntimeManagementConfig(input, call) {
      const ref = ownFunction(input.FunctionName, input.Qualifier, call, "GetRuntimeManagementConfig");
      const version = versionOf(ref);
      const row = await deps.store.read(async (tx) => {
        if ((await findVersion(tx, ref, version)) === undefined) throw functionNotFound(shownArn(ref));
        return findRuntimeManagement(tx, ref, version);
      });
      const runtimeArn = row?.runtime_arn ?? undefined;
      return {
        // Written by `PutRuntimeManagementConfig`.
        UpdateRuntimeOn: (row?.update_on ?? "Auto") as UpdateRuntimeOn,
        FunctionArn: shownArn(ref),
        ...(runtimeArn === undefined ? {} : { RuntimeVersionArn: runtimeArn }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
