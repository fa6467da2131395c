/** What CloudFormation enforces and its API models do not say. Source: CloudFormation user guide, "Understand CloudFormation quotas". */

/** A template in the request itself, in bytes. */
export const templateBodyBytesMax = 51_200;
/** A template in S3, in bytes. */
export const templateUrlBytesMax = 1_048_576;
export const resourcesMax = 500;
export const parametersMax = 200;
export const outputsMax = 200;
export const mappingsMax = 200;
export const mappingAttributesMax = 200;
export const logicalIdLengthMax = 255;
export const parameterValueBytesMax = 4_096;
export const descriptionBytesMax = 1_024;
export const exportNameLengthMax = 255;
export const stackNameLengthMax = 128;
export const tagsMax = 50;
/** Dynamic references in one resource. Source: user guide, "Dynamic references", Considerations: 60 in a template. */
export const dynamicReferencesMax = 60;
/** Loops within loops of `Fn::ForEach`. Source: user guide, "Fn::ForEach". */
export const forEachNestingMax = 5;
/** A loop makes no more than a template may hold: 500 resources, or 200 outputs. */
export const forEachItemsMax = 500;
/** Levels of maps and lists. AWS documents none; deeper is an attack or an accident, and evaluation recurses. */
export const nestingMax = 64;
/** Characters that the functions of one resource may make: `Fn::Sub` and mappings can multiply text. */
export const evaluatedLengthMax = 2 * 1024 * 1024;

/** Findings that the fault of a wrong template shows; it counts the others. */
export const findingsShownMax = 30;

/** A stack policy, in bytes. Source: API reference, SetStackPolicy. */
export const stackPolicyBytesMax = 16_384;

/** Change sets that a stack may have at once. */
export const changeSetsMax = 1_000;

/** How long a deleted stack can still be asked for by its id. */
export const deletedStackMs = 90 * 24 * 3600_000;
/** Stacks that an account may have in a region (AWS's default quota). */
export const stacksMax = 2_000;
/** Stack operations under way in an account and region; more are throttled. */
export const stacksInProgressMax = 100;
/** Resources of one stack that are created or deleted at once. */
export const resourcesAtOnceMax = 32;
/** Stacks that this node drives at once; others wait their turn in the store. */
export const stacksDrivenMax = 64;
/** The longest that one resource may take to be created or deleted. */
export const resourceMsMax = 15 * 60_000;
/** The longest that drift detection waits for one resource to be read. */
export const resourceReadMsMax = 60_000;
/** Resources of one stack that drift detection reads at once. */
export const resourcesReadAtOnceMax = 8;
/** Stacks whose drift this node detects at once. */
export const driftDetectionsAtOnceMax = 4;
/** How long a drift detection can be asked for by its id. */
export const driftDetectionMs = 90 * 24 * 3600_000;

/** Transforms that one template may use; each is a call, and the request waits for all of them. */
export const transformsMax = 100;
/** An answer of a custom resource, and what is read of a longer one. Source: user guide, "Custom resource response objects". */
export const customResponseBytesMax = 4_096;
/** How long a custom resource may take by default and at most. Source: AWS::CloudFormation::CustomResource, ServiceTimeout. */
export const serviceTimeoutSecondsMax = 3_600;
/** Source: AWS::CloudFormation::WaitCondition, Timeout. */
export const waitTimeoutSecondsMax = 43_200;
/** Answers that are kept of one callback; a wait condition that counts further is refused. */
export const callbackAnswersMax = 1_000;

/** Rows on one page of a listing, as AWS's pages have them. */
export const pageSize = 100;

export const logicalIdPattern = /^[a-zA-Z0-9]+$/;
export const stackNamePattern = /^[a-zA-Z][-a-zA-Z0-9]*$/;
export const stackNameOrIdPattern = /^(?:[a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*)$/;
