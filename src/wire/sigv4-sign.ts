/** Signs a request with Signature Version 4, for the house's own client. Source: IAM guide, "Create a signed request". */
import { createHash, createHmac } from "node:crypto";

export interface SigningCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

export interface RequestToSign {
  method: string;
  url: URL;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  /** Signing name: `s3`. */
  service: string;
  region: string;
  credentials: SigningCredentials;
  now: Date;
}

const hmac = (key: Uint8Array | string, text: string) => createHmac("sha256", key).update(text).digest();
const sha256Hex = (data: Uint8Array | string) => createHash("sha256").update(data).digest("hex");

/** The headers to send: those given, and `host`, `x-amz-date`, `x-amz-content-sha256`, `authorization`. */
export function signRequest(request: RequestToSign): Record<string, string> {
  const { method, url, body, service, region, credentials } = request;
  const time = request.now.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const date = time.slice(0, 8);
  const bodyHash = sha256Hex(body);
  const headers: Record<string, string> = {
    ...request.headers,
    host: url.host,
    "x-amz-date": time,
    "x-amz-content-sha256": bodyHash,
    ...(credentials.sessionToken === undefined ? {} : { "x-amz-security-token": credentials.sessionToken }),
  };
  const names = Object.keys(headers).toSorted();
  const signedHeaders = names.join(";");
  const query = [...url.searchParams]
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .toSorted()
    .join("&");
  const fields = names.map((name) => `${name}:${headers[name]?.trim()}\n`).join("");
  const canonical = [method, url.pathname, query, fields, signedHeaders, bodyHash].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256Hex(canonical)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<Uint8Array | string>(
    hmac,
    `AWS4${credentials.secretAccessKey}`,
  );
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  const credential = `${credentials.accessKeyId}/${scope}`;
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
  };
}
