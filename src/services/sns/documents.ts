/** Values of templates as the API takes them. */
import type { Json, JsonObject } from "../../kit/resource.ts";

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Text as it is, all else as JSON. */
export const textOf = (value: Json | undefined): string =>
  typeof value === "string" ? value : JSON.stringify(value ?? "");

export const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
