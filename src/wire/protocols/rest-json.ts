/** restJson1. Source: Smithy's "AWS restJson1 protocol". */
import { Fault } from "../../base/errors.ts";
import { validationText } from "../constraints.ts";
import { describeFault } from "../faults.ts";
import { jsonReaders, nestsFreely, parseJson } from "../json-read.ts";
import { jsonWriters } from "../json-write.ts";
import { mediaType } from "../message.ts";
import type { OperationModel, Structure, Type } from "../model.ts";
import type { ServiceModel } from "../model.ts";
import { restRoutes } from "../rest-routes.ts";
import { errorBody } from "./aws-json.ts";
import type { Protocol } from "./protocol.ts";
import { errorFields, errorResponse, restCodec, type BodyFormat } from "./rest.ts";

const contentType = "application/json";
/** What browsers send across origins without asking first; a signed call never needs them. */
const formTypes = new Set(["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]);

export function restJson(model: ServiceModel): Protocol {
  const writers = jsonWriters();
  const format = jsonFormat(writers);
  const find = restRoutes(model);
  return {
    family: "rest",
    namedInBody: false,
    locate(incoming) {
      const located = find(incoming);
      if (located !== undefined) return located;
      throw new Fault(
        "UnknownOperation",
        `Unknown operation: ${incoming.request.method} ${incoming.path.slice(0, 200)}`,
      );
    },
    admit({ headers }, { operation }) {
      const type = mediaType(headers);
      const opaque = operation.input.members.some(({ traits }) => traits.httpPayload === 1);
      if (!opaque && formTypes.has(type)) {
        throw new Fault("UnsupportedMediaType", `The content type has to be ${contentType}.`);
      }
    },
    codec: (operation) => ({
      ...restCodec(operation, format),
      ...(hasJson(operation) && { json: { guardNesting: nestsFreely(operation.input) } }),
    }),
    invalid: (problems) => new Fault("ValidationException", validationText(problems)),
    encodeFault(fault, context) {
      const described = describeFault(model, "rest", fault);
      const headers = [
        ...format.headersOf(context),
        "x-amzn-ErrorType",
        described.name,
        ...errorFields(described.structure, described.members),
      ];
      const body = JSON.stringify(errorBody(described, writers));
      return errorResponse(described.status, headers, body, contentType, context);
    },
  };
}

/** The body is JSON, not bytes of the caller's own. */
const hasJson = ({ input }: OperationModel) =>
  !input.members.some(({ traits, type }) => traits.httpPayload === 1 && type.kind === "scalar");

function jsonFormat(writers: ReturnType<typeof jsonWriters>): BodyFormat {
  const readers = jsonReaders();
  return {
    contentType,
    headersOf: ({ requestId }) => ["x-amzn-RequestId", requestId],
    unreadable: ({ wanted, text }) =>
      new Fault("SerializationException", `${JSON.stringify(text)} can not be converted to ${wanted}`),
    membersReader(members, root) {
      const read = readers.members(members);
      const guardNesting = nestsFreely(root);
      return (body, json) => read(json ?? parseJson(body, guardNesting)) as Record<string, unknown>;
    },
    payloadReader({ type }) {
      const read = readers.type(type);
      const guardNesting = nestsFreely(holding(type));
      return (body, json) => read(json ?? parseJson(body, guardNesting));
    },
    membersWriter(members) {
      const write = writers.members(members);
      return (value) => JSON.stringify(write(value));
    },
    payloadWriter({ type }) {
      const write = type.kind === "structure" ? writers.structure(type.structure) : (value: unknown) => value;
      return (value) => JSON.stringify(write(value));
    },
    emptyBody: "{}",
  };
}

const holding = (type: Type): Structure => ({
  name: "payload",
  members: [{ name: "payload", type, traits: {}, required: false }],
  traits: {},
});
