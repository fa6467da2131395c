/** Static websites: a bucket as `<bucket>.s3-website.localhost` shows it. Source: S3 user guide, "Hosting a static website". */
import type { Body, HttpResponse } from "../../base/http.ts";
import { isFault } from "../../base/errors.ts";
import { formatArn } from "../../base/arn.ts";
import { matchesGlob } from "../../kit/authorize.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx } from "../../store/store.ts";
import { checkRead, rangeOf } from "./conditions.ts";
import { cut, piecesOf, readPieces, type Piece, type Readable } from "./content.ts";
import { fault } from "./faults.ts";
import type { Settings } from "./settings-of.ts";
import { putSetting, readSetting, removeSetting } from "./settings.ts";
import { findBucket, settingOf, type Bucket, type Version } from "./tables.ts";
import { newestVersion, visible } from "./versions.ts";

type Website = Settings["website"];
type RoutingRule = NonNullable<Website["RoutingRules"]>[number];

export function websiteOperations(deps: Deps) {
  return {
    async PutBucketWebsite(input, call) {
      checkWebsite(input.WebsiteConfiguration);
      await putSetting(deps, input.Bucket, "website", input.WebsiteConfiguration, call);
      return {};
    },
    async GetBucketWebsite(input, call) {
      const website = await readSetting(deps, input.Bucket, "website", call);
      if (website !== undefined) return website;
      throw fault("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration", {
        BucketName: input.Bucket,
      });
    },
    async DeleteBucketWebsite(input, call) {
      await removeSetting(deps, input.Bucket, "website", call);
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

export function checkWebsite({ IndexDocument, RedirectAllRequestsTo, RoutingRules }: Website): void {
  if (RedirectAllRequestsTo !== undefined) return;
  const suffix = IndexDocument?.Suffix ?? "";
  if (suffix === "" || suffix.includes("/"))
    throw fault("InvalidArgument", "The IndexDocument Suffix is not well formed");
  for (const { Redirect } of RoutingRules ?? []) {
    if (Redirect.ReplaceKeyWith !== undefined && Redirect.ReplaceKeyPrefixWith !== undefined) {
      throw fault("InvalidRequest", "You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
    }
  }
}

/** Where a redirect leads; parts that it does not name stay as they are. */
export function redirectTo(rule: RoutingRule, key: string, scheme: string, host: string) {
  const { HostName, HttpRedirectCode, Protocol, ReplaceKeyPrefixWith, ReplaceKeyWith } = rule.Redirect;
  const prefix = rule.Condition?.KeyPrefixEquals ?? "";
  const target =
    ReplaceKeyWith ?? (ReplaceKeyPrefixWith === undefined ? key : ReplaceKeyPrefixWith + key.slice(prefix.length));
  const path = target.split("/").map(encodeURIComponent).join("/");
  return { status: Number(HttpRedirectCode ?? 301), location: `${Protocol ?? scheme}://${HostName ?? host}/${path}` };
}

const ruleFor = (website: Website, key: string, status: number | undefined) =>
  website.RoutingRules?.find(({ Condition }) => {
    const code = Condition?.HttpErrorCodeReturnedEquals;
    return (
      key.startsWith(Condition?.KeyPrefixEquals ?? "") && code === (status === undefined ? undefined : String(status))
    );
  });

export interface Visit {
  Bucket: string;
  method: string;
  scheme: string;
  host: string;
  /** As sent, without the query. */
  path: string;
  ifNoneMatch: string | undefined;
  ifModifiedSince: Date | undefined;
  range?: string | undefined;
}

interface Page {
  version: Version;
  pieces: Piece[];
}
/** What a key comes to: a page, another place, or an error. */
type Found = { page: Page } | { location: string; status: number } | { code: string; message: string; status: number };

/** Everybody may do that with it: the bucket's policy says so, and nothing denies it. */
export function isPublicly(policy: string | undefined, action: string, arn: string): boolean {
  if (policy === undefined) return false;
  const { Statement } = JSON.parse(policy) as { Statement: unknown };
  const statements = (Array.isArray(Statement) ? Statement : [Statement]) as Record<string, unknown>[];
  const matching = statements.filter(
    (statement) =>
      statement["Condition"] === undefined &&
      listOf(statement["Action"]).some((pattern) => matchesGlob(pattern.toLowerCase(), action.toLowerCase())) &&
      listOf(statement["Resource"]).some((pattern) => matchesGlob(pattern, arn)) &&
      isEverybody(statement["Principal"]),
  );
  const denies = statements.some((statement) => statement["Effect"] === "Deny" && statement["Condition"] !== undefined);
  return !denies && matching.length > 0 && matching.every((statement) => statement["Effect"] === "Allow");
}

function listOf(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all.filter((item) => typeof item === "string");
}

function isEverybody(principal: unknown): boolean {
  if (principal === "*") return true;
  return (
    typeof principal === "object" && principal !== null && "AWS" in principal && listOf(principal.AWS).includes("*")
  );
}

async function pageAt(tx: ReadTx, bucket: Bucket, key: string): Promise<Page | undefined> {
  const version = visible(await newestVersion(tx, bucket, key));
  return version === undefined ? undefined : { version, pieces: await piecesOf(tx, version) };
}

interface Site {
  bucket: Bucket;
  website: Website;
  policy: string | undefined;
}

const denied = { code: "AccessDenied", message: "Access Denied", status: 403 };
const arnOf = (resource: string) => formatArn({ service: "s3", region: "", account: "", resource });

async function resolve(tx: ReadTx, { bucket, website, policy }: Site, path: string): Promise<Found> {
  const index = website.IndexDocument?.Suffix ?? "index.html";
  const asked = path.slice(1);
  const key = asked === "" || asked.endsWith("/") ? asked + index : asked;
  if (!isPublicly(policy, "s3:GetObject", arnOf(`${bucket.name}/${key}`))) return denied;
  const page = await pageAt(tx, bucket, key);
  if (page !== undefined) {
    const elsewhere = page.version.headers["WebsiteRedirectLocation"];
    return elsewhere === undefined ? { page } : { location: elsewhere, status: 301 };
  }
  if (key === asked && (await pageAt(tx, bucket, `${asked}/${index}`)) !== undefined) {
    return { location: `${path.split("/").map(encodeURIComponent).join("/")}/`, status: 302 };
  }
  // Who may not list a bucket is not told what is missing from it.
  if (!isPublicly(policy, "s3:ListBucket", arnOf(bucket.name))) return denied;
  return { code: "NoSuchKey", message: "The specified key does not exist.", status: 404 };
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function errorPage(status: number, code: string, message: string): HttpResponse {
  const title = `${status} ${status === 403 ? "Forbidden" : status === 404 ? "Not Found" : status === 416 ? "Requested Range Not Satisfiable" : "Error"}`;
  const html = `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n<li>Code: ${escaped(code)}</li>\n<li>Message: ${escaped(message)}</li>\n</ul>\n</body>\n</html>\n`;
  return { status, headers: ["Content-Type", "text/html; charset=utf-8"], body: Buffer.from(html) };
}

const redirection = (status: number, location: string): HttpResponse => ({
  status,
  headers: ["Location", location, "Content-Length", "0"],
  body: undefined,
});

/** The internal operation `s3:Visit`: a request of a browser, answered with a page. */
export function websiteVisits({ store, reading }: Readable) {
  const pageResponse = (status: number, { version, pieces }: Page, asked?: string): HttpResponse => {
    const range = rangeOf(asked, version.size_bytes);
    const { start, end } = range ?? { start: 0, end: version.size_bytes };
    const body: Body = end === start ? new Uint8Array(0) : readPieces({ store, reading }, cut(pieces, start, end));
    const { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage } = version.headers;
    const kept = Object.entries({
      "Cache-Control": CacheControl,
      "Content-Disposition": ContentDisposition,
      "Content-Encoding": ContentEncoding,
      "Content-Language": ContentLanguage,
    }).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
    const headers = [
      "Content-Type",
      version.content_type,
      "Content-Length",
      String(end - start),
      ...(range === undefined ? [] : ["Content-Range", `bytes ${start}-${end - 1}/${version.size_bytes}`]),
      "Accept-Ranges",
      "bytes",
      "ETag",
      `"${version.etag}"`,
      "Last-Modified",
      new Date(version.modified_ms).toUTCString(),
      ...kept,
    ];
    return { status: range === undefined ? status : 206, headers, body };
  };

  const visit = async (request: Visit): Promise<HttpResponse> => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return errorPage(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    }
    let path: string;
    try {
      path = decodeURIComponent(request.path);
    } catch (cause) {
      if (!(cause instanceof URIError)) throw cause;
      return errorPage(400, "InvalidURI", "Couldn't parse the specified URI.");
    }
    const outcome = await store.read(async (tx) => {
      const bucket = await findBucket(tx, request.Bucket);
      if (bucket === undefined) return errorPage(404, "NoSuchBucket", "The specified bucket does not exist");
      const website = await settingOf(tx, bucket, "website");
      if (website === undefined) {
        return errorPage(
          404,
          "NoSuchWebsiteConfiguration",
          "The specified bucket does not have a website configuration",
        );
      }
      const all = website.RedirectAllRequestsTo;
      if (all !== undefined) {
        return redirection(301, `${all.Protocol ?? request.scheme}://${all.HostName}${request.path}`);
      }
      const key = path.slice(1);
      const before = ruleFor(website, key, undefined);
      if (before !== undefined) {
        const { status, location } = redirectTo(before, key, request.scheme, request.host);
        return redirection(status, location);
      }
      const site = { bucket, website, policy: await settingOf(tx, bucket, "policy") };
      const found = await resolve(tx, site, path);
      if ("location" in found) return redirection(found.status, found.location);
      if ("page" in found) return { page: found.page };
      const after = ruleFor(website, key, found.status);
      if (after !== undefined) {
        const { status, location } = redirectTo(after, key, request.scheme, request.host);
        return redirection(status, location);
      }
      const document = website.ErrorDocument?.Key;
      const open =
        document !== undefined && isPublicly(site.policy, "s3:GetObject", arnOf(`${bucket.name}/${document}`));
      const own = open ? await pageAt(tx, bucket, document) : undefined;
      return own === undefined ? errorPage(found.status, found.code, found.message) : pageResponse(found.status, own);
    });
    if (!("page" in outcome)) return outcome;
    try {
      checkRead({ IfNoneMatch: request.ifNoneMatch, IfModifiedSince: request.ifModifiedSince }, outcome.page.version);
    } catch (error) {
      if (!isFault(error, "NotModified")) throw error;
      return { status: 304, headers: ["ETag", `"${outcome.page.version.etag}"`], body: undefined };
    }
    try {
      return pageResponse(200, outcome.page, request.range);
    } catch (error) {
      if (!isFault(error, "InvalidRange")) throw error;
      return errorPage(416, "InvalidRange", error.message);
    }
  };

  return {
    async Visit(request: Visit): Promise<HttpResponse> {
      const response = await visit(request);
      return request.method === "HEAD" ? { ...response, body: undefined } : response;
    },
  };
}
