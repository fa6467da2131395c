/** What happens in a bucket, told to the functions, queues and topics that asked for it. Source: S3 user guide, "Event notification types" and "message structure". */
import { createHash } from "node:crypto";
import { formatArn, parseArn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import { serviceCall, type Call } from "../../kit/call.ts";
import type { DeliveryPolicy } from "../../kit/delivery.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import type { Tx } from "../../store/store.ts";
import { fault } from "./faults.ts";
import { kindOf, type TargetKind } from "./notification-targets.ts";
import { putSetting, readSetting } from "./settings.ts";
import type { NotificationTarget } from "./settings-of.ts";
import { settingOf, type Bucket, type Version } from "./tables.ts";
import { nullVersion } from "./versions.ts";

/** S3's event names, without `s3:`. */
export type EventName =
  | "ObjectCreated:Put"
  | "ObjectCreated:Post"
  | "ObjectCreated:Copy"
  | "ObjectCreated:CompleteMultipartUpload"
  | "ObjectRemoved:Delete"
  | "ObjectRemoved:DeleteMarkerCreated"
  | "ObjectTagging:Put"
  | "ObjectTagging:Delete"
  | "LifecycleExpiration:Delete"
  | "LifecycleExpiration:DeleteMarkerCreated";

/** Who causes an event: the call of a client, or the node itself. */
export type Cause = Pick<Call, "account" | "region" | "trace" | "requestId" | "principal">;

export interface Events {
  /** Writes, in the transaction of the change, what is to be delivered. */
  happened(tx: Tx, bucket: Bucket, name: EventName, version: Version, cause: Cause): Promise<void>;
}

/** A target is only asked to take the event; a day is time enough to bring it back. */
const policy: DeliveryPolicy = {
  retryDelaysMs: Array.from({ length: 12 }, (_, attempt) => Math.min(3600_000, 1_000 * 4 ** attempt)),
  maxAgeMs: 24 * 3600_000,
  throttles: ["TooManyRequestsException", "ServiceUnavailable"],
};
/** Source: S3 user guide, "Amazon S3 Event Notifications": 100 per bucket. */
const targetsMax = 100;

const bucketArn = (resource: string) => formatArn({ service: "s3", region: "", account: "", resource });
const principalOf = (bucket: Pick<Bucket, "name" | "account">) => ({
  kind: "service" as const,
  service: "s3.amazonaws.com",
  sourceArn: bucketArn(bucket.name),
  sourceAccount: bucket.account,
});

export function createEvents({ clock, delivery }: Pick<Deps, "clock" | "delivery">): Events {
  return {
    async happened(tx, bucket, name, version, cause) {
      const targets = await settingOf(tx, bucket, "notification");
      for (const target of targets ?? []) {
        const kind = kindOf(target.arn);
        if (kind === undefined || !wants(target, name, version.key)) continue;
        const record = recordOf(bucket, name, version, { cause, target, atMs: clock.now() });
        const keyHash = createHash("sha256").update(version.key).digest("base64url");
        const { account, region } = parseArn(target.arn) ?? bucket;
        await delivery.enqueue(tx, {
          target: kind.target,
          // A target that does not take them holds up no other.
          lane: { name: `s3:${target.arn}` },
          input: kind.inputOf(target.arn, JSON.stringify({ Records: [record] })),
          policy,
          key: `${cause.requestId}:${target.id}:${keyHash}:${version.rank}:${name}`,
          call: { account, region, trace: cause.trace },
          principal: principalOf(bucket),
        });
      }
    },
  };
}

function wants({ events, prefix, suffix }: NotificationTarget, name: EventName, key: string): boolean {
  if (!key.startsWith(prefix) || !key.endsWith(suffix)) return false;
  return events.some((event) => {
    const own = event.replace(/^s3:/, "");
    return own === name || (own.endsWith(":*") && name.startsWith(own.slice(0, -1)));
  });
}

interface Occasion {
  cause: Cause;
  target: NotificationTarget;
  atMs: number;
}

function recordOf(bucket: Bucket, eventName: EventName, version: Version, { cause, target, atMs }: Occasion) {
  const removed = eventName.startsWith("ObjectRemoved") || eventName.startsWith("LifecycleExpiration");
  const { principal } = cause;
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    awsRegion: bucket.region,
    eventTime: new Date(atMs).toISOString(),
    eventName,
    userIdentity: { principalId: principal.kind === "service" ? principal.service : `AWS:${principal.account}` },
    requestParameters: { sourceIPAddress: "127.0.0.1" },
    responseElements: { "x-amz-request-id": cause.requestId, "x-amz-id-2": cause.requestId },
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: target.id,
      bucket: { name: bucket.name, ownerIdentity: { principalId: bucket.account }, arn: bucketArn(bucket.name) },
      object: {
        key: encodeURIComponent(version.key).replaceAll("%2F", "/").replaceAll("%20", "+"),
        ...(removed ? {} : { size: version.size_bytes, eTag: version.etag }),
        ...(version.version_id === nullVersion ? {} : { versionId: version.version_id }),
        // Grows with each version of a key.
        sequencer: (Number.MAX_SAFE_INTEGER - version.rank).toString(16).toUpperCase().padStart(16, "0"),
      },
    },
  };
}

