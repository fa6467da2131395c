/** The `Rules` of a template: what must hold of its parameters. Source: user guide, "CloudFormation template Rules syntax". */
import { invalid, unsupported } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import { isList, isMap, isScalar, member, onlyMember, textOf, type Json, type JsonObject } from "./json.ts";

/** Throws for the first assertion that does not hold. Functions are those of rules; values are those of the scope. */
export function checkRules(rules: JsonObject, scope: Scope): void {
  for (const [name, rule] of Object.entries(rules)) {
    if (!isMap(rule)) throw invalid(`Template format error: Rule ${name} must be an object.`);
    const unknown = Object.keys(rule).find((key) => key !== "RuleCondition" && key !== "Assertions");
    const assertions = member(rule, "Assertions");
    if (unknown !== undefined || !isList(assertions)) {
      throw invalid(`Template format error: Rule ${name} must have Assertions, and perhaps a RuleCondition.`);
    }
    const condition = member(rule, "RuleCondition");
    if (condition !== undefined && !holds(condition, scope)) continue;
    for (const assertion of assertions) checkAssertion(name, assertion, scope);
  }
}

function checkAssertion(name: string, assertion: Json, scope: Scope): void {
  const expression = isMap(assertion) ? member(assertion, "Assert") : undefined;
  if (!isMap(assertion) || expression === undefined) {
    throw invalid(`Template format error: Every assertion of rule ${name} must have an Assert.`);
  }
  if (holds(expression, scope)) return;
  const description = member(assertion, "AssertDescription");
  throw invalid(
    `Template error: rule ${name} failed: ${isScalar(description) ? textOf(description) : JSON.stringify(expression)}`,
  );
}

const functions: Record<string, (operands: readonly Json[], scope: Scope) => boolean> = {
  "Fn::And": (operands, scope) => operands.every((operand) => holds(operand, scope)),
  "Fn::Or": (operands, scope) => operands.some((operand) => holds(operand, scope)),
  "Fn::Not": ([operand], scope) => operand !== undefined && !holds(operand, scope),
  "Fn::Equals": ([left, right], scope) => textIn(left, scope) === textIn(right, scope),
  "Fn::Contains": ([list, value], scope) => textsIn(list, scope).includes(textIn(value, scope)),
  "Fn::EachMemberEquals": ([list, value], scope) => textsIn(list, scope).every((item) => item === textIn(value, scope)),
  "Fn::EachMemberIn": ([list, allowed], scope) => {
    const among = new Set(textsIn(allowed, scope));
    return textsIn(list, scope).every((item) => among.has(item));
  },
};

/** Functions of rules that look into the account, or at a tag of a parameter's resource. */
const later = new Set(["Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"]);

function holds(expression: Json, scope: Scope): boolean {
  const [name = "", argument] = onlyMember(expression) ?? [];
  const body = JSON.stringify(expression);
  for (const function_ of later) if (body.includes(`"${function_}"`)) throw unsupported(function_);
  const apply = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (apply === undefined || !isList(argument)) {
    throw invalid(
      `Template validation error: ${name === "" ? body : name} is not a function of rules with a list of operands`,
    );
  }
  return apply(argument, scope);
}

function valueIn(operand: Json | undefined, scope: Scope): Json {
  return (operand === undefined ? undefined : evaluate(operand, scope)) ?? "";
}

function textIn(operand: Json | undefined, scope: Scope): string {
  const value = valueIn(operand, scope);
  return isScalar(value) ? textOf(value) : JSON.stringify(value);
}

function textsIn(operand: Json | undefined, scope: Scope): readonly string[] {
  const value = valueIn(operand, scope);
  return isList(value) ? value.map((item) => textIn(item, scope)) : [textIn(value, scope)];
}
