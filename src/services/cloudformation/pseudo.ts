/** Pseudo parameters. Source: user guide, "Pseudo parameters reference". */
import type { Json } from "./json.ts";

export interface PseudoInput {
  account: string;
  region: string;
  stackId: string;
  stackName: string;
  notificationArns: readonly string[];
}

const values: Record<string, (input: PseudoInput) => Json> = {
  "AWS::AccountId": ({ account }) => account,
  "AWS::NotificationARNs": ({ notificationArns }) => notificationArns,
  // Evaluation leaves the property out before it asks for a value.
  "AWS::NoValue": () => "",
  "AWS::Partition": () => "aws",
  "AWS::Region": ({ region }) => region,
  "AWS::StackId": ({ stackId }) => stackId,
  "AWS::StackName": ({ stackName }) => stackName,
  "AWS::URLSuffix": () => "amazonaws.com",
};

export function isPseudoParameter(name: string): boolean {
  return Object.hasOwn(values, name);
}

/** The value of a pseudo parameter, or undefined when `name` is none. */
export function pseudoParameter(name: string, input: PseudoInput): Json | undefined {
  return isPseudoParameter(name) ? values[name]?.(input) : undefined;
}

/** Three zones in each region, as most of AWS's have; `Fn::GetAZs` and nothing else asks for them. */
export function availabilityZones(region: string): readonly string[] {
  return ["a", "b", "c"].map((letter) => region + letter);
}
