/** Whether a function exists, and lets the load balancer invoke it: asked of Lambda when it is registered. */
import { parseArn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import { authorize, type PolicyDocument } from "../../kit/authorize.ts";
import type { Call } from "../../kit/call.ts";
import type { Peers } from "../../kit/peers.ts";
import { elbPrincipal } from "./functions.ts";
import { fault } from "./refusals.ts";

interface FunctionName {
  /** Without the version or alias. */
  FunctionName: string;
  Qualifier?: string;
}

/** Reads a function's ARN. The function must be of the same account and region as the target group. */
function functionNameOf(call: Call, arn: string): FunctionName {
  const parsed = parseArn(arn);
  const [kind, name, qualifier, ...rest] = parsed?.resource.split(":") ?? [];
  if (parsed?.service !== "lambda" || kind !== "function" || !name || rest.length > 0) {
    throw fault("InvalidTargetException", `The Lambda function ARN '${arn}' is not valid`);
  }
  if (parsed.account !== call.account || parsed.region !== call.region) {
    throw fault(
      "InvalidTargetException",
      `The Lambda function '${arn}' must be in the same account and Region as the target group`,
    );
  }
  return { FunctionName: name, ...(qualifier === undefined ? {} : { Qualifier: qualifier }) };
}

async function policyOf(peers: Pick<Peers, "lambda">, call: Call, name: FunctionName) {
  try {
    const { Policy } = await peers.lambda.GetPolicy(name, call);
    // Lambda wrote it: a policy document as JSON.
    return Policy === undefined ? undefined : (JSON.parse(Policy) as PolicyDocument);
  } catch (error) {
    if (isFault(error, "ResourceNotFoundException")) return undefined;
    throw error;
  }
}

/**
 * Throws `InvalidTarget` for a function that is not there, and `AccessDenied` for one whose resource policy does not
 * let `elasticloadbalancing.amazonaws.com` invoke it from `targetGroupArn`.
 */
export async function checkInvokable(
  peers: Pick<Peers, "lambda">,
  call: Call,
  targetGroupArn: string,
  functionArn: string,
): Promise<void> {
  const name = functionNameOf(call, functionArn);
  try {
    await peers.lambda.GetFunction(name, call);
  } catch (cause) {
    if (!isFault(cause, "ResourceNotFoundException")) throw cause;
    throw fault("InvalidTargetException", `The Lambda function '${functionArn}' does not exist`, {}, { cause });
  }
  const allowed = authorize({
    principal: { kind: "service", service: elbPrincipal, sourceArn: targetGroupArn, sourceAccount: call.account },
    action: "lambda:InvokeFunction",
    arn: functionArn,
    context: { "AWS:SourceArn": targetGroupArn, "AWS:SourceAccount": call.account },
    policy: await policyOf(peers, call, name),
  });
  if (allowed) return;
  throw fault(
    "AccessDenied",
    `elasticloadbalancing principal does not have permission to invoke ${functionArn} from target group ${targetGroupArn}`,
  );
}
