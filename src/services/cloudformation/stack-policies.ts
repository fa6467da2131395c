/** SetStackPolicy, GetStackPolicy. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { invalid } from "./faults.ts";
import { record } from "./journal.ts";
import { ownStack } from "./lookup.ts";
import { policyText } from "./stack-policy.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

export function stackPolicyOperations(deps: Deps) {
  const { store, clock } = deps;
  return {
    async SetStackPolicy({ StackName: name, StackPolicyBody: body, StackPolicyURL: url }, call) {
      const stackPolicy = await policyText({ body, url, names: ["StackPolicyBody", "StackPolicyURL"] }, deps, call);
      if (stackPolicy === undefined) throw invalid("You must specify either StackPolicyBody or StackPolicyURL");
      const now = clock.now();
      await store.tx(async (tx) => {
        const stack = await ownStack(tx, name, call);
        if (stack.status === "DELETE_COMPLETE") throw invalid(`Stack [${stack.name}] does not exist`);
        await record(tx, stack, { stack: { settings: { ...stack.settings, stackPolicy } }, events: [] }, now);
      });
      return {};
    },

    async GetStackPolicy({ StackName: name }, call) {
      const { settings } = await store.read((tx) => ownStack(tx, name, call));
      return settings.stackPolicy === undefined ? {} : { StackPolicyBody: settings.stackPolicy };
    },
  } satisfies Handlers<Client>;
}
