/** AWS::S3::Bucket's properties, as the operations that they stand for. Source: CloudFormation reference, "AWS::S3::Bucket". */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Json, JsonObject, ResourceRequest } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { configurationOperations } from "./configurations.ts";
import { corsOperations } from "./cors.ts";
import { fault } from "./faults.ts";
import { lifecycleOperations } from "./lifecycle.ts";
import { notificationOperations } from "./notifications.ts";
import { putSetting, readSetting, removeSetting } from "./settings.ts";
import type { SettingName } from "./settings-of.ts";
import { websiteOperations } from "./website.ts";

/** Another one fails the resource by name. */
export const bucketProperties = [
  "AccessControl",
  "BucketEncryption",
  "BucketName",
  "CorsConfiguration",
  "LifecycleConfiguration",
  "NotificationConfiguration",
  "OwnershipControls",
  "PublicAccessBlockConfiguration",
  "Tags",
  "VersioningConfiguration",
  "WebsiteConfiguration",
];

/** Reads one object of a template: each property that is asked for once, and refuses those that are left. */
function reader(value: Json | undefined, path: string) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${path} must be an object.`);
  const object = value as JsonObject;
  const asked = new Set<string>();
  const get = (name: string) => {
    asked.add(name);
    return object[name];
  };
  const scalar = (name: string) => {
    const found = get(name);
    if (found === undefined) return undefined;
    if (typeof found === "object") throw invalid(`${path}.${name} must be text.`);
    return String(found);
  };
  return {
    text: scalar,
    number(name: string) {
      const found = scalar(name);
      if (found === undefined) return undefined;
      const number = Number(found);
      if (!Number.isSafeInteger(number)) throw invalid(`${path}.${name} must be an integer.`);
      return number;
    },
    flag(name: string) {
      const found = scalar(name);
      return found === undefined ? undefined : found === "true";
    },
    list(name: string): readonly Json[] {
      const found = get(name) ?? [];
      if (!Array.isArray(found)) throw invalid(`${path}.${name} must be a list.`);
      return found as readonly Json[];
    },
    inner(name: string) {
      const found = get(name);
      return found === undefined ? undefined : reader(found, `${path}.${name}`);
    },
    readers(name: string) {
      return this.list(name).map((item, i) => reader(item, `${path}.${name}[${i}]`));
    },
    /** Nothing is left that was not asked for: what is not run is refused by name. */
    end() {
      const left = Object.keys(object).find((name) => !asked.has(name));
      if (left !== undefined) throw fault("NotImplemented", `Mikan does not implement ${path}.${left} yet.`);
    },
  };
}
type Reader = ReturnType<typeof reader>;

const invalid = (message: string) => fault("InvalidArgument", message);

/** The members that are there; `undefined` ones are not. */
function present<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function corsRule(rule: Reader) {
  const texts = (name: string) => rule.list(name).map(String);
  const read = present({
    ID: rule.text("Id"),
    AllowedHeaders: texts("AllowedHeaders"),
    AllowedMethods: texts("AllowedMethods"),
    AllowedOrigins: texts("AllowedOrigins"),
    ExposeHeaders: texts("ExposedHeaders"),
    MaxAgeSeconds: rule.number("MaxAge"),
  });
  rule.end();
  return read;
}

function lifecycleRule(rule: Reader) {
  const Tags = rule
    .readers("TagFilters")
    .map((tag) => ({ Key: tag.text("Key") ?? "", Value: tag.text("Value") ?? "" }));
  const date = rule.text("ExpirationDate");
  const Expiration = present({
    Days: rule.number("ExpirationInDays"),
    Date: date === undefined ? undefined : new Date(date),
    ExpiredObjectDeleteMarker: rule.flag("ExpiredObjectDeleteMarker"),
  });
  const noncurrent = rule.inner("NoncurrentVersionExpiration");
  const NoncurrentDays = noncurrent?.number("NoncurrentDays") ?? rule.number("NoncurrentVersionExpirationInDays");
  const NewerNoncurrentVersions = noncurrent?.number("NewerNoncurrentVersions");
  const abort = rule.inner("AbortIncompleteMultipartUpload");
  const Transitions = rule.readers("Transitions").map(transition);
  const NoncurrentVersionTransitions = rule.readers("NoncurrentVersionTransitions").map(noncurrentTransition);
  const read = present({
    ID: rule.text("Id"),
    Status: (rule.text("Status") ?? "Enabled") as "Enabled",
    Filter: {
      And: present({
        Prefix: rule.text("Prefix") ?? "",
        Tags,
        ObjectSizeGreaterThan: rule.number("ObjectSizeGreaterThan"),
        ObjectSizeLessThan: rule.number("ObjectSizeLessThan"),
      }),
    },
    Expiration: Object.keys(Expiration).length === 0 ? undefined : Expiration,
    NoncurrentVersionExpiration:
      NoncurrentDays === undefined ? undefined : present({ NoncurrentDays, NewerNoncurrentVersions }),
    AbortIncompleteMultipartUpload:
      abort === undefined ? undefined : present({ DaysAfterInitiation: abort.number("DaysAfterInitiation") }),
    Transitions,
    NoncurrentVersionTransitions,
  });
  noncurrent?.end();
  abort?.end();
  rule.end();
  return read;
}

function transition(item: Reader) {
  const date = item.text("TransitionDate");
  const read = present({
    StorageClass: item.text("StorageClass") as "GLACIER",
    Days: item.number("TransitionInDays"),
    Date: date === undefined ? undefined : new Date(date),
  });
  item.end();
  return read;
}

function noncurrentTransition(item: Reader) {
  const read = present({
    StorageClass: item.text("StorageClass") as "GLACIER",
    NoncurrentDays: item.number("TransitionInDays"),
    NewerNoncurrentVersions: item.number("NewerNoncurrentVersions"),
  });
  item.end();
  return read;
}

/** What the configurations of functions, queues and topics have in common. */
function notification(configuration: Reader, Id: string) {
  const key = configuration.inner("Filter")?.inner("S3Key");
  const FilterRules = (key?.readers("Rules") ?? []).map((rule) => ({
    Name: (rule.text("Name") ?? "").toLowerCase() as "prefix",
    Value: rule.text("Value") ?? "",
  }));
  const Events = [(configuration.text("Event") ?? "") as "s3:ObjectCreated:*"];
  key?.end();
  return { Id, Events, Filter: { Key: { FilterRules } } };
}

function notificationsOf(all: Reader | undefined) {
  const read = <T>(list: string, Id: string, target: (configuration: Reader) => T) =>
    (all?.readers(list) ?? []).map((configuration, number) => {
      const one = { ...notification(configuration, `${Id}-${number}`), ...target(configuration) };
      configuration.end();
      return one;
    });
  const asked = {
    LambdaFunctionConfigurations: read("LambdaConfigurations", "lambda", (one) => ({
      LambdaFunctionArn: one.text("Function") ?? "",
    })),
    QueueConfigurations: read("QueueConfigurations", "queue", (one) => ({ QueueArn: one.text("Queue") ?? "" })),
    TopicConfigurations: read("TopicConfigurations", "topic", (one) => ({ TopicArn: one.text("Topic") ?? "" })),
  };
  all?.end();
  return asked;
}

function websiteOf(website: Reader) {
  const all = website.inner("RedirectAllRequestsTo");
  const index = website.text("IndexDocument");
  const error = website.text("ErrorDocument");
  const RoutingRules = website.readers("RoutingRules").map((rule) => {
    const redirect = rule.inner("RedirectRule");
    const condition = rule.inner("RoutingRuleCondition");
    const read = present({
      Redirect: present({
        HostName: redirect?.text("HostName"),
        HttpRedirectCode: redirect?.text("HttpRedirectCode"),
        Protocol: redirect?.text("Protocol") as "http" | undefined,
        ReplaceKeyPrefixWith: redirect?.text("ReplaceKeyPrefixWith"),
        ReplaceKeyWith: redirect?.text("ReplaceKeyWith"),
      }),
      Condition:
        condition === undefined
          ? undefined
          : present({
              HttpErrorCodeReturnedEquals: condition.text("HttpErrorCodeReturnedEquals"),
              KeyPrefixEquals: condition.text("KeyPrefixEquals"),
            }),
    });
    redirect?.end();
    condition?.end();
    rule.end();
    return read;
  });
  const read = present({
    IndexDocument: index === undefined ? undefined : { Suffix: index },
    ErrorDocument: error === undefined ? undefined : { Key: error },
    RedirectAllRequestsTo:
      all === undefined
        ? undefined
        : present({ HostName: all.text("HostName") ?? "", Protocol: all.text("Protocol") as "http" | undefined }),
    RoutingRules: RoutingRules.length === 0 ? undefined : RoutingRules,
  });
  all?.end();
  website.end();
  return read;
}

function encryptionRule(rule: Reader) {
  const byDefault = rule.inner("ServerSideEncryptionByDefault");
  const read = present({
    ApplyServerSideEncryptionByDefault:
      byDefault === undefined
        ? undefined
        : present({
            SSEAlgorithm: byDefault.text("SSEAlgorithm") as "AES256",
            KMSMasterKeyID: byDefault.text("KMSMasterKeyID"),
          }),
    BucketKeyEnabled: rule.flag("BucketKeyEnabled"),
  });
  byDefault?.end();
  rule.end();
  return read;
}

type Request = Pick<ResourceRequest, "properties" | "tags">;

/** Makes a bucket's configurations what the properties say; idempotent. What a property no longer says is removed. */
export function bucketConfigurator(deps: Deps) {
  const { PutBucketVersioning, PutPublicAccessBlock, PutBucketOwnershipControls, PutBucketEncryption } =
    configurationOperations(deps);
  const { PutBucketCors } = corsOperations(deps);
  const { PutBucketLifecycleConfiguration } = lifecycleOperations(deps);
  const { PutBucketNotificationConfiguration } = notificationOperations(deps);
  const { PutBucketWebsite } = websiteOperations(deps);

  return async (Bucket: string, { properties, tags }: Request, call: Call): Promise<void> => {
    const all = reader(properties, "Properties");
    const access = all.text("AccessControl") ?? "Private";
    if (access !== "Private" && access !== "BucketOwnerFullControl") {
      throw fault("AccessControlListNotSupported", "The bucket does not allow ACLs");
    }
    const or = async (name: SettingName, put: Promise<object> | undefined) => {
      if (put === undefined) await removeSetting(deps, Bucket, name, call);
      else await put;
    };

    const versioning = all.inner("VersioningConfiguration");
    const former = await readSetting(deps, Bucket, "versioning", call);
    // Versioning cannot be taken away again, only suspended.
    const Status = versioning?.text("Status") ?? (former === undefined ? undefined : "Suspended");
    versioning?.end();
    if (Status !== undefined) {
      await PutBucketVersioning({ Bucket, VersioningConfiguration: { Status: Status as "Enabled" } }, call);
    }

    const block = all.inner("PublicAccessBlockConfiguration");
    const PublicAccessBlockConfiguration = present({
      BlockPublicAcls: block?.flag("BlockPublicAcls"),
      BlockPublicPolicy: block?.flag("BlockPublicPolicy"),
      IgnorePublicAcls: block?.flag("IgnorePublicAcls"),
      RestrictPublicBuckets: block?.flag("RestrictPublicBuckets"),
    });
    block?.end();
    await or("publicAccessBlock", block && PutPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration }, call));

    const ownership = all.inner("OwnershipControls")?.readers("Rules");
    const Rules = ownership?.map((rule) => ({ ObjectOwnership: rule.text("ObjectOwnership") as "ObjectWriter" }));
    await or("ownershipControls", Rules && PutBucketOwnershipControls({ Bucket, OwnershipControls: { Rules } }, call));

    const encryption = all.inner("BucketEncryption")?.readers("ServerSideEncryptionConfiguration").map(encryptionRule);
    const ServerSideEncryptionConfiguration = encryption && { Rules: encryption };
    await or(
      "encryption",
      ServerSideEncryptionConfiguration && PutBucketEncryption({ Bucket, ServerSideEncryptionConfiguration }, call),
    );

    const CORSRules = all.inner("CorsConfiguration")?.readers("CorsRules").map(corsRule);
    await or("cors", CORSRules && PutBucketCors({ Bucket, CORSConfiguration: { CORSRules } }, call));

    const lifecycle = all.inner("LifecycleConfiguration")?.readers("Rules").map(lifecycleRule);
    const LifecycleConfiguration = lifecycle && { Rules: lifecycle };
    await or(
      "lifecycle",
      LifecycleConfiguration && PutBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration }, call),
    );

    const website = all.inner("WebsiteConfiguration");
    const WebsiteConfiguration = website && websiteOf(website);
    await or("website", WebsiteConfiguration && PutBucketWebsite({ Bucket, WebsiteConfiguration }, call));

    const notifications = all.inner("NotificationConfiguration");
    const asked = { Bucket, NotificationConfiguration: notificationsOf(notifications) };
    await or("notification", notifications && PutBucketNotificationConfiguration(asked, call));

    const own = all.readers("Tags").map((tag) => [tag.text("Key") ?? "", tag.text("Value") ?? ""]);
    const allTags = { ...tags, ...(Object.fromEntries(own) as Record<string, string>) };
    await or("tagging", Object.keys(allTags).length === 0 ? undefined : putTags(Bucket, allTags, call));
  };

  async function putTags(bucket: string, tags: Record<string, string>, call: Call): Promise<object> {
    await putSetting(deps, bucket, "tagging", tags, call);
    return {};
  }
}

/** What is gone already is fine. */
export async function gone(deleting: Promise<unknown>): Promise<void> {
  try {
    await deleting;
  } catch (error) {
    if (!isFault(error, "NoSuchBucket")) throw error;
  }
}
