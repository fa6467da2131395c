/** Requests that reach a function: through a load balancer, a URL of its own, and API Gateway's three kinds of API. */
import { queryPairs, template, uuid, type Occasion } from "./template.ts";

const request = { method: "GET", path: "/hello", query: "", body: "", host: "api.example.com" } as const;
const agent = "mikan-invoke";
const client = "192.0.2.10";

const root = ({ now }: Occasion) => `Root=1-${Math.floor(now.getTime() / 1000).toString(16)}-0123456789abcdef01234567`;

/** `22/Nov/2026:11:44:16 +0000` */
function commonLogTime(now: Date): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+) GMT$/.exec(now.toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
}

const fields = (host: string, body: string, occasion: Occasion): Record<string, string> => ({
  accept: "*/*",
  ...(body === "" ? {} : { "content-type": "application/json" }),
  host,
  "user-agent": agent,
  "x-amzn-trace-id": root(occasion),
  "x-forwarded-for": client,
  "x-forwarded-port": "443",
  "x-forwarded-proto": "https",
});

const listed = (pairs: Iterable<readonly [string, string]>) => {
  const all: Record<string, string[]> = {};
  for (const [name, value] of pairs) (all[name] ??= []).push(value);
  return all;
};

/** Values of one name joined, as payload format 2.0 has them. */
const joined = (pairs: readonly (readonly [string, string])[]) =>
  Object.fromEntries(Object.entries(listed(pairs)).map(([name, values]) => [name, values.join(",")]));

