/** Any bytes at all: what comes of them is a call or a refusal, and never a bug of ours. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../base/clock.ts";
import type { Body } from "../base/http.ts";
import { countingIds } from "../base/ids.ts";
import { loadService, serviceKeys } from "./model.ts";
import { authorizationFor, formRequest, rawRequest } from "./serve.suite.ts";
import { createWire, WireRefusal, type DecodedCall } from "./wire.ts";

const anyBody: fc.Arbitrary<Body> = fc.oneof(
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((text) => Buffer.from(text)),
  fc.webQueryParameters().map((text) => Buffer.from(text)),
  fc.string().map((text) => Buffer.from(`<Delete>${text}</Delete>`)),
);
const anyHeader = fc.tuple(
  fc.constantFrom(
    "authorization",
    "content-type",
    "content-length",
    "content-encoding",
    "content-md5",
    "date",
    "x-amz-date",
    "x-amz-target",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-checksum-crc32",
    "x-amz-copy-source",
    "x-amz-meta-__proto__",
    "expires",
  ),
  fc.oneof(
    fc.string(),
    fc.constantFrom(
      "application/x-amz-json-1.0",
      "application/x-www-form-urlencoded",
      "application/json",
      "UNSIGNED-PAYLOAD",
    ),
    fc.constantFrom(
      "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      "x-amz-checksum-crc32",
      "AmazonSQS.SendMessage",
      "AWS4-HMAC-SHA256 ",
    ),
  ),
);
const anyTarget = fc.oneof(
  fc.string().map((text) => `/${text}`),
  fc.tuple(fc.webPath(), fc.webQueryParameters()).map(([path, query]) => `${path || "/"}?${query}`),
  fc.constantFrom(
    "*",
    "/",
    "/b/k?uploadId=%",
    "/2015-03-31/functions/f?Qualifier=",
    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256",
  ),
);
const anyRequest = fc.record({
  method: fc.constantFrom("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"),
  target: anyTarget,
  host: fc.oneof(fc.constantFrom("localhost", "b.s3.localhost", "", "..localhost"), fc.string()),
  headers: fc.array(anyHeader, { maxLength: 8 }).map((fields) => fields.flat()),
  body: anyBody,
  service: fc.option(fc.constantFrom(...serviceKeys(), "nothing"), { nil: undefined }),
});
const node = createWire({ clock: new FakeClock(), ids: countingIds(), unsigned: "admit" });
const strict = createWire({
  clock: new FakeClock(),
  ids: countingIds(),
  verify: { secretOf: async () => ({ secret: "s" }) },
});

const survives = async (decode: () => Promise<DecodedCall>) => {
  const outcome = await decode().catch((error: unknown) => error);
  if (!(outcome instanceof WireRefusal)) {
    expect(outcome).toMatchObject({ operation: expect.any(String) });
    return;
  }
  // An InternalFailure would be a bug of the wire that a request brought about.
  expect(
    outcome.fault.cause === undefined || outcome.fault.code !== "InternalFailure",
    String(outcome.fault.cause),
  ).toBe(true);
  expect(outcome.response.status).toBeGreaterThanOrEqual(400);
};

test("any request is a call or a refusal", async () => {
  await fc.assert(
    fc.asyncProperty(anyRequest, async ({ service, headers, ...rest }) => {
      const request = rawRequest({
        ...rest,
        headers: [...(service === undefined ? [] : authorizationFor(service)), ...headers],
      });
      await survives(() => node.decode(request));
      await survives(() => strict.decode(request));
    }),
    { numRuns: 400 },
  );
});

test("any JSON, to any operation of the JSON protocols", async () => {
  const operations = ["sqs", "logs"].flatMap((key) => {
    const model = loadService(key);
    return model.operationNames.map((name) => ({ key, name, model }));
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...operations),
      fc.jsonValue(),
      fc.jsonValue(),
      async ({ key, name, model }, a, b) => {
        const members = model.operation(name)?.input.members ?? [];
        const body = Object.fromEntries(members.map((member, i) => [member.name, i % 2 === 0 ? a : b]));
        const target = [
          "X-Amz-Target",
          `${model.table.targetPrefix}.${name}`,
          "Content-Type",
          "application/x-amz-json-1.1",
        ];
        const headers = [...authorizationFor(key), ...target];
        await survives(() => node.decode(rawRequest({ headers, body: Buffer.from(JSON.stringify(body)) })));
      },
    ),
    { numRuns: 400 },
  );
});

test("any parameters, to any operation of the query protocols", async () => {
  const operations = ["iam", "elasticloadbalancing", "cloudformation", "ec2"].flatMap((key) =>
    loadService(key).operationNames.map((name) => ({ key, name })),
  );
  const part = fc.constantFrom(
    "Tags",
    "member",
    "1",
    "2",
    "Key",
    "Value",
    "entry",
    "Filter",
    "Name",
    "Actions",
    "Conditions",
    "x",
  );
  const parameter = fc
    .tuple(fc.array(part, { minLength: 1, maxLength: 6 }), fc.string())
    .map(([path, value]) => `${path.join(".")}=${encodeURIComponent(value.toWellFormed())}`);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...operations),
      fc.array(parameter, { maxLength: 12 }),
      async ({ key, name }, parameters) => {
        await survives(() => node.decode(formRequest(key, [`Action=${name}`, ...parameters].join("&"))));
      },
    ),
    { numRuns: 400 },
  );
});
