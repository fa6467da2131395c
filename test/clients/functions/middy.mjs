/** middy with a body parsed, checked against a schema, and errors made into answers. */
import { middy } from "@middy/core";
import httpErrorHandler from "@middy/http-error-handler";
import httpHeaderNormalizer from "@middy/http-header-normalizer";
import httpJsonBodyParser from "@middy/http-json-body-parser";
import validator from "@middy/validator";
import { transpileSchema } from "@middy/validator/transpile";

const eventSchema = transpileSchema({
  type: "object",
  required: ["body"],
  properties: {
    body: {
      type: "object",
      required: ["from", "to"],
      properties: { from: { type: "string" }, to: { type: "string" } },
    },
  },
});

export const handler = middy()
  .use(httpHeaderNormalizer())
  .use(httpJsonBodyParser())
  .use(validator({ eventSchema }))
  .use(httpErrorHandler({ logger: false }))
  .handler(async ({ body }) => ({
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ via: [body.from, body.to] }),
  }));
