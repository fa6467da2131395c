/** AWS::Pipes::Pipe. */
import { isFault } from "../../base/errors.ts";
import { asProperties, type JsonObject, type Resource } from "../../kit/resource.ts";
import { sdkInput } from "../../kit/sdk-input.ts";
import type { PipesDeps } from "./deps.ts";
import { deletion, pipeChange, pipeCreation, refOf, shown, updated } from "./pipes.ts";
import type { PipeInput } from "./settings.ts";
import { findPipe, type PipeRow } from "./tables.ts";
import { pipeArn } from "./names.ts";

/** The operation's input; `sdkInput` holds it to the model. */
function inputOf(properties: JsonObject, Name: string, tags: Readonly<Record<string, string>>): PipeInput {
  const input = sdkInput("pipes", "CreatePipe", { ...properties, Name }, { lenient: true }) as PipeInput;
  return { ...input, Tags: { ...tags, ...input.Tags } };
}

const stateOf = (row: PipeRow) => ({
  physicalId: row.name,
  attributes: {
    Arn: pipeArn(row),
    CreationTime: new Date(row.created_ms).toISOString(),
    CurrentState: row.current_state,
    LastModifiedTime: new Date(row.modified_ms).toISOString(),
    StateReason: row.state_reason ?? "",
  },
});

export function pipeResource(deps: PipesDeps): Resource {
  const create = pipeCreation(deps);
  const change = pipeChange(deps);
  return {
    type: "AWS::Pipes::Pipe",
    properties: [
      "Description",
      "DesiredState",
      "Enrichment",
      "EnrichmentParameters",
      "KmsKeyIdentifier",
      "LogConfiguration",
      "Name",
      "RoleArn",
      "Source",
      "SourceParameters",
      "Tags",
      "Target",
      "TargetParameters",
    ],
    required: ["RoleArn", "Source", "Target"],
    attributes: ["Arn", "CreationTime", "CurrentState", "LastModifiedTime", "StateReason"],
    name: { property: "Name", lengthMax: 64 },
    replaceOn: ["Source"],
    async create({ properties, physicalName, token, tags }, call) {
      return stateOf(await create(inputOf(properties, physicalName, tags), call, token));
    },
    async update({ properties, physicalId, tags }, call) {
      const { Name: _, Tags = {}, ...input } = inputOf(properties, physicalId, tags);
      const wanted = { Description: "", Enrichment: "", LogConfiguration: { Level: "OFF" as const }, ...input };
      const parameters = { SourceParameters: {}, EnrichmentParameters: {}, TargetParameters: {} };
      const row = await change(
        refOf(physicalId, call),
        (former) => ({
          // What the template no longer names is gone.
          ...updated({ ...former, settings: { ...former.settings, ...parameters } }, wanted),
          tags: { ...Tags },
        }),
        true,
      );
      return stateOf(row);
    },
    async read({ physicalId }, call) {
      const row = await deps.store.read((tx) => findPipe(tx, refOf(physicalId, call)));
      if (row === undefined) return undefined;
      const { Arn: _arn, CurrentState: _state, CreationTime: _made, LastModifiedTime: _changed, ...rest } = shown(row);
      return asProperties(rest);
    },
    comparison: { Tags: "exact" },
    async delete({ physicalId }, call) {
      try {
        await change(refOf(physicalId, call), deletion, true);
      } catch (error) {
        if (!isFault(error, "NotFoundException")) throw error;
      }
    },
  };
}
