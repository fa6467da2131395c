/** Names of parameters: what may be one, what a caller may write for one, and where it lies in the hierarchy. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { fault, invalid, noParameter } from "./faults.ts";
import { levelsMax, nameCharactersMax } from "./limits.ts";
import type { Place } from "./tables.ts";

export const parameterArn = ({ account, region, name }: Place & { name: string }) =>
  formatArn({ service: "ssm", region, account, resource: `parameter${name.startsWith("/") ? "" : "/"}${name}` });

export function parentOf(name: string): string {
  const slash = name.lastIndexOf("/");
  return slash <= 0 ? "/" : name.slice(0, slash);
}

/** Source: API reference, PutParameter; the words are those that AWS answers. */
export function checkNewName(name: string): void {
  const path = name.replace(/^\//, "").toLowerCase();
  if (path.startsWith("aws")) throw fault("AccessDeniedException", `No access to reserved parameter name: ${name}.`);
  if (path.startsWith("ssm") || !/^\/?[a-zA-Z0-9_.-]+(\/[a-zA-Z0-9_.-]+)*$/.test(name)) {
    throw invalid(
      'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_',
    );
  }
  if (name.includes("/") && !name.startsWith("/")) throw invalid("Parameter name must be a fully qualified name.");
  if (name.length > nameCharactersMax) {
    throw invalid(`Parameter name must not be longer than ${nameCharactersMax} characters.`);
  }
  if (name.split("/").length - 1 > levelsMax) {
    throw fault(
      "HierarchyLevelLimitExceededException",
      `A hierarchy can have a maximum of ${levelsMax} levels. Parameter: ${name}`,
    );
  }
}

/** `name`, `name:3`, `name:label`, or an ARN with either, taken apart. */
export interface Selector {
  name: string;
  /** `:3`, as it is shown. */
  selector: string | undefined;
  version: number | undefined;
  label: string | undefined;
}

export function selectorOf(given: string, place: Place): Selector {
  const text = given.startsWith("arn:") ? ownName(given, place) : given;
  const [name = "", choice, ...rest] = text.split(":");
  if (rest.length > 0) throw invalid(`Invalid parameter name: ${given}`);
  if (choice === undefined) return { name, selector: undefined, version: undefined, label: undefined };
  const isVersion = /^\d{1,15}$/.test(choice);
  return {
    name,
    selector: `:${choice}`,
    version: isVersion ? Number(choice) : undefined,
    label: isVersion ? undefined : choice,
  };
}

/** The name inside an ARN: with its slash where it has more than one level. */
function ownName(given: string, { account, region }: Place): string {
  const arn = parseArn(given);
  const isOwn = arn?.service === "ssm" && arn.account === account && arn.region === region;
  if (!isOwn || !arn.resource.startsWith("parameter/")) throw noParameter(given);
  const path = arn.resource.slice("parameter/".length);
  return path.includes("/") ? `/${path}` : path;
}
