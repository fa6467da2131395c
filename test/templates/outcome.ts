/** What a stack has come to, in words that are the same whoever brought it there. */
import {
  DescribeStackDriftDetectionStatusCommand,
  DescribeStackResourceDriftsCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
  DetectStackDriftCommand,
} from "@aws-sdk/client-cloudformation";
import { expect } from "vitest";
import type { Place } from "./place.ts";

export interface Outcome {
  status: string;
  /** `LogicalId Type STATUS`, in their order. */
  resources: readonly string[];
  outputs: Readonly<Record<string, string>>;
}

/** What is made up for each stack: ids, suffixes of names, keys of uploaded code, ports. */
function withoutGenerated(text: string, { node }: Place): string {
  return text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replaceAll(/-[0-9A-Za-z]{12,13}(?![0-9A-Za-z])/g, "-<name>")
    .replaceAll(/(:secret:.*)-[0-9A-Za-z]{6}$/g, "$1-<name>")
    .replaceAll(/[0-9a-f]{16,}/g, "<id>")
    .replaceAll(String(node.port), "<node>")
    .replaceAll(/(?<=127\.0\.0\.1:)\d+/g, "<port>");
}

/** The end of the logical id that SAM makes of where the code lies. */
const withoutHash = (logicalId: string) => logicalId.replace(/[0-9a-f]{10}$/, "<hash>");

export async function outcomeOf(place: Place, StackName: string): Promise<Outcome> {
  const { cloudformation } = place.clients;
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  const { StackResources = [] } = await cloudformation.send(new DescribeStackResourcesCommand({ StackName }));
  const [stack] = Stacks ?? [];
  place.outputs = Object.fromEntries(
    (stack?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
  );
  const resources = StackResources.map(
    ({ LogicalResourceId = "", ResourceType, ResourceStatus }) =>
      `${withoutHash(LogicalResourceId)} ${ResourceType} ${ResourceStatus}`,
  );
  const outputs = Object.entries(place.outputs).map(([key, value]) => [key, withoutGenerated(value, place)] as const);
  return {
    status: stack?.StackStatus ?? "none",
    resources: resources.toSorted(),
    outputs: Object.fromEntries(outputs),
  };
}

async function beginDetection({ clients: { cloudformation } }: Place, StackName: string): Promise<string> {
  const { StackDriftDetectionId = "" } = await cloudformation.send(new DetectStackDriftCommand({ StackName }));
  return StackDriftDetectionId;
}

/** The resources that are not as the stack made them: `LogicalId: changed properties`. */
export async function driftOf(place: Place, StackName: string, begin = beginDetection): Promise<string[]> {
  const { cloudformation } = place.clients;
  const StackDriftDetectionId = await begin(place, StackName);
  const status = () => cloudformation.send(new DescribeStackDriftDetectionStatusCommand({ StackDriftDetectionId }));
  await expect.poll(async () => (await status()).DetectionStatus, { timeout: 20_000 }).toBe("DETECTION_COMPLETE");
  const { StackResourceDrifts = [] } = await cloudformation.send(new DescribeStackResourceDriftsCommand({ StackName }));
  const drifted = StackResourceDrifts.filter(
    ({ StackResourceDriftStatus }) => StackResourceDriftStatus === "MODIFIED" || StackResourceDriftStatus === "DELETED",
  ).map(({ LogicalResourceId, StackResourceDriftStatus, PropertyDifferences = [] }) =>
    [LogicalResourceId, StackResourceDriftStatus, ...PropertyDifferences.map(({ PropertyPath }) => PropertyPath)].join(
      " ",
    ),
  );
  const { StackDriftStatus } = await status();
  expect(StackDriftStatus).toBe(drifted.length === 0 ? "IN_SYNC" : "DRIFTED");
  return drifted.toSorted();
}
