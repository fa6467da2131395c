/** botocore's models, read where Python has them installed. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** The version that the committed tables were made with; another one would make another overlay. */
export const botocoreVersion = "1.43.11";

export interface Model {
  metadata: { apiVersion: string; xmlNamespace?: string };
  operations: Readonly<Record<string, ModelOperation>>;
  shapes: Readonly<Record<string, ModelShape>>;
}
export interface ModelOperation {
  input?: { shape: string };
  output?: { shape: string };
}
export interface ModelShape {
  type: string;
  members?: Readonly<Record<string, ModelMember>>;
  member?: ModelMember;
  key?: ModelMember;
  value?: ModelMember;
  required?: readonly string[];
  min?: number;
  max?: number;
  pattern?: string;
  enum?: readonly string[];
  sensitive?: boolean;
  timestampFormat?: string;
}
export interface ModelMember {
  shape: string;
  locationName?: string;
  queryName?: string;
  idempotencyToken?: boolean;
}

/** Reads a model by folder and API version; undefined where this version of botocore is not installed. */
export function findBotocore(): ((service: string, version: string) => Model) | undefined {
  const folder = installedFolder();
  if (folder === undefined) return undefined;
  return (service, version) => {
    const packed = readFileSync(join(folder, "data", service, version, "service-2.json.gz"));
    return JSON.parse(gunzipSync(packed).toString("utf8")) as Model;
  };
}

function installedFolder(): string | undefined {
  const script = "import botocore, os; print(botocore.__version__); print(os.path.dirname(botocore.__file__))";
  try {
    const [version, folder] = execFileSync("python3", ["-c", script], { encoding: "utf8", stdio: "pipe" })
      .trim()
      .split("\n");
    return version === botocoreVersion ? folder : undefined;
  } catch (error) {
    // No python3 (ENOENT), or no botocore in it (its exit status): both mean "not installed".
    if (error instanceof Error && ("status" in error || ("code" in error && error.code === "ENOENT"))) return undefined;
    throw error;
  }
}
