/** `mikan delete`: deletes a stack and shows its events until it is gone. */
import { parseArgs } from "node:util";
import { child, createClient, membersOf, textAt } from "./client.ts";
import { say, UserError, type Command } from "./command.ts";
import { cloudformationVersion, eventsSoFar, watchStack } from "./stack.ts";

export const remove: Command = {
  summary: "delete a stack, and watch it go",
  usage: "mikan delete STACK [--endpoint URL] [--region REGION]",
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { endpoint: { type: "string" }, region: { type: "string" } },
    });
    const [stack, ...more] = positionals;
    if (stack === undefined || more.length > 0) throw new UserError("delete takes one stack: mikan delete STACK");
    const client = createClient({
      endpoint: values.endpoint,
      ...(values.region === undefined ? {} : { region: values.region }),
    });
    // CloudFormation deletes what is not there without a word; somebody at a terminal wants to know.
    const found = await client.query("cloudformation", cloudformationVersion, "DescribeStacks", { StackName: stack });
    const [described] = membersOf(found, "Stacks");
    const id = child(described, "StackId")?.text ?? stack;
    const before = await eventsSoFar(client, id);
    await client.query("cloudformation", cloudformationVersion, "DeleteStack", { StackName: stack });
    const end = await watchStack(client, id, before);
    if (end.status === "DELETE_COMPLETE") {
      say(`Stack ${described === undefined ? stack : textAt(described, "StackName")} is deleted.`);
      return 0;
    }
    say(`Stack ${stack} is ${end.status}${end.reason === "" ? "" : `: ${end.reason}`}`);
    return 1;
  },
};
