/** Pages of other origins at a function URL. Pure. Source: Lambda guide, "Creating and managing function URLs", CORS. */
import type { Cors } from "@aws-sdk/client-lambda";
import { headerOf, type Headers, type HttpResponse } from "../../base/http.ts";

function origins({ AllowOrigins = [], AllowCredentials }: Cors, origin: string): string[] {
  const any = AllowOrigins.includes("*");
  if (!any && !AllowOrigins.includes(origin)) return [];
  // A page that sends its cookies is not answered `*` by browsers (Fetch standard, "CORS protocol and credentials").
  const allowed = any && AllowCredentials !== true ? "*" : origin;
  return ["Access-Control-Allow-Origin", allowed, ...(allowed === "*" ? [] : ["Vary", "Origin"])];
}

const listField = (name: string, values: readonly string[] | undefined) =>
  values === undefined || values.length === 0 ? [] : [name, values.join(",")];

/** The fields that a response gets beside the function's own; none when the origin is not let in. */
function grantOf(cors: Cors, origin: string): string[] {
  const allowed = origins(cors, origin);
  if (allowed.length === 0) return [];
  return [
    ...allowed,
    ...(cors.AllowCredentials === true ? ["Access-Control-Allow-Credentials", "true"] : []),
    ...listField("Access-Control-Expose-Headers", cors.ExposeHeaders),
  ];
}

/** The answer to a preflight; the function does not see it. Undefined for any other request. */
export function preflight(cors: Cors, method: string, headers: Headers): HttpResponse | undefined {
  const origin = headerOf(headers, "origin");
  const asked = headerOf(headers, "access-control-request-method");
  if (method !== "OPTIONS" || origin === undefined || asked === undefined) return undefined;
  const granted = grantOf(cors, origin);
  const rules = [
    ...listField("Access-Control-Allow-Methods", cors.AllowMethods),
    ...listField("Access-Control-Allow-Headers", cors.AllowHeaders),
    ...(cors.MaxAge === undefined ? [] : ["Access-Control-Max-Age", String(cors.MaxAge)]),
  ];
  return { status: 200, headers: granted.length === 0 ? [] : [...granted, ...rules], body: undefined };
}

/** The response with the rules' fields in the place of the function's own. */
export function withCors(cors: Cors, request: Headers, response: HttpResponse): HttpResponse {
  const origin = headerOf(request, "origin");
  if (origin === undefined) return response;
  const headers: string[] = [];
  for (let i = 0; i + 1 < response.headers.length; i += 2) {
    const name = response.headers[i] ?? "";
    if (!name.toLowerCase().startsWith("access-control-")) headers.push(name, response.headers[i + 1] ?? "");
  }
  return { ...response, headers: [...headers, ...grantOf(cors, origin)] };
}
