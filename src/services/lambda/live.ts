/** Lambda's resources as they are now, in the shape of their templates: what drift detection compares. */
import type { Call } from "../../kit/call.ts";
import {
  asProperties,
  pairsOf,
  unlessAbsent,
  type Comparison,
  type JsonObject,
  type ResourceRequest,
  type ResourceState,
} from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";

type ReadDeps = Pick<Deps, "peers">;
type Request = ResourceRequest & ResourceState;
type Read = (request: Request, call: Call) => Promise<JsonObject | undefined>;

const absent = "ResourceNotFoundException";

/** Code is not given back as it was put; the rest of these is refused, or another resource's. */
export const functionComparison = {
  Code: "unread",
  CodeSigningConfigArn: "unread",
  Layers: "ordered",
  Variables: "exact",
} as const satisfies Comparison;

export function functionReader({ peers }: ReadDeps): Read {
  return async ({ physicalId: FunctionName }, call) => {
    const found = await unlessAbsent(peers.lambda.GetFunction({ FunctionName }, call), absent);
    const configuration = found?.Configuration;
    if (found === undefined || configuration === undefined) return undefined;
    const { Layers = [], KMSKeyArn: KmsKeyArn, ImageConfigResponse, ...same } = configuration;
    return asProperties({
      ...same,
      ...found.Concurrency,
      ImageConfig: ImageConfigResponse?.ImageConfig,
      KmsKeyArn,
      Layers: Layers.map(({ Arn }) => Arn),
      Tags: pairsOf(found.Tags ?? {}),
    });
  };
}

export function aliasReader({ peers }: ReadDeps): Read {
  return async ({ physicalId, properties }, call) => {
    const name = { FunctionName: unqualified(physicalId), Name: physicalId.split(":")[7] ?? "" };
    const found = await unlessAbsent(peers.lambda.GetAlias(name, call), absent);
    const weights = Object.entries(found?.RoutingConfig?.AdditionalVersionWeights ?? {});
    const listed = weights.map(([FunctionVersion, FunctionWeight]) => ({ FunctionVersion, FunctionWeight }));
    const RoutingConfig = listed.length === 0 ? undefined : { AdditionalVersionWeights: listed };
    return found && asProperties({ ...found, RoutingConfig, FunctionName: properties["FunctionName"] });
  };
}

export function versionReader({ peers }: ReadDeps): Read {
  return async ({ physicalId: FunctionName, properties }, call) => {
    const found = await unlessAbsent(peers.lambda.GetFunctionConfiguration({ FunctionName }, call), absent);
    return found && asProperties({ ...found, FunctionName: properties["FunctionName"] });
  };
}

/** What of a statement's conditions is which property. */
const conditions: readonly (readonly [string, string])[] = [
  ["AWS:SourceAccount", "SourceAccount"],
  ["lambda:EventSourceToken", "EventSourceToken"],
  ["lambda:FunctionUrlAuthType", "FunctionUrlAuthType"],
  ["aws:PrincipalOrgID", "PrincipalOrgID"],
  ["AWS:SourceArn", "SourceArn"],
  ["lambda:InvokedViaFunctionUrl", "InvokedViaFunctionUrl"],
];

interface Statement {
  Sid?: string;
  Principal?: string | Record<string, string>;
  Action?: string;
  Condition?: Record<string, Record<string, string>>;
}

export function permissionReader({ peers }: ReadDeps): Read {
  return async ({ physicalId, properties }, call) => {
    const { FunctionName } = properties;
    if (typeof FunctionName !== "string") return undefined;
    const answer = await unlessAbsent(peers.lambda.GetPolicy({ FunctionName }, call), absent);
    if (answer?.Policy === undefined) return undefined;
    // Lambda's own text.
    const { Statement: statements } = JSON.parse(answer.Policy) as { Statement: readonly Statement[] };
    const statement = statements.find(({ Sid }) => Sid === physicalId);
    if (statement === undefined) return undefined;
    const { Action, Principal, Condition = {} } = statement;
    const given = Object.assign({}, ...Object.values(Condition)) as Record<string, string>;
    const told = conditions.map(([key, name]) => [name, given[key]]);
    return asProperties({ ...Object.fromEntries(told), Action, FunctionName, Principal: principalOf(Principal) });
  };
}

/** An account is written as its twelve digits, and kept as the ARN of its root. */
function principalOf(principal: Statement["Principal"]): string | undefined {
  if (typeof principal !== "object") return principal;
  const [text] = Object.values(principal);
  return /^arn:aws:iam::(\d{12}):root$/.exec(text ?? "")?.[1] ?? text;
}

/** The function's own ARN, of a version's or an alias's. */
function unqualified(arn: string): string {
  return arn.split(":").slice(0, 7).join(":");
}
