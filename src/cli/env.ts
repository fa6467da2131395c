/** `mikan env`: what an AWS client needs in its environment, as shell lines. */
import { parseArgs } from "node:util";
import { endpointDefault } from "./client.ts";
import { say, type Command } from "./command.ts";

export const env: Command = {
  summary: 'print the environment of an AWS client: eval "$(mikan env)"',
  usage: "mikan env [--endpoint URL] [--region us-east-1]",
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        endpoint: { type: "string", default: endpointDefault },
        region: { type: "string", default: "us-east-1" },
      },
    });
    const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
    const variables = {
      AWS_ENDPOINT_URL: values.endpoint,
      AWS_REGION: values.region,
      AWS_DEFAULT_REGION: values.region,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      // Without it clients put `data-` and the like before the host, which need not resolve.
      AWS_DISABLE_HOST_PREFIX_INJECTION: "true",
      // Nothing on this machine answers at the address where EC2 keeps credentials.
      AWS_EC2_METADATA_DISABLED: "true",
    };
    for (const [name, value] of Object.entries(variables)) say(`export ${name}=${quoted(value)}`);
    return 0;
  },
};
