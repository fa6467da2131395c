/** A browser's form with a file in it, read as it comes: the fields first, then the file as a stream. Source: RFC 7578. */
import { Fault } from "../base/errors.ts";
import type { Body } from "../base/http.ts";
import { formFieldsBytesMax } from "./limits.ts";

export interface FormData {
  /** What came before the file, by names in lower case. */
  fields: ReadonlyMap<string, string>;
  /** As the browser calls it; without a path. */
  fileName: string;
  file: AsyncIterable<Uint8Array>;
}

const lineEnd = "\r\n";
const headEnd = Buffer.from("\r\n\r\n");

const malformed = () =>
  new Fault("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.");

/** The boundary of a `Content-Type`; throws a fault where there is none. */
export function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw malformed();
  return boundary;
}

/** Bytes that have come, and those to come. */
class Incoming {
  readonly #source: AsyncIterator<Uint8Array>;
  bytes: Buffer = Buffer.from(lineEnd);
  ended = false;

  constructor(body: Body) {
    this.#source = streamOf(body)[Symbol.asyncIterator]();
  }

  /** Adds what comes next; false at the end. */
  async more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done === true) {
      this.ended = true;
      return false;
    }
    this.bytes = this.bytes.byteLength === 0 ? Buffer.from(next.value) : Buffer.concat([this.bytes, next.value]);
    return true;
  }

  /** Takes what is before `mark`, and the mark away; of what comes before a file there is not much. */
  async until(mark: Buffer): Promise<Buffer> {
    for (;;) {
      const at = this.bytes.indexOf(mark);
      if (at !== -1) {
        const before = this.bytes.subarray(0, at);
        this.bytes = this.bytes.subarray(at + mark.byteLength);
        return before;
      }
      if (this.bytes.byteLength > formFieldsBytesMax) throw tooMuch();
      if (!(await this.more())) throw malformed();
    }
  }

  /** What is behind a delimiter: another part, or the end. */
  async goesOn(): Promise<boolean> {
    while (this.bytes.byteLength < 2) if (!(await this.more())) throw malformed();
    const sign = this.bytes.toString("latin1", 0, 2);
    this.bytes = this.bytes.subarray(2);
    if (sign === lineEnd) return true;
    if (sign === "--") return false;
    throw malformed();
  }

  /** Passes on what is before `mark`, however much it is. */
  async *through(mark: Buffer): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.bytes.indexOf(mark);
      if (at !== -1) {
        if (at > 0) yield this.bytes.subarray(0, at);
        return;
      }
      // The end of what is here may be the beginning of the mark.
      const sure = this.bytes.byteLength - mark.byteLength + 1;
      if (sure > 0) {
        yield this.bytes.subarray(0, sure);
        this.bytes = this.bytes.subarray(sure);
      }
      if (!(await this.more())) throw malformed();
    }
  }
}

const tooMuch = () =>
  new Fault("MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large.");

/** Reads as far as the file. What comes after it is not looked at, as S3 does not. */
export async function readFormData(body: Body, boundary: string): Promise<FormData> {
  const delimiter = Buffer.from(`${lineEnd}--${boundary}`);
  const incoming = new Incoming(body);
  const fields = new Map<string, string>();
  let fieldBytes = 0;
  await incoming.until(delimiter);
  while (await incoming.goesOn()) {
    // A part without fields of its own would begin with an empty line.
    incoming.bytes = Buffer.concat([Buffer.from(lineEnd), incoming.bytes]);
    const head = (await incoming.until(headEnd)).toString("utf8");
    const { name, fileName } = dispositionOf(head);
    if (name === "file") return { fields, fileName, file: incoming.through(delimiter) };
    const value = (await incoming.until(delimiter)).toString("utf8");
    fieldBytes += name.length + value.length;
    if (fieldBytes > formFieldsBytesMax) throw tooMuch();
    fields.set(name, value);
  }
  throw new Fault("InvalidArgument", "POST requires exactly one file upload per request.", { ArgumentName: "file" });
}

function dispositionOf(head: string): { name: string; fileName: string } {
  const line = head.split(lineEnd).find((text) => /^content-disposition:/i.test(text)) ?? "";
  const parameter = (name: string) => new RegExp(`;\\s*${name}="((?:[^"\\\\]|\\\\.)*)"`, "i").exec(line)?.[1];
  const name = parameter("name");
  if (name === undefined) throw malformed();
  // Some browsers send the whole path of the file.
  const fileName = (parameter("filename") ?? "").split(/[\\/]/).at(-1) ?? "";
  return { name: name.toLowerCase(), fileName };
}

async function* streamOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else if (body !== undefined) yield* body;
}
