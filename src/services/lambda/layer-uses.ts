/** The layers that a function asks for: found, allowed, few enough and small enough. Source: Lambda guide, "Adding layers to functions". */
import type { Call } from "../../kit/call.ts";
import type { LambdaDeps } from "./deps.ts";
import { invalid } from "./faults.ts";
import { layerArn, layerVersionKey } from "./layer-names.ts";
import { checkLayerReader } from "./layer-permissions.ts";
import type { LayerUse } from "./layer-roots.ts";
import { findLayer } from "./layer-tables.ts";
import { layersMax, unzippedBytesMax } from "./limits.ts";

/** Reads what `Layers` names; undefined stays undefined. Throws AWS's fault for what it would refuse. */
export function layerReader({ store }: Pick<LambdaDeps, "store">) {
  const useOf = async (arn: string, call: Call): Promise<LayerUse> => {
    const key = layerVersionKey(arn, call);
    const row = await store.read((tx) => findLayer(tx, key));
    checkLayerReader(key, row?.statements ?? [], call);
    if (row === undefined) throw invalid(`Layer version ${arn} does not exist.`);
    const { code_blob: blob, code_sha256: sha256Base64, code_bytes: sizeBytes, unzipped_bytes: unzippedBytes } = row;
    return { arn, blob, sha256Base64, sizeBytes, unzippedBytes };
  };

  return async (arns: readonly string[] | undefined, call: Call): Promise<LayerUse[] | undefined> => {
    if (arns === undefined) return undefined;
    if (arns.length > layersMax) throw invalid(`Cannot reference more than ${layersMax} layers.`);
    const names = arns.map((arn) => layerArn(layerVersionKey(arn, call)));
    if (new Set(names).size < names.length) {
      throw invalid("Two different versions of the same layer are not allowed to be referenced in the same function.");
    }
    return Promise.all(arns.map((arn) => useOf(arn, call)));
  };
}

/** Code and layers share one limit. */
export function checkUnzipped(codeBytes: number, used: readonly LayerUse[] | undefined): void {
  if (used === undefined || used.length === 0) return;
  const bytes = used.reduce((sum, { unzippedBytes }) => sum + unzippedBytes, codeBytes);
  if (bytes <= unzippedBytesMax) return;
  throw invalid(
    `Function code combined with layers exceeds the maximum allowed size of ${unzippedBytesMax} bytes. The actual size is ${bytes} bytes.`,
  );
}
