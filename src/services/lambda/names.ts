/** How clients name a function: its name, a partial ARN or an ARN, each with or without a qualifier. */
import { formatArn } from "../../base/arn.ts";
import { Fault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { fault, invalid } from "./faults.ts";

export interface FunctionKey {
  account: string;
  region: string;
  name: string;
}

export interface FunctionRef extends FunctionKey {
  /** `$LATEST`, a version's number or an alias; absent when the function was named without one. */
  qualifier: string | undefined;
}

/** The version that is changed in place. */
export const latest = "$LATEST";

/** Source: API reference, Invoke, FunctionName. */
const form =
  /^(?:arn:aws[a-zA-Z-]*:lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_.]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$/;

/** What `text` and the member `Qualifier` name together. It may belong to another account; see {@link ownFunction}. */
export function functionRef(text: string, qualifier: string | undefined, call: Call): FunctionRef {
  const match = form.exec(text);
  const [, region = call.region, account = call.account, name, derived] = match ?? [];
  if (name === undefined) {
    throw fault(
      "ValidationException",
      `1 validation error detected: Value '${text}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ${form.source}`,
    );
  }
  if (region !== call.region) {
    throw fault(
      "ResourceNotFoundException",
      `Functions from '${region}' are not reachable in this region ('${call.region}')`,
    );
  }
  if (derived !== undefined && qualifier !== undefined && derived !== qualifier) {
    throw invalid("The derived qualifier from the function name does not match the specified qualifier.");
  }
  return { account, region, name, qualifier: qualifier ?? derived };
}

/** The same for operations that only the function's own account may call. */
export function ownFunction(text: string, qualifier: string | undefined, call: Call, operation: string): FunctionRef {
  const ref = functionRef(text, qualifier, call);
  if (ref.account === call.account) return ref;
  throw new Fault(
    "AccessDeniedException",
    `account ${call.account} is not authorized to perform: lambda:${operation} on resource: ${arnOf(ref)}`,
  );
}

/** The ARN as it was named: with the qualifier where there is one. */
export function arnOf({ account, region, name, qualifier }: FunctionKey & { qualifier?: string | undefined }): string {
  const suffix = qualifier === undefined ? "" : `:${qualifier}`;
  return formatArn({ service: "lambda", region, account, resource: `function:${name}${suffix}` });
}

/** The ARN of the function itself. */
export const unqualifiedArn = ({ account, region, name }: FunctionKey) => arnOf({ account, region, name });

/** One text for a function, for keys of maps. */
export const keyOf = ({ account, region, name }: FunctionKey) => `${account}/${region}/${name}`;

export const isVersionNumber = (qualifier: string) => /^[0-9]+$/.test(qualifier);
