/** Which service a request is for: by its signature, or, for one without, by what else gives it away. */
import type { Pair } from "./form.ts";
import { mediaType, type Incoming } from "./message.ts";
import { loadService, serviceKeys } from "./model.ts";
import { rpcNames, speaksCbor } from "./protocols/rpcv2-cbor.ts";
import { restRoutes } from "./rest-routes.ts";
import type { Signature } from "./sigv4.ts";

/** Operations whose callers have no credentials yet. */
const unsigned: Readonly<Record<string, readonly string[]>> = {
  sts: ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"],
};

/** Operations that AWS answers without a signature. */
export function needsNoSignature(service: string, operation: string): boolean {
  return unsigned[service]?.includes(operation) ?? false;
}

export interface Services {
  /** Signing names that have a table. */
  keys: readonly string[];
  /** The signing name of the service that is meant, whether there is a table for it or not. */
  of(incoming: Incoming, signature: Signature | undefined, form: readonly Pair[]): string;
  /** The request is unsigned, and only the form in its body can tell the service. */
  needsForm(incoming: Incoming, signature: Signature | undefined): boolean;
}

export function createServices(): Services {
  const keys = serviceKeys();
  const known = new Set(keys);
  return {
    keys,
    of(incoming, signature, form) {
      if (signature !== undefined) return signature.service;
      return (
        byTarget(incoming, keys) ?? byAction(form, keys) ?? byAction(incoming.query, keys) ?? byPlace(incoming, known)
      );
    },
    needsForm: (incoming, signature) =>
      signature === undefined &&
      !incoming.headers.has("x-amz-target") &&
      incoming.request.method === "POST" &&
      mediaType(incoming.headers) === "application/x-www-form-urlencoded",
  };
}

/** `Logs_20140328`, in the target or in the path; one that no table has is taken for the service's name. */
function byTarget(incoming: Incoming, keys: readonly string[]): string | undefined {
  const { headers } = incoming;
  const target = headers.get("x-amz-target")?.split(".", 1)[0];
  const prefix = speaksCbor(headers) ? rpcNames(incoming)?.service : target;
  if (prefix === undefined) return undefined;
  return keys.find((key) => loadService(key).table.targetPrefix === prefix) ?? prefix.slice(0, 64);
}

function byAction(pairs: readonly Pair[], keys: readonly string[]): string | undefined {
  const valueOf = (wanted: string) => pairs.find(([name]) => name === wanted)?.[1];
  const action = valueOf("Action");
  if (action === undefined) return undefined;
  const version = valueOf("Version");
  return keys.find((key) => {
    const model = loadService(key);
    return model.table.version === version && model.operation(action) !== undefined;
  });
}

/** By the first label of the host (`lambda.us-east-1.localhost`), by a path that only one REST service has, else S3. */
function byPlace(incoming: Incoming, known: ReadonlySet<string>): string {
  const label = incoming.request.host.split(".", 1)[0] ?? "";
  if (known.has(label)) return label;
  for (const key of known) {
    const model = loadService(key);
    if (model.protocol === "restJson1" && restRoutes(model)(incoming) !== undefined) return key;
  }
  return "s3";
}
