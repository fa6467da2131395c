/** How clients name a layer: its name, its ARN, or the ARN of one of its versions. */
import { formatArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import { fault, invalid } from "./faults.ts";

export interface LayerKey {
  account: string;
  region: string;
  name: string;
}

export interface LayerVersionKey extends LayerKey {
  version: number;
}

/** Source: API reference, GetLayerVersion, LayerName; and GetLayerVersionByArn, Arn. */
const arnForm = /^arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+)(?::(\d+))?$/;

export const layerArn = ({ account, region, name }: LayerKey) =>
  formatArn({ service: "lambda", region, account, resource: `layer:${name}` });

export const layerVersionArn = (key: LayerVersionKey) => `${layerArn(key)}:${key.version}`;

/** The layer that `text` names: a name means one of the caller's own. */
export function layerKey(text: string, call: Call): LayerKey {
  const [, region, account, name] = arnForm.exec(text) ?? [];
  if (region === undefined || account === undefined || name === undefined) {
    return { account: call.account, region: call.region, name: text };
  }
  return inRegion({ account, region, name }, text, call);
}

/** The version that an ARN names. */
export function layerVersionKey(arn: string, call: Call): LayerVersionKey {
  const [, region, account, name, version] = arnForm.exec(arn) ?? [];
  if (region === undefined || account === undefined || name === undefined || version === undefined) {
    throw invalid(`Invalid layer version ARN: ${arn}`);
  }
  return { ...inRegion({ account, region, name }, arn, call), version: Number(version) };
}

function inRegion(key: LayerKey, text: string, call: Call): LayerKey {
  if (key.region === call.region) return key;
  throw fault(
    "ResourceNotFoundException",
    `Layers from '${key.region}' are not reachable in this region ('${call.region}'): ${text}`,
  );
}

/** Throws unless the layer is the caller's own. */
export function ownLayer<K extends LayerKey>(key: K, call: Call, operation: string): K {
  if (key.account === call.account) return key;
  throw layerDenied(layerArn(key), call, operation);
}

export const layerDenied = (arn: string, call: Call, operation: string) =>
  fault(
    "AccessDeniedException",
    `account ${call.account} is not authorized to perform: lambda:${operation} on resource: ${arn} because no resource-based policy allows the lambda:${operation} action`,
  );
