/**
 * RPC v2 CBOR: operation in the path, CBOR both ways. A request says that it speaks it in `smithy-protocol`, to services
 * whose own protocol is another. Source: Smithy's "Smithy RPC v2 CBOR protocol".
 */
import { Fault } from "../../base/errors.ts";
import { cborInput, parseCbor } from "../cbor-read.ts";
import { cborOf, cborOutput } from "../cbor-write.ts";
import { eventStreamType, rpcEvents } from "../event-stream.ts";
import { describeFault } from "../faults.ts";
import { jsonReaders } from "../json-read.ts";
import { jsonWriters } from "../json-write.ts";
import { mediaType, type HeaderMap, type Incoming } from "../message.ts";
import type { ServiceModel, Structure } from "../model.ts";
import { errorBody, invalidInput, queryError, shapeIdOf } from "./aws-json.ts";
import type { Protocol } from "./protocol.ts";

const contentType = "application/cbor";
const protocolName = "rpc-v2-cbor";
const noLabels = {};

/** True for a request in this protocol, whatever it is about. */
export const speaksCbor = (headers: HeaderMap): boolean => headers.get("smithy-protocol") === protocolName;

/** Anything may stand before it: an endpoint may have a path of its own. */
const place = /\/service\/([A-Za-z0-9_.]+)\/operation\/([A-Za-z0-9_]+)$/;

/** The names in the path. */
export function rpcNames({ path }: Incoming): { service: string; operation: string } | undefined {
  const [, service, operation] = place.exec(path) ?? [];
  return service === undefined || operation === undefined ? undefined : { service, operation };
}

/** Structures that stand for "no output" have no body at all. */
const isUnit = ({ name, members }: Structure) => name === "Unit" && members.length === 0;

export function rpcV2Cbor(model: ServiceModel): Protocol {
  const readers = jsonReaders(cborInput);
  const writers = jsonWriters(cborOutput);
  const head = (requestId: string) => ["smithy-protocol", protocolName, "x-amzn-RequestId", requestId];
  const typed = (requestId: string, type = contentType) => [...head(requestId), "Content-Type", type];
  const writer = (structure: Structure) => {
    const write = writers.structure(structure);
    return (value: unknown) => cborOf(write(value));
  };
  return {
    family: "json",
    namedInBody: false,
    locate(incoming) {
      const names = rpcNames(incoming);
      const meant = incoming.request.method === "POST" && names?.service === model.table.targetPrefix;
      const operation = meant ? model.operation(names.operation) : undefined;
      if (operation === undefined) throw new Fault("UnknownOperation", "The requested operation is not recognized.");
      return { operation, labels: noLabels };
    },
    admit({ headers }, { operation }) {
      const type = mediaType(headers);
      // What has no input is sent without a body, and so without a type.
      if (type === contentType || (type === "" && operation.input.members.length === 0)) return;
      throw new Fault("UnsupportedMediaType", `The content type has to be ${contentType}.`);
    },
    codec({ input, output }) {
      const read = readers.structure(input);
      const write = writer(output);
      const events = rpcEvents(output, { contentType, writer });
      const answer = (value: object, requestId: string) =>
        events === undefined
          ? { status: 200, headers: typed(requestId), body: write(value) }
          : { status: 200, headers: typed(requestId, eventStreamType), body: events(value) };
      return {
        decode: ({ body }) => read(parseCbor(body instanceof Uint8Array ? body : new Uint8Array(0))) as object,
        encode: (value, { requestId }) =>
          isUnit(output) ? { status: 200, headers: head(requestId), body: undefined } : answer(value, requestId),
      };
    },
    invalid: invalidInput(model),
    encodeFault(fault, { requestId }) {
      const described = describeFault(model, "json", fault);
      const body = { __type: shapeIdOf(described, model), ...errorBody(described, writers) };
      const headers = [...typed(requestId), ...queryError(described, model)];
      return { status: described.status, headers, body: cborOf(body) };
    },
  };
}
