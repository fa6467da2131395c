/** Which image runs a zip function: AWS's own for its runtime, unless the operator names another. */

/** Source: Lambda guide, "Working with Lambda container images", the AWS base images of each language. */
const registry = "public.ecr.aws/lambda";

/** `public.ecr.aws/lambda/nodejs:24` for `nodejs24.x`; undefined for a runtime that AWS has no image of. */
export function imageOfRuntime(runtime: string): string | undefined {
  const [, language = "", version = ""] = /^(nodejs|python|java|dotnet|ruby|provided)\.?(.*)$/.exec(runtime) ?? [];
  // The oldest runtimes of these names have no number, and no image.
  if (language === "" || version === "") return undefined;
  // Java 11 and later are named by their number alone.
  const tag = language === "nodejs" ? version.replace(/\.x$/, "") : version;
  return `${registry}/${language}:${tag}`;
}
