/** Source code written into a template: the package that CloudFormation makes of it. Source: AWS::Lambda::Function Code, ZipFile. */
import yazl from "yazl";
import { invalid } from "./faults.ts";
import { inlineSourceBytesMax } from "./limits.ts";

const fileNames: readonly (readonly [runtime: string, fileName: string])[] = [
  ["nodejs", "index.js"],
  ["python", "index.py"],
];

/** The same source gives the same bytes, and so the same CodeSha256. */
const madeAt = new Date(Date.UTC(1980, 0, 1, 12));

/** A zip with the one file that the runtime's handler `index.*` means. */
export async function packInline(source: string, runtime: string): Promise<Uint8Array> {
  const file = fileNames.find(([prefix]) => runtime.startsWith(prefix))?.[1];
  if (file === undefined) {
    throw invalid("ZipFile can only be used when Runtime is set to either of nodejs, python.");
  }
  const bytes = Buffer.from(source);
  if (bytes.byteLength > inlineSourceBytesMax) {
    throw invalid(`Inline code must be smaller than ${inlineSourceBytesMax} bytes.`);
  }
  const zip = new yazl.ZipFile();
  zip.addBuffer(bytes, file, { mtime: madeAt, mode: 0o100_644, forceDosTimestamp: true });
  zip.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