type Configuration = Received<
  InputOf<typeof import("@aws-sdk/client-s3"), "PutBucketNotificationConfiguration">
>["NotificationConfiguration"];

/** Two rules for the same event must not both take a key. */
export function checkOverlaps(targets: readonly NotificationTarget[]): void {
  const meet = (a: string, b: string) => a.startsWith(b) || b.startsWith(a);
  const meetAtEnd = (a: string, b: string) => a.endsWith(b) || b.endsWith(a);
  const sameEvent = (a: string, b: string) =>
    a === b || (a.endsWith(":*") && b.startsWith(a.slice(0, -1))) || (b.endsWith(":*") && a.startsWith(b.slice(0, -1)));
  for (const [i, one] of targets.entries()) {
    for (const other of targets.slice(i + 1)) {
      const events = one.events.some((a) => other.events.some((b) => sameEvent(a, b)));
      if (!events || !meet(one.prefix, other.prefix) || !meetAtEnd(one.suffix, other.suffix)) continue;
      throw fault(
        "InvalidArgument",
        "Configurations are ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
      );
    }
  }
}

/** What the configurations of functions, queues and topics have in common. */
interface Asked {
  Id?: string | undefined;
  Events: string[];
  Filter?: NonNullable<Configuration["LambdaFunctionConfigurations"]>[number]["Filter"];
}

/** The rule of one configuration. Throws S3's fault for what is none. */
function targetOf({ Id, Events, Filter }: Asked, arn: string, kind: TargetKind, newId: () => string) {
  const rules = Filter?.Key?.FilterRules ?? [];
  const valueOf = (wanted: string) =>
    rules.filter(({ Name }) => String(Name).toLowerCase() === wanted).map(({ Value }) => Value ?? "");
  const [prefixes, suffixes] = [valueOf("prefix"), valueOf("suffix")];
  if (prefixes.length > 1 || suffixes.length > 1 || prefixes.length + suffixes.length < rules.length) {
    throw fault("InvalidArgument", "filter rule name must be either prefix or suffix, each at most once");
  }
  const unknown = Events.find((event) => !/^s3:[A-Za-z]+:(\*|[A-Za-z]+)$|^s3:[A-Za-z]+$/.test(event));
  if (unknown !== undefined) throw fault("InvalidArgument", "The event is not supported for notifications");
  if (kindOf(arn)?.name !== kind) throw fault("InvalidArgument", "The ARN could not be parsed");
  return { id: Id ?? newId(), arn, events: Events, prefix: prefixes[0] ?? "", suffix: suffixes[0] ?? "" };
}

