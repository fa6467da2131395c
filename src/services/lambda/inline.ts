/** Source code written into a template: the package that CloudFormation makes of it. Source: AWS::Lambda::Function Code, ZipFile. */
import yazl from "yazl";
import { invalid } from "./faults.ts";
import { nodeResponseModule, pythonResponseModule } from "./inline-modules.ts";
import { inlineSourceBytesMax } from "./limits.ts";

interface InlineRuntime {
  prefix: string;
  fileName: string;
  /** The module for custom resources: where it goes, and how code that uses it names it. */
  response: { path: string; name: string; source: string };
}

const runtimes: readonly InlineRuntime[] = [
  {
    prefix: "nodejs",
    fileName: "index.js",
    response: { path: "node_modules/cfn-response/index.js", name: "cfn-response", source: nodeResponseModule },
  },
  {
    prefix: "python",
    fileName: "index.py",
    response: { path: "cfnresponse.py", name: "cfnresponse", source: pythonResponseModule },
  },
];

/** The same source gives the same bytes, and so the same CodeSha256. */
const madeAt = new Date(Date.UTC(1980, 0, 1, 12));

/** A zip with the file that the runtime's handler `index.*` means, and the module for custom resources if it is named. */
export async function packInline(source: string, runtime: string): Promise<Uint8Array> {
  const kind = runtimes.find(({ prefix }) => runtime.startsWith(prefix));
  if (kind === undefined) {
    throw invalid("ZipFile can only be used when Runtime is set to either of nodejs, python.");
  }
  const bytes = Buffer.from(source);
  if (bytes.byteLength > inlineSourceBytesMax) {
    throw invalid(`Inline code must be smaller than ${inlineSourceBytesMax} bytes.`);
  }
  const zip = new yazl.ZipFile();
  const { fileName, response } = kind;
  const options = { mtime: madeAt, mode: 0o100_644, forceDosTimestamp: true };
  zip.addBuffer(bytes, fileName, options);
  if (source.includes(response.name)) zip.addBuffer(Buffer.from(response.source), response.path, options);
  zip.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
