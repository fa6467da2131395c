/**
 * Secrets Manager's API without an SDK, signed by Signature Version 4, so that this folder is the whole function.
 * In a function of your own, package `@aws-sdk/client-secrets-manager`.
 */
import { createHash, createHmac } from "node:crypto";

const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
const endpoint =
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER ??
  process.env.AWS_ENDPOINT_URL ??
  `https://secretsmanager.${AWS_REGION}.amazonaws.com`;

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function signed(headers, body) {
  const time = headers["x-amz-date"];
  const scope = `${time.slice(0, 8)}/${AWS_REGION}/secretsmanager/aws4_request`;
  const names = Object.keys(headers).toSorted();
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join("");
  const request = `POST\n/\n\n${lines}\n${names.join(";")}\n${sha256(body)}`;
  const key = scope.split("/").reduce(hmac, `AWS4${AWS_SECRET_ACCESS_KEY}`);
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(request)}`).toString("hex");
  const credential = `Credential=${AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names.join(";")}`;
  return { ...headers, authorization: `AWS4-HMAC-SHA256 ${credential}, Signature=${signature}` };
}

export async function secretsManager(operation, input) {
  const body = JSON.stringify(input);
  const headers = {
    host: new URL(endpoint).host,
    "content-type": "application/x-amz-json-1.1",
    "x-amz-date": new Date().toISOString().replace(/[-:]|\.\d+/g, ""),
    "x-amz-security-token": AWS_SESSION_TOKEN,
    "x-amz-target": `secretsmanager.${operation}`,
  };
  const response = await fetch(endpoint, { method: "POST", headers: signed(headers, body), body });
  if (!response.ok) throw new Error(`${operation}: ${await response.text()}`);
  return response.json();
}
