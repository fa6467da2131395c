/** Parameter files, in the forms that people have: the AWS CLI's list, CodePipeline's object, or plain pairs. */
import { readFile } from "node:fs/promises";
import { UserError } from "./command.ts";

type Pairs = Record<string, string>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function pairsOf(value: unknown, file: string): Pairs {
  if (Array.isArray(value)) {
    return Object.assign({}, ...value.map((item) => listed(item, file))) as Pairs;
  }
  if (!isObject(value)) throw new UserError(`${file} is neither a list nor an object of parameters`);
  const named = isObject(value["Parameters"]) ? value["Parameters"] : value;
  return Object.fromEntries(Object.entries(named).map(([key, item]) => [key, scalar(key, item, file)]));
}

function listed(item: unknown, file: string): Pairs {
  if (typeof item === "string" && item.includes("=")) return pair(item);
  if (isObject(item) && typeof item["ParameterKey"] === "string") {
    return { [item["ParameterKey"]]: scalar(item["ParameterKey"], item["ParameterValue"], file) };
  }
  throw new UserError(`${file}: every element needs ParameterKey and ParameterValue`);
}

function scalar(key: string, value: unknown, file: string): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  throw new UserError(`${file}: the value of ${key} must be a string, a number or a boolean`);
}

/** `Key=Value` */
export function pair(text: string): Pairs {
  const at = text.indexOf("=");
  if (at < 1) throw new UserError(`A parameter is written Key=Value, and this is ${text}`);
  return { [text.slice(0, at)]: text.slice(at + 1) };
}

export async function readParameters(file: string): Promise<Pairs> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`Cannot read the parameter file ${file}`, { cause });
  });
  try {
    return pairsOf(JSON.parse(text), file);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UserError(`${file} is not JSON: ${cause.message}`, { cause });
  }
}
