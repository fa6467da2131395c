/** Resource policies as their owners write them. */
import type { PolicyDocument, PolicyStatement } from "./authorize.ts";

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value: unknown): boolean =>
  typeof value === "string" || (Array.isArray(value) && value.every((item) => typeof item === "string"));

function isStatement(value: unknown): value is PolicyStatement {
  if (!isObject(value)) return false;
  const { Effect, Principal, Action, Resource = "*", Condition = {} } = value;
  const isPrincipal = Principal === "*" || (isObject(Principal) && Object.values(Principal).every(isTexts));
  const isEffect = Effect === "Allow" || Effect === "Deny";
  return isEffect && isPrincipal && isTexts(Action) && isTexts(Resource) && isObject(Condition);
}

/** Undefined for what is no policy. A statement without `Resource` is of all that the policy is of. */
export function readPolicy(text: string): PolicyDocument | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isObject(value)) return undefined;
  const { Statement, Version, Id } = value;
  const statements: unknown[] = Array.isArray(Statement) ? Statement : [Statement];
  if (!statements.every(isStatement)) return undefined;
  return {
    ...(typeof Version === "string" ? { Version } : {}),
    ...(typeof Id === "string" ? { Id } : {}),
    Statement: statements.map((statement) => ({ ...statement, Resource: statement.Resource ?? "*" })),
  };
}
