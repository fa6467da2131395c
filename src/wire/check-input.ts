/** The constraints of an operation's input for those who call it without a request: CloudFormation's resources. */
import { Fault, must } from "../base/errors.ts";
import { checksOf, validationText, type Check, type Problem } from "./constraints.ts";
import { loadService } from "./model.ts";

const checks = checksOf();

/**
 * Checks what AWS models of an input: required members, lengths, ranges, patterns, enums. The members that are there
 * must have their types already.
 *
 * @throws Fault `ValidationException`, in the words that a request would be answered.
 * @example
 * checkInput("lambda", "PutFunctionConcurrency", { FunctionName: "map", ReservedConcurrentExecutions: -1 });
 */
export function checkInput(service: string, operation: string, input: object): void {
  const { input: structure } = must(loadService(service).operation(operation), `${service}:${operation}`);
  const check: Check | undefined = checks(structure);
  const problems: Problem[] = [];
  check?.(input, () => "", problems);
  if (problems.length > 0) throw new Fault("ValidationException", validationText(problems));
}
