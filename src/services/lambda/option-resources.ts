/** CloudFormation: what stands beside a function's configuration, and `AWS::Lambda::CodeSigningConfig`. */
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../../kit/call.ts";
import { asProperties, pairsOf, unlessAbsent, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import {
  codeSigningArn,
  codeSigningCreation,
  codeSigningDeletion,
  codeSigningUpdate,
  signWith,
  type CodeSigningSettings,
} from "./code-signing.ts";
import type { LambdaDeps } from "./deps.ts";
import { invalid } from "./faults.ts";
import type { FunctionRef } from "./names.ts";
import { recursionChange } from "./recursion.ts";
import { runtimeManagementChange, type RuntimeManagement } from "./runtime-management.ts";
import { isObject, required, tagsIn, text, texts } from "./template-values.ts";

const updatesOn = ["Auto", "FunctionUpdate", "Manual"] as const;

interface FunctionOptions {
  loop: "Allow" | "Terminate";
  runtime: RuntimeManagement;
  codeSigning: string | null;
}

function runtimeIn(config: Json | undefined): RuntimeManagement {
  if (config === undefined) return { updateOn: "Auto" };
  if (!isObject(config)) throw invalid("RuntimeManagementConfig must be an object.");
  const given = required(config, "UpdateRuntimeOn");
  const updateOn = updatesOn.find((one) => one === given);
  if (updateOn === undefined) throw invalid(`UpdateRuntimeOn must be one of ${updatesOn.join(", ")}.`);
  return { updateOn, runtimeArn: text(config["RuntimeVersionArn"]) };
}

/** What a template says of them; throws before anything is made. */
export function functionOptionsIn(properties: JsonObject): FunctionOptions {
  const loop = text(properties["RecursiveLoop"]) ?? "Terminate";
  if (loop !== "Allow" && loop !== "Terminate") throw invalid("RecursiveLoop must be Allow or Terminate.");
  const runtime = runtimeIn(properties["RuntimeManagementConfig"]);
  return { loop, runtime, codeSigning: text(properties["CodeSigningConfigArn"]) ?? null };
}

/** Makes a function have these options instead of the `former` ones; idempotent. */
export function functionOptionProperties(deps: LambdaDeps) {
  const allowRecursion = recursionChange(deps);
  const manageRuntime = runtimeManagementChange(deps);
  return async (ref: FunctionRef, options: FunctionOptions, former: FunctionOptions, call: Call): Promise<void> => {
    if (options.loop !== former.loop) await allowRecursion(ref, options.loop);
    if (!isDeepStrictEqual(options.runtime, former.runtime)) await manageRuntime(ref, options.runtime);
    if (options.codeSigning !== former.codeSigning) {
      await deps.store.tx((tx) => signWith(tx, ref, options.codeSigning, call));
    }
  };
}

function settingsOf(properties: JsonObject): CodeSigningSettings {
  const { AllowedPublishers, CodeSigningPolicies } = properties;
  const publishers = isObject(AllowedPublishers) ? texts(AllowedPublishers, "SigningProfileVersionArns") : undefined;
  const policy = isObject(CodeSigningPolicies) ? text(CodeSigningPolicies["UntrustedArtifactOnDeployment"]) : "Warn";
  if (policy !== "Warn" && policy !== "Enforce")
    throw invalid("UntrustedArtifactOnDeployment must be Warn or Enforce.");
  const Description = text(properties["Description"]) ?? "";
  const Allowed = { SigningProfileVersionArns: publishers ?? [] };
  checkInput("lambda", "CreateCodeSigningConfig", { AllowedPublishers: Allowed, Description });
  return { description: Description, policy, publishers: publishers ?? [] };
}

/** `AWS::Lambda::CodeSigningConfig`. */
export function codeSigningResource(deps: LambdaDeps): Resource {
  const create = codeSigningCreation(deps);
  const update = codeSigningUpdate(deps);
  const remove = codeSigningDeletion(deps);
  const absent = "CodeSigningConfigNotFoundException";
  return {
    type: "AWS::Lambda::CodeSigningConfig",
    properties: ["AllowedPublishers", "CodeSigningPolicies", "Description", "Tags"],
    required: ["AllowedPublishers"],
    attributes: ["CodeSigningConfigArn", "CodeSigningConfigId"],
    async create(request, call) {
      const row = await create(settingsOf(request.properties), tagsIn(request), call, request.token);
      const arn = codeSigningArn(row);
      return { physicalId: arn, attributes: { CodeSigningConfigArn: arn, CodeSigningConfigId: row.id } };
    },
    replaceOn: ["Tags"],
    async update({ properties, physicalId, attributes }, call) {
      await update(physicalId, settingsOf(properties), call);
      return { physicalId, attributes };
    },
    async read({ physicalId: CodeSigningConfigArn, properties }, call) {
      const reading = deps.peers.lambda.GetCodeSigningConfig({ CodeSigningConfigArn }, call);
      const config = (await unlessAbsent(reading, absent))?.CodeSigningConfig;
      return config && asProperties({ ...config, Tags: properties["Tags"] ?? pairsOf({}) });
    },
    async delete({ physicalId }, call) {
      await unlessAbsent(remove(physicalId, call), absent);
    },
  };
}
