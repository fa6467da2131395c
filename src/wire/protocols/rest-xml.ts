/** restXml, in S3's flavour: errors without a wrapper, ids in `x-amz-*`. Sources: Smithy's "AWS restXml"; S3 API reference. */
import { Fault } from "../../base/errors.ts";
import { describeFault } from "../faults.ts";
import type { Codec } from "../message.ts";
import type { Member, OperationModel, ServiceModel, Structure } from "../model.ts";
import { textWriter } from "../scalars.ts";
import { s3Routes } from "../s3-routes.ts";
import { malformedXml, parseXml, xmlReaders, type XmlElement } from "../xml-read.ts";
import { escapeText, namespaceAttribute, restXml as restXmlStyle, xmlWriters, type XmlWriters } from "../xml-write.ts";
import type { Problem } from "../constraints.ts";
import type { Protocol } from "./protocol.ts";
import { errorFields, errorResponse, restCodec, type BodyFormat } from "./rest.ts";

const contentType = "application/xml";
const declaration = `<?xml version="1.0" encoding="UTF-8"?>\n`;

export function restXml(model: ServiceModel, hosts: readonly string[]): Protocol {
  const writers = xmlWriters(restXmlStyle);
  const format = xmlFormat(model, writers);
  const find = s3Routes(model, hosts);
  return {
    family: "s3",
    namedInBody: false,
    locate(incoming) {
      const located = find(incoming);
      if (located !== undefined) return located;
      throw new Fault("UnknownOperation", "The specified method is not allowed against this resource.");
    },
    admit: () => undefined,
    codec: (operation) => partial(restCodec(operation, format)),
    invalid,
    encodeFault(fault, context) {
      const described = describeFault(model, "s3", fault);
      const { name, message, structure, members, status } = described;
      const resource = context.path === undefined ? "" : element("Resource", context.path);
      const body =
        `${declaration}<Error>${element("Code", name)}${element("Message", message)}${errorMembers(structure, members, writers)}` +
        `${resource}${element("RequestId", context.requestId)}${element("HostId", hostIdOf(context.requestId))}</Error>`;
      const headers = [...format.headersOf(context), ...errorFields(structure, members)];
      return errorResponse(status, headers, body, contentType, context);
    },
  };
}

/** An answer with part of an object has a status that no model has: "GetObject", "Range". */
function partial({ decode, encode }: Codec): Codec {
  return {
    decode,
    encode(output, context) {
      const response = encode(output, context);
      const isPart = "ContentRange" in output && output.ContentRange !== undefined;
      return isPart ? { ...response, status: 206 } : response;
    },
  };
}

const element = (name: string, text: string) => `<${name}>${escapeText(text)}</${name}>`;

/** AWS's host id is opaque; ours says nothing that the request id does not. */
const hostIdOf = (requestId: string) => Buffer.from(`mikan:${requestId}`).toString("base64");

/** S3 adds members that it does not model (`Key`, `BucketName`, `ArgumentName`): text goes through. */
function errorMembers(
  structure: Structure | undefined,
  members: Readonly<Record<string, unknown>>,
  writers: XmlWriters,
): string {
  if (structure !== undefined && structure.members.length > 0) return writers.members(structure.members)(members);
  return Object.entries(members)
    .filter(([name, value]) => /^[A-Za-z][A-Za-z0-9]*$/.test(name) && typeof value === "string")
    .map(([name, value]) => element(name, String(value)))
    .join("");
}

/** In a document it is the document that is wrong; elsewhere an argument. */
function invalid([first]: readonly Problem[]): Fault {
  if (first === undefined || first.path.includes(".")) return malformedXml();
  const { traits, name } = first.member;
  const wireName = traits.httpHeader ?? traits.httpQuery ?? name;
  if (first.missing) {
    if (traits.httpPayload === 1) {
      return new Fault("MissingRequestBodyError", "Request Body is empty");
    }
    return new Fault("InvalidRequest", `Missing required parameter for this request: '${wireName}'`);
  }
  const text = `Invalid argument: ${first.text}`;
  return new Fault("InvalidArgument", text, { ArgumentName: wireName, ArgumentValue: first.value });
}

function xmlFormat(model: ServiceModel, writers: XmlWriters): BodyFormat {
  const readers = xmlReaders();
  const namespace = model.table.xmlNamespace;
  const rootAttribute = namespaceAttribute(namespace);
  return {
    contentType,
    headersOf: ({ requestId }) => ["x-amz-request-id", requestId, "x-amz-id-2", hostIdOf(requestId)],
    unreadable: ({ wanted, text }, { name }) =>
      new Fault("InvalidArgument", `Provided ${name} is not of type ${wanted}`, {
        ArgumentName: name,
        ArgumentValue: text,
      }),
    membersReader(members, root) {
      const read = readers.members(members);
      return (body) => read(rooted(parseXml(body), root.traits.xmlName ?? root.name)) as Record<string, unknown>;
    },
    payloadReader(payload) {
      if (payload.type.kind !== "structure") throw new Error(`${payload.name}: only structures are XML payloads`);
      const read = readers.structure(payload.type.structure);
      const name = rootName(payload, payload.type.structure);
      return (body) => read(rooted(parseXml(body), name));
    },
    membersWriter(members, operation) {
      const root = operation.output.traits.xmlName ?? operation.output.name;
      const write = isUnwrapped(operation) ? unwrapped(members) : writers.members(members);
      return (value) => `${declaration}<${root}${rootAttribute}>${write(value)}</${root}>`;
    },
    payloadWriter(payload) {
      if (payload.type.kind !== "structure") throw new Error(`${payload.name}: only structures are XML payloads`);
      const { structure } = payload.type;
      const write = writers.members(structure.members);
      const root = rootName(payload, structure);
      return (value) => `${declaration}<${root}${rootAttribute}>${write(value)}</${root}>`;
    },
    emptyBody: undefined,
  };
}

const rootName = (payload: Member, structure: Structure) =>
  payload.traits.xmlName ?? structure.traits.xmlName ?? structure.name;

function rooted(root: XmlElement, name: string): XmlElement {
  if (root.name !== name) throw malformedXml();
  return root;
}

/** GetBucketLocation's answer is text right in the root (`s3UnwrappedXmlOutput` in its Smithy model). */
const isUnwrapped = (operation: OperationModel) => operation.name === "GetBucketLocation";

const writeText = textWriter("string", "date-time");

function unwrapped([only]: readonly Member[]): (value: unknown) => string {
  return (value) => {
    const found = only === undefined ? undefined : (value as Readonly<Record<string, unknown>>)[only.name];
    return found === undefined || found === null ? "" : escapeText(writeText(found));
  };
}
