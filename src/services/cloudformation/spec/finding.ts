/** One thing that is wrong with a template: what, where, and what was perhaps meant. */
import { nearestOf } from "../../../base/nearest.ts";

/** Steps from the template's top: `["Resources", "Function", "Properties", "Layers", 0]`. */
export type Path = readonly (string | number)[];

export interface Finding {
  path: Path;
  /** Whether the last name of the path is wrong, or what stands there. */
  at: "name" | "value";
  /** `error`: AWS refuses it; `unsupported`: AWS takes it, and Mikan does not run it yet; `warning`: both take it. */
  severity: "error" | "unsupported" | "warning";
  /** The fault's message where this is the first finding of a template: in AWS's words where AWS has some. */
  fault: string;
  /** What is wrong, for people. */
  message: string;
  /** A name that is not there, and those that are: the nearest is looked for when the finding is shown. */
  unknown?: { name: string; among: () => Iterable<string> };
}

/** An error for which AWS's words say enough. */
export function wrongAt(path: Path, fault: string): Finding {
  return { path, at: "value", severity: "error", fault, message: fault.replace(/^Template (?:format )?error: /, "") };
}

/** What AWS takes and Mikan does not run yet. */
export function unsupportedAt(path: Path, fault: string): Finding {
  const message = `${fault.replace(/ in CloudFormation templates yet\.$/, "")}, which AWS has`;
  return { path, at: "value", severity: "unsupported", fault, message };
}

/** `Resources.Function.Properties.Layers[0]` */
export function pathText(path: Path): string {
  return path.map((step, at) => (typeof step === "number" ? `[${step}]` : at === 0 ? step : `.${step}`)).join("");
}

/** The message with the name that was perhaps meant. */
export function messageOf({ message, unknown }: Finding): string {
  const nearest = unknown === undefined ? undefined : nearestOf(unknown.name, unknown.among());
  return nearest === undefined ? message : `${message}; did you mean ${nearest}?`;
}
