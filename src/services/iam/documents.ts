/**
 * What IAM checks of a policy document before it stores it, in IAM's words.
 * Source: IAM guide, "Grammar of the IAM JSON policy language" and "IAM and AWS STS quotas".
 */
import { faults } from "../../kit/faults.ts";
import { inlineCharactersMax, managedCharactersMax, trustCharactersMax } from "./limits.ts";

const fault = faults<typeof import("@aws-sdk/client-iam")>();
const malformed = (message: string, options?: ErrorOptions) =>
  fault("MalformedPolicyDocumentException", message, {}, options);

type Fields = Readonly<Record<string, unknown>>;

/** `identity`: on users, groups and roles, or managed. `trust`: who may assume a role. */
type Purpose = "identity" | "trust";

function parsed(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw malformed("This policy contains invalid Json", { cause });
  }
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

function checkKnown(fields: Fields, known: readonly string[]): void {
  if (!Object.keys(fields).every((name) => known.includes(name))) throw malformed("Syntax errors in policy.");
}

function textsOf(value: unknown): readonly string[] {
  const texts = listOf(value);
  if (!texts.every((text) => typeof text === "string")) throw malformed("Syntax errors in policy.");
  return texts;
}

const policyFields = ["Version", "Id", "Statement"];
const statementFields = [
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
];

function checkDocument(document: string, purpose: Purpose): void {
  const policy = parsed(document);
  if (!isObject(policy)) throw malformed("Syntax errors in policy.");
  checkKnown(policy, policyFields);
  if ("Version" in policy && policy["Version"] !== "2012-10-17" && policy["Version"] !== "2008-10-17") {
    throw malformed("The policy must contain a valid version string");
  }
  if (!("Statement" in policy)) throw malformed("Missing required field Statement");
  const statements = listOf(policy["Statement"]);
  const ids = new Set<unknown>();
  for (const statement of statements) {
    if (!isObject(statement)) throw malformed("Syntax errors in policy.");
    checkStatement(statement, purpose);
    const id = statement["Sid"];
    if (id === undefined || id === "") continue;
    if (ids.has(id)) throw malformed("Statement IDs (SID) in a single policy must be unique.");
    ids.add(id);
  }
}

function checkStatement(statement: Fields, purpose: Purpose): void {
  checkKnown(statement, statementFields);
  if (!("Effect" in statement)) throw malformed("Missing required field Effect");
  if (statement["Effect"] !== "Allow" && statement["Effect"] !== "Deny") {
    throw malformed(`Invalid effect: ${String(statement["Effect"])}`);
  }
  if ("Sid" in statement && typeof statement["Sid"] !== "string") throw malformed("Syntax errors in policy.");
  if ("Condition" in statement && !isObject(statement["Condition"])) throw malformed("Syntax errors in policy.");
  if ("Action" in statement === "NotAction" in statement) throw malformed("Policy statement must contain actions.");
  const actions = textsOf(statement["Action"] ?? statement["NotAction"]);
  if (actions.length === 0) throw malformed("Policy statement must contain actions.");
  if (purpose === "trust") checkTrust(statement, actions);
  else checkIdentity(statement, actions);
}

function checkIdentity(statement: Fields, actions: readonly string[]): void {
  if ("Principal" in statement || "NotPrincipal" in statement) {
    throw malformed("Policy document should not specify a principal.");
  }
  for (const action of actions) {
    if (action === "*") continue;
    if (!action.includes(":")) {
      throw malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    }
    const vendor = action.slice(0, action.indexOf(":"));
    if (!/^[a-zA-Z0-9-]+$/.test(vendor)) throw malformed(`Vendor ${vendor} is not valid`);
  }
  if ("Resource" in statement === "NotResource" in statement) {
    throw malformed("Policy statement must contain resources.");
  }
  const resources = textsOf(statement["Resource"] ?? statement["NotResource"]);
  if (resources.length === 0) throw malformed("Policy statement must contain resources.");
  for (const resource of resources) {
    if (resource === "*" || resource.startsWith("arn:")) continue;
    throw malformed(`Resource ${resource} must be in ARN format or "*".`);
  }
}

const principalTypes = ["AWS", "Service", "Federated", "CanonicalUser"];

function checkTrust(statement: Fields, actions: readonly string[]): void {
  if ("Resource" in statement || "NotResource" in statement) throw malformed("Has prohibited field Resource");
  if (!("Principal" in statement)) {
    if (!("NotPrincipal" in statement)) throw malformed("Missing required field Principal");
    // It would have to be evaluated to be true to what it says.
    throw malformed("Mikan does not evaluate NotPrincipal in trust policies; name the principals.");
  }
  const principal = statement["Principal"];
  if (principal !== "*") {
    if (!isObject(principal)) throw malformed("Syntax errors in policy.");
    checkKnown(principal, principalTypes);
    for (const names of Object.values(principal)) textsOf(names);
  }
  if ("NotAction" in statement || !actions.every((action) => action === "*" || /^sts:/i.test(action))) {
    throw malformed("AssumeRole policy may only specify STS AssumeRole actions.");
  }
}

const charactersOf = (document: string) => document.replace(/\s/g, "").length;

/** Checks the policy that says who may assume a role. */
export function checkTrustPolicy(document: string): void {
  checkDocument(document, "trust");
  if (charactersOf(document) > trustCharactersMax) {
    throw fault("LimitExceededException", `Cannot exceed quota for ACLSizePerRole: ${trustCharactersMax}`);
  }
}

/** Checks a managed policy. */
export function checkManagedPolicy(document: string): void {
  checkDocument(document, "identity");
  if (charactersOf(document) > managedCharactersMax) {
    throw fault("LimitExceededException", `Cannot exceed quota for PolicySize: ${managedCharactersMax}`);
  }
}

/** Checks a policy that is written into a user, a group or a role. */
export function checkInlinePolicy(document: string): void {
  checkDocument(document, "identity");
}

/** Throws unless all inline policies of an entity fit together. */
export function checkInlineSize(
  kind: keyof typeof inlineCharactersMax,
  name: string,
  inline: Readonly<Record<string, string>>,
): void {
  const max = inlineCharactersMax[kind];
  const total = Object.values(inline).reduce((sum, document) => sum + charactersOf(document), 0);
  if (total <= max) return;
  throw fault("LimitExceededException", `Maximum policy size of ${max} bytes exceeded for ${kind} ${name}`);
}