const segments = (path: string) => path.replace(/^\//, "");

const http = ({ method, path }: { method: string; path: string }) => ({
  method,
  path,
  protocol: "HTTP/1.1",
  sourceIp: client,
  userAgent: agent,
});

export const requests = [
  template({
    name: "alb-request",
    summary: "a request through an Application Load Balancer",
    source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html",
    parameters: { ...request, targetGroup: "targets", multiValue: "false" },
    event({ method, path, query, body, host, targetGroup, multiValue }, occasion) {
      const { region, account } = occasion;
      const pairs = queryPairs(query);
      const headers = fields(host, body, occasion);
      const targetGroupArn = `arn:aws:elasticloadbalancing:${region}:${account}:targetgroup/${targetGroup}/6d0ecf831eec9f09`;
      return {
        requestContext: { elb: { targetGroupArn } },
        httpMethod: method,
        path,
        ...(multiValue === "true"
          ? { multiValueQueryStringParameters: listed(pairs), multiValueHeaders: listed(Object.entries(headers)) }
          : { queryStringParameters: Object.fromEntries(pairs), headers }),
        body,
        isBase64Encoded: false,
      };
    },
  }),
  template({
    name: "function-url",
    summary: "a request to a function's URL",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html",
    parameters: { ...request, host: "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws" },
    event({ method, path, query, body, host }, occasion) {
      const [apiId = host] = host.split(".");
      return {
        version: "2.0",
        routeKey: "$default",
        rawPath: path,
        rawQueryString: query,
        headers: fields(host, body, occasion),
        ...(query === "" ? {} : { queryStringParameters: joined(queryPairs(query)) }),
        requestContext: {
          accountId: "anonymous",
          apiId,
          domainName: host,
          domainPrefix: apiId,
          http: http({ method, path }),
          requestId: uuid(),
          routeKey: "$default",
          stage: "$default",
          time: commonLogTime(occasion.now),
          timeEpoch: occasion.now.getTime(),
        },
        ...(body === "" ? {} : { body }),
        isBase64Encoded: false,
      };
    },
  }),
  template({
    name: "apigateway-aws-proxy",
    summary: "a request through a REST API (payload format 1.0)",
    source:
      "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format",
    parameters: { ...request, resource: "/{proxy+}", stage: "prod" },
    event({ method, path, query, body, host, resource, stage }, occasion) {
      const { now, account } = occasion;
      const pairs = queryPairs(query);
      const headers = fields(host, body, occasion);
      return {
        resource,
        path,
        httpMethod: method,
        headers,
        multiValueHeaders: listed(Object.entries(headers)),
        queryStringParameters: pairs.length === 0 ? null : Object.fromEntries(pairs),
        multiValueQueryStringParameters: pairs.length === 0 ? null : listed(pairs),
        pathParameters: resource.includes("{proxy+}") ? { proxy: segments(path) } : null,
        stageVariables: null,
        requestContext: {
          accountId: account,
          apiId: "1234567890",
          domainName: host,
          domainPrefix: host.split(".")[0],
          extendedRequestId: uuid(),
          httpMethod: method,
          identity: {
            accessKey: null,
            accountId: null,
            apiKey: null,
            apiKeyId: null,
            caller: null,
            clientCert: null,
            cognitoAuthenticationProvider: null,
            cognitoAuthenticationType: null,
            cognitoIdentityId: null,
            cognitoIdentityPoolId: null,
            principalOrgId: null,
            sourceIp: client,
            user: null,
            userAgent: agent,
            userArn: null,
          },
          path: `/${stage}${path}`,
          protocol: "HTTP/1.1",
          requestId: uuid(),
          requestTime: commonLogTime(now),
          requestTimeEpoch: now.getTime(),
          resourceId: "123456",
          resourcePath: resource,
          stage,
        },
        body: body === "" ? null : body,
        isBase64Encoded: false,
      };
    },
  }),
  template({
    name: "apigateway-http-api-proxy",
    summary: "a request through an HTTP API (payload format 2.0)",
    source: "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html",
    parameters: { ...request, route: "$default", stage: "$default" },
    event({ method, path, query, body, host, route, stage }, occasion) {
      const { now, account } = occasion;
      return {
        version: "2.0",
        routeKey: route,
        rawPath: stage === "$default" ? path : `/${stage}${path}`,
        rawQueryString: query,
        headers: fields(host, body, occasion),
        ...(query === "" ? {} : { queryStringParameters: joined(queryPairs(query)) }),
        requestContext: {
          accountId: account,
          apiId: "api-id",
          domainName: host,
          domainPrefix: host.split(".")[0],
          http: http({ method, path }),
          requestId: uuid(),
          routeKey: route,
          stage,
          time: commonLogTime(now),
          timeEpoch: now.getTime(),
        },
        ...(route.includes("{proxy+}") ? { pathParameters: { proxy: segments(path) } } : {}),
        ...(body === "" ? {} : { body }),
        isBase64Encoded: false,
      };
    },
  }),
  template({
    name: "apigateway-websocket",
    summary: "a connection, a message or its end through a WebSocket API (event=CONNECT, MESSAGE or DISCONNECT)",
    source:
      "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html",
    parameters: {
      event: "MESSAGE",
      route: "$default",
      body: '{"action":"hello"}',
      connection: "L0SM9cOFvHcCIhw=",
      host: "abcdef1234.execute-api.us-east-1.amazonaws.com",
      stage: "prod",
    },
    event({ event, route, body, connection, host, stage }, occasion) {
      const { now } = occasion;
      const routes: Record<string, string> = { CONNECT: "$connect", DISCONNECT: "$disconnect" };
      const isMessage = event === "MESSAGE";
      const headers = fields(host, "", occasion);
      return {
        ...(event === "CONNECT" ? { headers, multiValueHeaders: listed(Object.entries(headers)) } : {}),
        requestContext: {
          routeKey: routes[event] ?? route,
          ...(isMessage ? { messageId: "L0SM8dGFvHcCIhw=" } : {}),
          eventType: event,
          extendedRequestId: "L0SM9FOFvHcFp3w=",
          requestTime: commonLogTime(now),
          messageDirection: "IN",
          stage,
          connectedAt: now.getTime() - 1_000,
          requestTimeEpoch: now.getTime(),
          identity: { userAgent: agent, sourceIp: client },
          requestId: "L0SM9FOFvHcFp3w=",
          domainName: host,
          connectionId: connection,
          apiId: host.split(".")[0],
        },
        ...(isMessage ? { body } : {}),
        isBase64Encoded: false,
      };
    },
  }),
  template({
    name: "apigateway-authorizer",
    summary: "a token for a Lambda authorizer of a REST API",
    source:
      "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html#api-gateway-lambda-authorizer-input",
    parameters: { token: "Bearer token", method: "GET", path: "/hello", stage: "prod" },
    event: ({ token, method, path, stage }, occasion) => ({
      type: "TOKEN",
      methodArn: `arn:aws:execute-api:${occasion.region}:${occasion.account}:1234567890/${stage}/${method}${path}`,
      authorizationToken: token,
    }),
  }),
];
