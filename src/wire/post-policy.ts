/** The policy of a browser's upload, pure: what the form may say, and until when. Source: S3 API reference, "POST policy". */
import { Fault } from "../base/errors.ts";

/** A policy that has been found to allow a form. */
export interface AllowedLength {
  minBytes: number;
  maxBytes: number;
}

/** Fields that no condition has to name. */
const free = new Set(["policy", "x-amz-signature", "signature", "awsaccesskeyid", "file"]);

const invalid = (why: string) => new Fault("InvalidPolicyDocument", `Invalid Policy: ${why}`);
const denied = (why: string) => new Fault("AccessDenied", `Invalid according to Policy: ${why}`);

/**
 * Throws a fault unless the policy, in base64 as the form has it, is in force and allows every field; gives how long
 * the file may be. `fields` has names in lower case, and the bucket as `bucket`.
 */
export function checkPostPolicy(policy: string, fields: ReadonlyMap<string, string>, nowMs: number): AllowedLength {
  const { expiresMs, conditions } = parsed(policy);
  if (nowMs > expiresMs) throw denied("Policy expired.");
  const length = { minBytes: 0, maxBytes: Number.MAX_SAFE_INTEGER };
  const named = new Set<string>();
  for (const condition of conditions) {
    const [kind, name, value] = condition;
    if (kind === "content-length-range") {
      length.minBytes = Number(name);
      length.maxBytes = Number(value);
      if (!Number.isSafeInteger(length.minBytes) || !Number.isSafeInteger(length.maxBytes)) {
        throw invalid("Invalid 'content-length-range' condition.");
      }
      continue;
    }
    const field = String(name).replace(/^\$/, "").toLowerCase();
    named.add(field);
    const found = fields.get(field) ?? "";
    const holds = kind === "eq" ? found === value : found.startsWith(String(value));
    if (!holds) throw denied(`Policy Condition failed: ${JSON.stringify(condition)}`);
  }
  const extra = [...fields.keys()].find(
    (name) => !named.has(name) && !free.has(name) && name !== "bucket" && !name.startsWith("x-ignore-"),
  );
  if (extra !== undefined) throw denied(`Extra input fields: ${extra}`);
  return length;
}

type Condition = readonly [kind: "eq" | "starts-with" | "content-length-range", name: unknown, value: unknown];

function parsed(policy: string): { expiresMs: number; conditions: Condition[] } {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(policy, "base64").toString("utf8"));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid("Invalid JSON.");
  }
  if (typeof document !== "object" || document === null) throw invalid("Invalid JSON.");
  const expiration = "expiration" in document ? document.expiration : undefined;
  if (typeof expiration !== "string") throw invalid("Policy missing expiration.");
  const expiresMs = Date.parse(expiration);
  if (Number.isNaN(expiresMs)) throw invalid(`Invalid 'expiration' value: '${expiration}'`);
  const conditions = "conditions" in document ? document.conditions : undefined;
  if (!Array.isArray(conditions)) throw invalid("Policy missing conditions.");
  return { expiresMs, conditions: (conditions as unknown[]).flatMap(conditionsOf) };
}

function conditionsOf(item: unknown): Condition[] {
  if (Array.isArray(item)) {
    const [kind, name, value] = item as unknown[];
    const operator = String(kind).toLowerCase();
    if (item.length !== 3 || !isOperator(operator)) throw invalid("Invalid Condition.");
    return [[operator, name, operator === "content-length-range" ? value : String(value)]];
  }
  if (typeof item !== "object" || item === null) throw invalid("Invalid Condition.");
  return Object.entries(item).map(([name, value]) => ["eq", `$${name}`, String(value)]);
}

const isOperator = (name: string): name is Condition[0] =>
  name === "eq" || name === "starts-with" || name === "content-length-range";
