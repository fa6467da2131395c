/** What IAM checks of a policy document before it stores it. Source: IAM guide, "Grammar of the IAM JSON policy language". */
import { faults } from "../../kit/faults.ts";

const fault = faults<typeof import("@aws-sdk/client-iam")>();

function parsed(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw fault("MalformedPolicyDocumentException", "This policy contains invalid Json", {}, { cause });
  }
}

/** Throws `MalformedPolicyDocument` unless `document` is a policy: a version that exists, and statements with an effect. */
export function checkPolicy(document: string): void {
  const policy = parsed(document);
  if (typeof policy !== "object" || policy === null || !("Statement" in policy)) {
    throw fault("MalformedPolicyDocumentException", "Missing required field Statement");
  }
  if ("Version" in policy && policy.Version !== "2012-10-17" && policy.Version !== "2008-10-17") {
    throw fault("MalformedPolicyDocumentException", "The policy must contain a valid version string");
  }
  const statements: unknown[] = Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement];
  for (const statement of statements) {
    if (typeof statement !== "object" || statement === null || !("Effect" in statement)) {
      throw fault("MalformedPolicyDocumentException", "Missing required field Effect");
    }
    if (statement.Effect !== "Allow" && statement.Effect !== "Deny") {
      throw fault("MalformedPolicyDocumentException", `Invalid effect: ${String(statement.Effect)}`);
    }
    if (!("Action" in statement) && !("NotAction" in statement)) {
      throw fault("MalformedPolicyDocumentException", "Policy statement must contain actions.");
    }
  }
}
