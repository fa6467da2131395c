/** `mikan ca`: the certificate of the authority that issues the certificates of this node. */
import { parseArgs } from "node:util";
import { createClient } from "./client.ts";
import { say, type Command } from "./command.ts";

export const ca: Command = {
  summary: "print the certificate by which clients trust ACM's certificates: mikan ca > ca.pem",
  usage: "mikan ca [--endpoint URL]",
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { endpoint: { type: "string" } } });
    const { certificate } = await createClient({ endpoint: values.endpoint }).admin<{ certificate: string }>(
      "/_mikan/ca",
    );
    say(certificate.trimEnd());
    return 0;
  },
};