export function notificationOperations(deps: Deps) {
  const { ids, peers, clock } = deps;

  const targetsOf = (configuration: Configuration): NotificationTarget[] => {
    if (configuration.EventBridgeConfiguration !== undefined) throw notYet("EventBridgeConfiguration");
    const { LambdaFunctionConfigurations = [], QueueConfigurations = [], TopicConfigurations = [] } = configuration;
    const targets: NotificationTarget[] = [
      ...LambdaFunctionConfigurations.map((one) => targetOf(one, one.LambdaFunctionArn, "lambda", ids.uuid)),
      ...QueueConfigurations.map((one) => targetOf(one, one.QueueArn, "sqs", ids.uuid)),
      ...TopicConfigurations.map((one) => targetOf(one, one.TopicArn, "sns", ids.uuid)),
    ];
    if (targets.length > targetsMax) throw fault("InvalidArgument", `At most ${targetsMax} notifications are allowed.`);
    checkOverlaps(targets);
    return targets;
  };

  /** As AWS does: the target is there, and lets S3 in for this bucket. Asked of its service itself. */
  const validate = async ({ arn }: NotificationTarget, bucketName: string, call: Call) => {
    const [where, kind] = [parseArn(arn), kindOf(arn)];
    if (where === undefined || kind === undefined) throw fault("InvalidArgument", "The ARN could not be parsed");
    const asS3 = serviceCall(
      deps,
      where.account,
      where.region,
      principalOf({ name: bucketName, account: call.account }),
      {
        trace: call.trace,
        signal: call.signal,
        deadline: call.deadline,
      },
    );
    try {
      await kind.probe(peers, arn, testMessage(bucketName, clock.now(), call), asS3);
    } catch (cause) {
      if (!isFault(cause)) throw cause;
      throw fault(
        "InvalidArgument",
        "Unable to validate the following destination configurations",
        { ArgumentName: arn, ArgumentValue: cause.message },
        { cause },
      );
    }
  };

  return {
    async PutBucketNotificationConfiguration(input, call) {
      const targets = targetsOf(input.NotificationConfiguration);
      await readSetting(deps, input.Bucket, "notification", call);
      if (input.SkipDestinationValidation !== true) {
        for (const target of targets) await validate(target, input.Bucket, call);
      }
      await putSetting(deps, input.Bucket, "notification", targets, call);
      return {};
    },

    async GetBucketNotificationConfiguration(input, call) {
      const targets = (await readSetting(deps, input.Bucket, "notification", call)) ?? [];
      const of = (kind: TargetKind) => targets.filter(({ arn }) => kindOf(arn)?.name === kind);
      const [functions, queues, topics] = [of("lambda"), of("sqs"), of("sns")];
      return {
        ...(functions.length === 0
          ? {}
          : { LambdaFunctionConfigurations: functions.map((one) => ({ ...shown(one), LambdaFunctionArn: one.arn })) }),
        ...(queues.length === 0
          ? {}
          : { QueueConfigurations: queues.map((one) => ({ ...shown(one), QueueArn: one.arn })) }),
        ...(topics.length === 0
          ? {}
          : { TopicConfigurations: topics.map((one) => ({ ...shown(one), TopicArn: one.arn })) }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

function shown({ id, events, prefix, suffix }: NotificationTarget) {
  const FilterRules = [
    ...(prefix === "" ? [] : [{ Name: "prefix" as const, Value: prefix }]),
    ...(suffix === "" ? [] : [{ Name: "suffix" as const, Value: suffix }]),
  ];
  const Filter = FilterRules.length === 0 ? {} : { Filter: { Key: { FilterRules } } };
  return { Id: id, Events: events as "s3:ObjectCreated:*"[], ...Filter };
}

/** What AWS sends a queue or a topic when it is configured. Source: S3 user guide, "Event message structure". */
const testMessage = (Bucket: string, atMs: number, { requestId }: Call) =>
  JSON.stringify({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: new Date(atMs).toISOString(),
    Bucket,
    RequestId: requestId,
    HostId: requestId,
  });

const notYet = (name: string) => fault("NotImplemented", `Mikan does not implement ${name} of notifications yet.`);
