/** Buckets as they are now, in the shape of their templates: what drift detection compares. */
import type { Call } from "../../kit/call.ts";
import {
  asProperties,
  unlessAbsent,
  type Comparison,
  type JsonObject,
  type ResourceRequest,
  type ResourceState,
} from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";

type ReadDeps = Pick<Deps, "peers">;
type Request = ResourceRequest & ResourceState;

/** What a bucket is made with and nothing changes; or what is the same in two ways of writing it. */
export const bucketComparison = {
  AccessControl: "unread",
  ExpirationDate: "unread",
  ObjectLockConfiguration: "unread",
  ObjectLockEnabled: "unread",
  RoutingRules: "ordered",
} as const satisfies Comparison;

export function bucketReader({ peers: { s3 } }: ReadDeps) {
  return async ({ physicalId: Bucket }: Request, call: Call): Promise<JsonObject | undefined> => {
    const head = await unlessAbsent(s3.HeadBucket({ Bucket }, call), "NoSuchBucket", "NotFound");
    if (head === undefined) return undefined;
    const of = { Bucket };
    const read = <T>(reading: Promise<T>, code: string) => unlessAbsent(reading, code);
    const { Status } = await s3.GetBucketVersioning(of, call);
    const block = await read(s3.GetPublicAccessBlock(of, call), "NoSuchPublicAccessBlockConfiguration");
    const ownership = await read(s3.GetBucketOwnershipControls(of, call), "OwnershipControlsNotFoundError");
    const encryption = await read(s3.GetBucketEncryption(of, call), "ServerSideEncryptionConfigurationNotFoundError");
    const cors = await read(s3.GetBucketCors(of, call), "NoSuchCORSConfiguration");
    const lifecycle = await read(s3.GetBucketLifecycleConfiguration(of, call), "NoSuchLifecycleConfiguration");
    const website = await read(s3.GetBucketWebsite(of, call), "NoSuchWebsiteConfiguration");
    const notification = await s3.GetBucketNotificationConfiguration(of, call);
    const tagging = await read(s3.GetBucketTagging(of, call), "NoSuchTagSet");
    return asProperties({
      BucketName: Bucket,
      BucketEncryption: encryption && encryptionOf(encryption),
      CorsConfiguration: cors && { CorsRules: (cors.CORSRules ?? []).map(corsRule) },
      LifecycleConfiguration: lifecycle && { Rules: (lifecycle.Rules ?? []).map(lifecycleRule) },
      NotificationConfiguration: notificationsOf(notification),
      OwnershipControls: ownership?.OwnershipControls,
      PublicAccessBlockConfiguration: block?.PublicAccessBlockConfiguration,
      Tags: tagging?.TagSet ?? [],
      VersioningConfiguration: Status === undefined ? undefined : { Status },
      WebsiteConfiguration: website && websiteOf(website),
    });
  };
}

type S3 = Deps["peers"]["s3"];
type Answer<N extends keyof S3> = Awaited<ReturnType<S3[N]>>;
type Item<T> = NonNullable<T> extends readonly (infer I)[] ? I : never;

function encryptionOf({ ServerSideEncryptionConfiguration: configuration }: Answer<"GetBucketEncryption">) {
  const rules = (configuration?.Rules ?? []).map((rule) => ({
    ServerSideEncryptionByDefault: rule.ApplyServerSideEncryptionByDefault,
    BucketKeyEnabled: rule.BucketKeyEnabled,
  }));
  return { ServerSideEncryptionConfiguration: rules };
}

function corsRule({ ID, ExposeHeaders, MaxAgeSeconds, ...same }: Item<Answer<"GetBucketCors">["CORSRules"]>) {
  return { ...same, Id: ID, ExposedHeaders: ExposeHeaders, MaxAge: MaxAgeSeconds };
}

function lifecycleRule(rule: Item<Answer<"GetBucketLifecycleConfiguration">["Rules"]>) {
  const { And, Tag, Prefix = rule.Prefix, ObjectSizeGreaterThan: above, ObjectSizeLessThan: below } = rule.Filter ?? {};
  return {
    Id: rule.ID,
    Status: rule.Status,
    Prefix: And?.Prefix ?? Prefix ?? "",
    TagFilters: And?.Tags ?? (Tag === undefined ? [] : [Tag]),
    ObjectSizeGreaterThan: And?.ObjectSizeGreaterThan ?? above,
    ObjectSizeLessThan: And?.ObjectSizeLessThan ?? below,
    ExpirationInDays: rule.Expiration?.Days,
    ExpiredObjectDeleteMarker: rule.Expiration?.ExpiredObjectDeleteMarker,
    NoncurrentVersionExpiration: rule.NoncurrentVersionExpiration,
    NoncurrentVersionExpirationInDays: rule.NoncurrentVersionExpiration?.NoncurrentDays,
    AbortIncompleteMultipartUpload: rule.AbortIncompleteMultipartUpload,
  };
}

type Notifications = Answer<"GetBucketNotificationConfiguration">;
type Notification = Omit<Item<Notifications["LambdaFunctionConfigurations"]>, "LambdaFunctionArn">;

/** A template has one of them for each event. */
function notificationsFor(configuration: Notification, target: JsonObject) {
  const Rules = (configuration.Filter?.Key?.FilterRules ?? []).map(({ Name, Value }) => ({
    Name: Name?.toLowerCase(),
    Value,
  }));
  const Filter = Rules.length === 0 ? undefined : { S3Key: { Rules } };
  return (configuration.Events ?? []).map((Event) => ({ Event, Filter, ...target }));
}

const notificationsOf = (all: Notifications) => ({
  LambdaConfigurations: (all.LambdaFunctionConfigurations ?? []).flatMap((one) =>
    notificationsFor(one, { Function: one.LambdaFunctionArn ?? "" }),
  ),
  QueueConfigurations: (all.QueueConfigurations ?? []).flatMap((one) =>
    notificationsFor(one, { Queue: one.QueueArn ?? "" }),
  ),
  TopicConfigurations: (all.TopicConfigurations ?? []).flatMap((one) =>
    notificationsFor(one, { Topic: one.TopicArn ?? "" }),
  ),
});

function websiteOf(website: Answer<"GetBucketWebsite">) {
  return {
    IndexDocument: website.IndexDocument?.Suffix,
    ErrorDocument: website.ErrorDocument?.Key,
    RedirectAllRequestsTo: website.RedirectAllRequestsTo,
    RoutingRules: (website.RoutingRules ?? []).map(({ Redirect, Condition }) => ({
      RedirectRule: Redirect,
      RoutingRuleCondition: Condition,
    })),
  };
}

/** `AWS::S3::BucketPolicy`. */
export function bucketPolicyReader({ peers: { s3 } }: ReadDeps) {
  return async ({ physicalId: Bucket }: Request, call: Call): Promise<JsonObject | undefined> => {
    const found = await unlessAbsent(s3.GetBucketPolicy({ Bucket }, call), "NoSuchBucket", "NoSuchBucketPolicy");
    return found?.Policy === undefined ? undefined : { Bucket, PolicyDocument: found.Policy };
  };
}
