/** The faults of Elastic Load Balancing, and the words that several of its operations refuse with. */
import type { Fault } from "../../base/errors.ts";
import { compileRegex, RegexRefused, type Regex } from "../../base/regex.ts";
import { faults } from "../../kit/faults.ts";

/** The types of the official client, by which handlers, faults and shapes are named. */
export type Elb = typeof import("@aws-sdk/client-elastic-load-balancing-v2");

export const fault = faults<Elb>();

/** What AWS checks without modelling it: `ValidationError`. */
export const invalid = (message: string): Fault => fault("ValidationError", message);

/** A setting that would change what the load balancer does, and that nothing acts on: never a silent success. */
export const notRun = (what: string): Fault => invalid(`Mikan does not run ${what} yet.`);

/** Compiles the regular expression of a rule as the edge will; throws `ValidationError` for what it does not run. */
export function checkRegex(text: string): Regex {
  try {
    return compileRegex(text);
  } catch (error) {
    if (!(error instanceof RegexRefused)) throw error;
    throw invalid(`The regular expression '${text}' is not valid: ${error.message}`);
  }
}

export const loadBalancerNotFound = (arn: string): Fault =>
  fault("LoadBalancerNotFoundException", `Load balancer '${arn}' not found`);
export const listenerNotFound = (): Fault => fault("ListenerNotFoundException", "One or more listeners not found");
export const ruleNotFound = (): Fault => fault("RuleNotFoundException", "One or more rules not found");
export const targetGroupNotFound = (): Fault =>
  fault("TargetGroupNotFoundException", "One or more target groups not found");
