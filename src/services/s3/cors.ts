/** CORS: which pages a bucket lets in. Source: S3 user guide, "Using cross-origin resource sharing". */
import { matchesGlob } from "../../kit/authorize.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { fault } from "./faults.ts";
import type { CorsRule } from "./settings-of.ts";
import { putSetting, readSetting, removeSetting } from "./settings.ts";
import { findBucket, settingOf } from "./tables.ts";

const rulesMax = 100;
const methods = new Set(["GET", "PUT", "POST", "DELETE", "HEAD"]);

/** A page's request, or the browser's question before it. */
export interface CorsQuestion {
  Bucket: string;
  Origin: string;
  Method: string;
  /** Names of fields that the page wants to set; only the question before names them. */
  Headers: readonly string[];
}

/** The fields that let a page in; undefined when no rule does. */
export function corsAnswer(rules: readonly CorsRule[], question: CorsQuestion): string[] | undefined {
  const { Origin, Method, Headers } = question;
  for (const rule of rules) {
    const allowed = rule.AllowedOrigins.find((pattern) => matchesGlob(pattern.toLowerCase(), Origin.toLowerCase()));
    if (allowed === undefined || !rule.AllowedMethods.includes(Method)) continue;
    const patterns = (rule.AllowedHeaders ?? []).map((pattern) => pattern.toLowerCase());
    if (!Headers.every((name) => patterns.some((pattern) => matchesGlob(pattern, name.toLowerCase())))) continue;
    return [
      "Access-Control-Allow-Origin",
      allowed === "*" ? "*" : Origin,
      "Access-Control-Allow-Methods",
      rule.AllowedMethods.join(", "),
      ...(Headers.length === 0 ? [] : ["Access-Control-Allow-Headers", Headers.join(", ").toLowerCase()]),
      ...(rule.ExposeHeaders === undefined || rule.ExposeHeaders.length === 0
        ? []
        : ["Access-Control-Expose-Headers", rule.ExposeHeaders.join(", ")]),
      ...(rule.MaxAgeSeconds === undefined ? [] : ["Access-Control-Max-Age", String(rule.MaxAgeSeconds)]),
      ...(allowed === "*" ? [] : ["Access-Control-Allow-Credentials", "true"]),
      "Vary",
      "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    ];
  }
  return undefined;
}

export function checkCorsRules(rules: readonly CorsRule[]): CorsRule[] {
  if (rules.length === 0 || rules.length > rulesMax) {
    throw fault(
      "MalformedXML",
      "The XML you provided was not well-formed or did not validate against our published schema",
    );
  }
  for (const rule of rules) {
    const method = rule.AllowedMethods.find((name) => !methods.has(name));
    if (method !== undefined) {
      throw fault("InvalidRequest", `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`);
    }
    for (const [name, patterns] of [
      ["AllowedOrigin", rule.AllowedOrigins],
      ["AllowedHeader", rule.AllowedHeaders ?? []],
    ] as const) {
      const starred = patterns.find((pattern) => pattern.split("*").length > 2);
      if (starred !== undefined) {
        throw fault("InvalidRequest", `${name} "${starred}" can not have more than one wildcard.`);
      }
    }
  }
  return [...rules];
}

export function corsOperations(deps: Deps) {
  return {
    async PutBucketCors(input, call) {
      await putSetting(deps, input.Bucket, "cors", checkCorsRules(input.CORSConfiguration.CORSRules), call);
      return {};
    },
    async GetBucketCors(input, call) {
      const CORSRules = await readSetting(deps, input.Bucket, "cors", call);
      if (CORSRules !== undefined) return { CORSRules };
      throw fault("NoSuchCORSConfiguration", "The CORS configuration does not exist", { BucketName: input.Bucket });
    },
    async DeleteBucketCors(input, call) {
      await removeSetting(deps, input.Bucket, "cors", call);
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

/** The internal operation `s3:MatchCors`, for the front door: before anything is known of who asks. */
export function corsMatching({ store }: Pick<Deps, "store">) {
  return {
    async MatchCors(question: CorsQuestion): Promise<{ headers?: string[] }> {
      const rules = await store.read(async (tx) => {
        const bucket = await findBucket(tx, question.Bucket);
        return bucket === undefined ? undefined : settingOf(tx, bucket, "cors");
      });
      const headers = rules === undefined ? undefined : corsAnswer(rules, question);
      return headers === undefined ? {} : { headers };
    },
  };
}
