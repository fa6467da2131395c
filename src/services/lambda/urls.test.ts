/** Function URLs as users meet them: the whole node, real requests by the URL's host. */
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  DeleteFunctionUrlConfigCommand,
  GetFunctionUrlConfigCommand,
  LambdaClient,
  ListFunctionUrlConfigsCommand,
  PutFunctionConcurrencyCommand,
  UpdateFunctionUrlConfigCommand,
  type CreateFunctionUrlConfigCommandInput,
} from "@aws-sdk/client-lambda";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";
import { signRequest } from "../../wire/sigv4-sign.ts";
import { role, zipOf } from "./node.suite.ts";

const rootKey = { accessKeyId: "AKIAROOTROOTROOTROOT", secretAccessKey: "secret" };
let mikan: Mikan;
let lambda: LambdaClient;
beforeAll(async () => {
  mikan = await startMikan({ rootKey });
  lambda = new LambdaClient({ endpoint: mikan.url, region: "us-east-1", credentials: rootKey, maxAttempts: 1 });
});
afterAll(async () => {
  lambda.destroy();
  await mikan.close(0);
});

const source = `exports.handler = async (event) => {
  if (event.rawPath === "/fail") throw new Error("no");
  if (event.rawPath === "/text") return "plain";
  if (event.rawPath === "/wrong") return { statusCode: "none" };
  if (event.rawPath === "/own") return {
    statusCode: 201, headers: { "Content-Type": "text/plain", "Access-Control-Allow-Origin": "mine" },
    cookies: ["a=1", "b=2; Secure"], body: Buffer.from("grüß").toString("base64"), isBase64Encoded: true };
  return event;
};`;

async function create(FunctionName: string, changes: Partial<CreateFunctionUrlConfigCommandInput> = {}) {
  const Code = { ZipFile: await zipOf({ "index.js": source }) };
  const settings = { FunctionName, Role: role, Runtime: "nodejs24.x", Handler: "index.handler" } as const;
  await lambda.send(new CreateFunctionCommand({ ...settings, Code }));
  const input = { FunctionName, AuthType: "NONE", ...changes } as const;
  const { FunctionUrl = "" } = await lambda.send(new CreateFunctionUrlConfigCommand(input));
  return FunctionUrl;
}

