/** awsJson 1.0 and 1.1: operation in `X-Amz-Target`, JSON both ways. Source: Smithy's "AWS JSON 1.0/1.1 protocol". */
import { Fault } from "../../base/errors.ts";
import type { HttpResponse } from "../../base/http.ts";
import { validationText, type Problem } from "../constraints.ts";
import { eventStreamType, rpcEvents, type EventDocuments } from "../event-stream.ts";
import { carriesMessage, describeFault, type Described } from "../faults.ts";
import { jsonReaders, nestsFreely, parseJson } from "../json-read.ts";
import { jsonWriters, type JsonWriters } from "../json-write.ts";
import { mediaType, type ResponseContext } from "../message.ts";
import type { ServiceModel } from "../model.ts";
import type { Protocol } from "./protocol.ts";

/** Namespaces of the errors that no service models, as they come in `__type`. */
const coralNamespaces: Readonly<Record<string, string>> = {
  ValidationException: "com.amazon.coral.validate",
  AccessDeniedException: "com.amazon.coral.service",
};
const coralNamespace = "com.amazon.coral.service";

const noLabels = {};

export function awsJson(model: ServiceModel, version: "1.0" | "1.1"): Protocol {
  const readers = jsonReaders();
  const writers = jsonWriters();
  const contentType = `application/x-amz-json-${version}`;
  const documents: EventDocuments = {
    contentType: "application/json",
    writer(structure) {
      const write = writers.structure(structure);
      return (value) => Buffer.from(JSON.stringify(write(value)));
    },
  };
  return {
    family: "json",
    namedInBody: false,
    locate({ headers }) {
      const target = headers.get("x-amz-target") ?? "";
      const dot = target.lastIndexOf(".");
      const operation =
        target.slice(0, dot) === model.table.targetPrefix ? model.operation(target.slice(dot + 1)) : undefined;
      if (operation === undefined) throw new Fault("UnknownOperation", "The requested operation is not recognized.");
      return { operation, labels: noLabels };
    },
    admit({ headers }) {
      const type = mediaType(headers);
      // Both versions are read alike; no other type: a page can send text/plain across origins without being asked.
      if (type === "application/x-amz-json-1.0" || type === "application/x-amz-json-1.1") return;
      throw new Fault("UnsupportedMediaType", `The content type has to be ${contentType}.`);
    },
    codec({ input, output }) {
      const read = readers.structure(input);
      const write = writers.structure(output);
      const guardNesting = nestsFreely(input);
      const events = rpcEvents(output, documents);
      return {
        json: { guardNesting },
        decode: ({ body, json }) => read(json ?? parseJson(body as Uint8Array, guardNesting)) as object,
        encode: (value, context) =>
          events === undefined
            ? answer(200, write(value), contentType, context)
            : { status: 200, headers: typed(eventStreamType, context), body: events(value) },
      };
    },
    invalid: invalidInput(model),
    encodeFault(fault, context) {
      const described = describeFault(model, "json", fault);
      const body = { __type: typeOf(described, model, version), ...errorBody(described, writers) };
      const response = answer(described.status, body, contentType, context);
      return { ...response, headers: [...response.headers, ...queryError(described, model)] };
    },
  };
}

/** The fault for an input that breaks its constraints. */
export function invalidInput(model: ServiceModel): (problems: readonly Problem[]) => Fault {
  return (problems) => {
    // SQS has words of its own for what is missing.
    const missing = model.key === "sqs" ? problems.find((problem) => problem.missing) : undefined;
    if (missing === undefined) return new Fault("ValidationException", validationText(problems));
    return new Fault("MissingParameter", `The request must contain the parameter ${missing.member.name}.`);
  };
}

/** The code that clients of the service's time as a query service know an error by. */
export function queryError({ queryCode, sender }: Described, { table }: ServiceModel): string[] {
  return table.queryCompatible === true ? ["x-amzn-query-error", `${queryCode};${sender ? "Sender" : "Receiver"}`] : [];
}

const typeOf = (described: Described, model: ServiceModel, version: string) =>
  version === "1.1" ? described.name : shapeIdOf(described, model);

/** `com.amazonaws.sqs#QueueDoesNotExist` */
export function shapeIdOf({ name, structure }: Described, model: ServiceModel): string {
  return `${structure === undefined ? (coralNamespaces[name] ?? coralNamespace) : model.table.namespace}#${name}`;
}

/** The members of an error as JSON; those it does not model are not sent. */
export function errorBody({ structure, members, message }: Described, writers: JsonWriters): Record<string, unknown> {
  const body = structure === undefined ? {} : (writers.structure(structure)(members) as Record<string, unknown>);
  return carriesMessage(structure) ? body : { ...body, message };
}

const typed = (contentType: string, { requestId }: ResponseContext) => [
  "Content-Type",
  contentType,
  "x-amzn-RequestId",
  requestId,
];

function answer(status: number, body: unknown, contentType: string, context: ResponseContext): HttpResponse {
  return { status, headers: typed(contentType, context), body: Buffer.from(JSON.stringify(body)) };
}
