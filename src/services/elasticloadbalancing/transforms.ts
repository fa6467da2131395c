/** Transforms of rules: how host and URL are rewritten. Checked, stored, shown, and written for the edge. Pure. */
import type { RewriteConfig, RuleTransform as SdkTransform } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Rewrites } from "../../edge/ports.ts";
import type { Received } from "../../kit/handlers.ts";
import { checkRegex, invalid } from "./refusals.ts";

/** A transform as it is stored. */
export interface RuleTransform {
  type: "host-header-rewrite" | "url-rewrite";
  regex: string;
  replace: string;
}

/** Source: API reference, RewriteConfig. */
const lengthMax = 1024;

function rewriteOf(type: RuleTransform["type"], given: Received<SdkTransform>): Received<RewriteConfig> {
  const [name, other, config, stray] =
    type === "host-header-rewrite"
      ? ([
          "HostHeaderRewriteConfig",
          "UrlRewriteConfig",
          given.HostHeaderRewriteConfig,
          given.UrlRewriteConfig,
        ] as const)
      : ([
          "UrlRewriteConfig",
          "HostHeaderRewriteConfig",
          given.UrlRewriteConfig,
          given.HostHeaderRewriteConfig,
        ] as const);
  if (stray !== undefined) throw invalid(`'${other}' cannot be specified for transforms of type '${type}'`);
  const [rewrite, ...more] = config?.Rewrites ?? [];
  if (rewrite === undefined)
    throw invalid(`A '${name}' with one rewrite must be specified for transforms of type '${type}'`);
  if (more.length > 0) throw invalid(`Transforms of type '${type}' can only have '1' rewrite`);
  return rewrite;
}

function transformOf(given: Received<SdkTransform>): RuleTransform {
  const { Type: type } = given;
  const { Regex: regex, Replace: replace } = rewriteOf(type, given);
  for (const [name, text] of Object.entries({ Regex: regex, Replace: replace })) {
    if (text.length > lengthMax) throw invalid(`The '${name}' value is too long; the limit is '${lengthMax}'`);
  }
  if (regex === "") throw invalid("A 'Regex' value must be specified");
  const { groups } = checkRegex(regex);
  for (const [reference, group] of replace.matchAll(/\$(\d)/g)) {
    if (Number(group) > groups)
      throw invalid(`The replacement names the group '${reference}', and there are '${groups}'`);
  }
  return { type, regex, replace };
}

/** The transforms of a rule in their stored form. Throws in AWS's words. */
export function transformsOf(given: readonly Received<SdkTransform>[] = []): RuleTransform[] {
  const transforms = given.map(transformOf);
  if (new Set(transforms.map(({ type }) => type)).size < transforms.length) {
    throw invalid("A rule can only have one transform of each type");
  }
  return transforms;
}

export const transformsText = (transforms: readonly RuleTransform[]): string | null =>
  transforms.length === 0 ? null : JSON.stringify(transforms);

export function storedTransforms({ transforms }: { transforms: string | null }): readonly RuleTransform[] {
  // Written by this service, by `transformsText`.
  return transforms === null ? [] : (JSON.parse(transforms) as RuleTransform[]);
}

/** A transform as DescribeRules shows it. */
export function describedTransform({ type, regex: Regex, replace: Replace }: RuleTransform): SdkTransform {
  const config = { Rewrites: [{ Regex, Replace }] };
  return type === "url-rewrite"
    ? { Type: type, UrlRewriteConfig: config }
    : { Type: type, HostHeaderRewriteConfig: config };
}

/** The same in the edge's words; undefined where nothing is rewritten. */
export function edgeRewrites(transforms: readonly RuleTransform[]): Rewrites | undefined {
  if (transforms.length === 0) return undefined;
  const rewrites: Rewrites = {};
  for (const { type, regex, replace } of transforms) {
    rewrites[type === "url-rewrite" ? "url" : "host"] = { regex, replace };
  }
  return rewrites;
}