const allow = async (FunctionName: string) => {
  const everybody = { FunctionName, Principal: "*" };
  const url = { StatementId: "url", Action: "lambda:InvokeFunctionUrl", FunctionUrlAuthType: "NONE" } as const;
  await lambda.send(new AddPermissionCommand({ ...everybody, ...url }));
  const invoke = { StatementId: "invoke", Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true };
  await lambda.send(new AddPermissionCommand({ ...everybody, ...invoke }));
};

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** By address, with the URL's own host: not every resolver knows names below localhost. */
function visit(
  url: string,
  { method = "GET", headers = {}, body = "" }: { method?: string; headers?: object; body?: string } = {},
) {
  const { host, port, pathname, search } = new URL(url);
  return new Promise<Answer>((resolve, reject) => {
    const options = { host: "127.0.0.1", port, method, path: pathname + search, headers: { host, ...headers } };
    const asked = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

describe("a function URL", () => {
  it("is made, shown, listed, changed and deleted", async () => {
    const url = await create("made");
    expect(url).toMatch(/^http:\/\/[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+\/$/);
    const key = { FunctionName: "made" };
    const changed = await lambda.send(new UpdateFunctionUrlConfigCommand({ ...key, AuthType: "AWS_IAM" }));
    expect(changed).toMatchObject({ FunctionUrl: url, AuthType: "AWS_IAM", InvokeMode: "BUFFERED" });
    const shown = await lambda.send(new GetFunctionUrlConfigCommand(key));
    expect({ ...shown, $metadata: 0 }).toEqual({ ...changed, $metadata: 0 });
    const listed = await lambda.send(new ListFunctionUrlConfigsCommand(key));
    expect(listed.FunctionUrlConfigs?.map(({ FunctionUrl }) => FunctionUrl)).toEqual([url]);
    const again = lambda.send(new CreateFunctionUrlConfigCommand({ ...key, AuthType: "NONE" }));
    await expect(again).rejects.toMatchObject({ name: "ResourceConflictException" });
    await lambda.send(new DeleteFunctionUrlConfigCommand(key));
    const gone = lambda.send(new GetFunctionUrlConfigCommand(key));
    await expect(gone).rejects.toMatchObject({ message: "The resource you requested does not exist." });
    expect((await visit(url)).status).toBe(403);
  });

  it("needs both permissions for everybody, and hands the request over in format 2.0", async () => {
    const url = await create("open");
    expect((await visit(url)).status).toBe(403);
    await allow("open");
    const headers = {
      "Content-Type": "application/json",
      Cookie: "a=1; b=2",
      "X-Twice": ["1", "2"],
      "User-Agent": "t",
    };
    const target = `${url}a%20b/c?x=1&x=2&y=%C3%A9&z`;
    const answer = await visit(target, { method: "POST", headers, body: '{"n":1}' });
    const id = new URL(url).host.split(".", 1)[0];
    const event = JSON.parse(answer.text) as { requestContext: { requestId: string } };
    expect(answer.headers["x-amzn-requestid"]).toBe(event.requestContext.requestId);
    expect(event).toMatchObject({
      version: "2.0",
      routeKey: "$default",
      rawPath: "/a b/c",
      rawQueryString: "x=1&x=2&y=%C3%A9&z",
      cookies: ["a=1", "b=2"],
      headers: { "x-twice": expect.stringMatching(/^1, ?2$/), host: new URL(url).host, "x-forwarded-proto": "http" },
      queryStringParameters: { x: "1,2", y: "é", z: "" },
      requestContext: {
        accountId: "anonymous",
        apiId: id,
        domainName: `${id}.lambda-url.us-east-1.localhost`,
        domainPrefix: id,
        http: { method: "POST", path: "/a b/c", protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "t" },
        stage: "$default",
      },
      body: '{"n":1}',
      isBase64Encoded: false,
    });
    const bytes = await visit(url, { method: "POST", headers: { "Content-Type": "image/png" }, body: "x" });
    expect(JSON.parse(bytes.text)).toMatchObject({ body: "eA==", isBase64Encoded: true });
  });

  it("answers what the function says, or AWS's errors", async () => {
    const url = await create("says");
    await allow("says");
    expect(await visit(`${url}text`)).toMatchObject({ status: 200, text: "plain" });
    const own = await visit(`${url}own`);
    expect(own).toMatchObject({ status: 201, text: "grüß" });
    expect(own.headers).toMatchObject({ "set-cookie": ["a=1", "b=2; Secure"], "content-type": "text/plain" });
    expect(await visit(`${url}fail`)).toMatchObject({ status: 502, text: "Internal Server Error" });
    expect((await visit(`${url}wrong`)).status).toBe(502);
    const none = { FunctionName: "says", ReservedConcurrentExecutions: 0 };
    await lambda.send(new PutFunctionConcurrencyCommand(none));
    const throttled = await visit(url);
    expect([throttled.status, JSON.parse(throttled.text)]).toEqual([
      429,
      { Reason: "ReservedFunctionConcurrentInvocationLimitExceeded", Type: "User", message: "Rate Exceeded." },
    ]);
  });

  it("with AWS_IAM is for those who sign", async () => {
    const url = await create("signed", { AuthType: "AWS_IAM" });
    await allow("signed");
    expect((await visit(url)).status).toBe(403);
    const sign = (secretAccessKey: string) =>
      signRequest({
        method: "GET",
        url: new URL(`${url}a`),
        headers: {},
        body: new Uint8Array(0),
        service: "lambda",
        region: "us-east-1",
        credentials: { ...rootKey, secretAccessKey },
        now: new Date(),
      });
    const answer = await visit(`${url}a`, { headers: sign("secret") });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({
      requestContext: {
        accountId: "000000000000",
        authorizer: { iam: { accessKey: rootKey.accessKeyId, userArn: "arn:aws:iam::000000000000:root" } },
      },
    });
    const wrong = await visit(`${url}a`, { headers: sign("wrong") });
    expect([wrong.status, wrong.text]).toEqual([
      403,
      expect.stringContaining("signature we calculated does not match"),
    ]);
  });

  it("answers pages of the origins that its rules let in", async () => {
    const Cors = { AllowOrigins: ["https://a.example"], AllowMethods: ["PUT"], AllowHeaders: ["x-a"], MaxAge: 60 };
    const url = await create("pages", { Cors });
    await allow("pages");
    const asked = { Origin: "https://a.example", "Access-Control-Request-Method": "PUT" };
    expect(await visit(url, { method: "OPTIONS", headers: asked })).toMatchObject({
      status: 200,
      text: "",
      headers: {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "PUT",
        "access-control-allow-headers": "x-a",
        "access-control-max-age": "60",
      },
    });
    const own = await visit(`${url}own`, { headers: { Origin: "https://a.example" } });
    expect(own.headers["access-control-allow-origin"]).toBe("https://a.example");
    const other = await visit(`${url}own`, { headers: { Origin: "https://b.example" } });
    expect([other.status, other.headers["access-control-allow-origin"]]).toEqual([201, undefined]);
  });
});
