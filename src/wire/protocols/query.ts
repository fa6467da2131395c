/** awsQuery and ec2Query: operation and members in a form, XML back. Sources: Smithy's "AWS query" and "AWS EC2 query". */
import { Fault } from "../../base/errors.ts";
import type { HttpResponse } from "../../base/http.ts";
import type { Problem } from "../constraints.ts";
import { carriesMessage, describeFault, type Described } from "../faults.ts";
import { decodePairs, type Pair } from "../form.ts";
import { mediaType, type Codec, type Incoming, type ResponseContext } from "../message.ts";
import type { OperationModel, ServiceModel } from "../model.ts";
import { ec2Style, queryReaders, queryStyle, queryTree } from "../query-read.ts";
import { ec2Xml, escapeText, queryXml, xmlWriters } from "../xml-write.ts";
import { invalidInput } from "./aws-json.ts";
import type { Protocol } from "./protocol.ts";

const noLabels = {};
export const formType = "application/x-www-form-urlencoded";

/** The pairs of a form body; none when the body is not a form. */
export function formOf({ headers }: Incoming, body: Uint8Array): Pair[] {
  const type = mediaType(headers);
  if (body.byteLength === 0) return [];
  if (type !== formType && type !== "")
    throw new Fault("UnsupportedMediaType", `The content type has to be ${formType}.`);
  return decodePairs(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
}

/** What the two protocols do not share. */
interface Dialect {
  kind: "query" | "ec2";
  success(operation: OperationModel): (content: string, requestId: string) => string;
  error(described: Described, members: string, requestId: string): string;
  invalid(problems: readonly Problem[]): Fault;
}

export function awsQuery(model: ServiceModel): Protocol {
  // SQS models no namespace for its old protocol; it always was this one.
  const namespace = escapeText(model.table.xmlNamespace ?? `http://queue.amazonaws.com/doc/${model.table.version}/`);
  return queryProtocol(model, {
    kind: "query",
    success: ({ name, output }) => {
      // An output without members still has its wrapper: botocore looks for it.
      const result = output.name !== "Unit";
      return (content, requestId) =>
        `<${name}Response xmlns="${namespace}">${result ? `<${name}Result>${content}</${name}Result>` : ""}` +
        `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${name}Response>`;
    },
    error: ({ queryCode, sender, message }, members, requestId) =>
      `<ErrorResponse xmlns="${namespace}"><Error><Type>${sender ? "Sender" : "Receiver"}</Type><Code>${escapeText(queryCode)}` +
      `</Code><Message>${escapeText(message)}</Message>${members}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
    invalid: invalidInput(model),
  });
}

export function ec2Query(model: ServiceModel): Protocol {
  const namespace = escapeText(model.table.xmlNamespace ?? "");
  return queryProtocol(model, {
    kind: "ec2",
    success:
      ({ name }) =>
      (content, requestId) =>
        `<${name}Response xmlns="${namespace}"><requestId>${requestId}</requestId>${content}</${name}Response>`,
    error: ({ queryCode, message }, _, requestId) =>
      `<Response><Errors><Error><Code>${escapeText(queryCode)}</Code><Message>${escapeText(message)}</Message></Error>` +
      `</Errors><RequestID>${requestId}</RequestID></Response>`,
    invalid: ec2Invalid,
  });
}

/** Source: "Error codes for the Amazon EC2 API". */
function ec2Invalid([first]: readonly Problem[]): Fault {
  if (first === undefined) return new Fault("InvalidParameterValue", "The request is invalid");
  const name = ec2Style.nameOf(first.member);
  if (first.missing) return new Fault("MissingParameter", `The request must contain the parameter ${name}`);
  const message = `Value ( ${first.value} ) for parameter ${name} is invalid. ${first.text}.`;
  return new Fault("InvalidParameterValue", message);
}

function queryProtocol(model: ServiceModel, dialect: Dialect): Protocol {
  const style = dialect.kind === "ec2" ? ec2Style : queryStyle;
  const readers = queryReaders(style);
  const writers = xmlWriters(dialect.kind === "ec2" ? ec2Xml : queryXml);
  const codec = (operation: OperationModel): Codec => {
    const read = readers.structure(operation.input);
    const content = writers.members(operation.output.members);
    const envelope = dialect.success(operation);
    return {
      decode: ({ query, labels }) => read(queryTree(withQueueUrl(query, labels), style)) as object,
      encode: (value, context) => answer(200, envelope(content(value), context.requestId), context),
    };
  };
  return {
    family: dialect.kind,
    namedInBody: true,
    locate: ({ query, path }, form) => {
      const action = valueOf("Action", form, query);
      if (action === undefined) throw new Fault("MissingAction", "The request must contain the parameter Action");
      const operation = model.operation(action);
      if (operation !== undefined) {
        checkVersion(model, dialect, valueOf("Version", form, query));
        return { operation, labels: queuePath.test(path) ? { QueueUrl: path } : noLabels };
      }
      throw new Fault(
        "UnknownOperation",
        `Could not find operation ${action.slice(0, 100)} for version ${model.table.version}`,
      );
    },
    // A form cannot be told from one that a page sends; the signature that every call needs is what a page lacks.
    admit: () => undefined,
    codec,
    invalid: dialect.invalid,
    encodeFault(fault, context) {
      const described = describeFault(model, dialect.kind, fault);
      const body = dialect.error(described, errorMembers(described, writers), context.requestId);
      return answer(described.status, body, context);
    },
  };
}

/** SQS's old clients post to the queue's own URL, and name it nowhere else. */
const queuePath = /^\/\d{12}\/[^/]+$/;

function withQueueUrl(query: readonly Pair[], { QueueUrl }: Readonly<Record<string, string>>): readonly Pair[] {
  if (QueueUrl === undefined || query.some(([name]) => name === "QueueUrl")) return query;
  return [...query, ["QueueUrl", QueueUrl]];
}

function valueOf(name: string, ...places: readonly (readonly Pair[])[]): string | undefined {
  for (const pairs of places) {
    const found = pairs.find(([given]) => given === name);
    if (found !== undefined) return found[1];
  }
  return undefined;
}

/**
 * Another version is another API that may have the same names: the Classic Load Balancers' requests are signed for the
 * same service. EC2 and SQS only added to what their older versions had.
 */
function checkVersion({ key, table }: ServiceModel, { kind }: Dialect, version: string | undefined): void {
  if (version === undefined || version === table.version || kind === "ec2" || key === "sqs") return;
  throw new Fault(
    "NotImplemented",
    `Mikan does not implement version ${version.slice(0, 20)} of ${key}; it has ${table.version}.`,
  );
}

function errorMembers({ structure, members }: Described, writers: ReturnType<typeof xmlWriters>): string {
  if (structure === undefined) return "";
  // The message stands in the envelope; a second one would confuse.
  const others = carriesMessage(structure)
    ? structure.members.filter(({ name }) => name.toLowerCase() !== "message")
    : structure.members;
  return others.length === 0 ? "" : writers.members(others)(members);
}

function answer(status: number, xml: string, { requestId }: ResponseContext): HttpResponse {
  const headers = ["Content-Type", "text/xml", "x-amzn-RequestId", requestId];
  return { status, headers, body: Buffer.from(xml) };
}
