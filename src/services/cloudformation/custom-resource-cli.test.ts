/** A custom resource deployed by the AWS CLI as it is: made, replaced from inside by an update, and deleted. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startMikan } from "../../mikan.ts";

const hasCli = spawnSync("aws", ["--version"]).status === 0;

const template = `
Parameters: { Table: { Type: String } }
Resources:
  Seeder:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      Role: arn:aws:iam::000000000000:role/any
      Code:
        ZipFile: |
          const response = require("cfn-response");
          exports.handler = (event, context) =>
            response.send(event, context, response.SUCCESS, {}, "seed-" + event.ResourceProperties.Table);
  Seed:
    Type: Custom::Seed
    Properties: { ServiceToken: !GetAtt Seeder.Arn, ServiceTimeout: 60, Table: !Ref Table }
Outputs: { Seed: { Value: !Ref Seed } }
`;

it.skipIf(!hasCli)(
  `aws cloudformation deploy${hasCli ? "" : ", WHICH IS NOT INSTALLED: pip install awscli"}`,
  async () => {
    await using mikan = await startMikan();
    const directory = await mkdtemp(join(tmpdir(), "mikan-custom-"));
    try {
      const file = join(directory, "app.yaml");
      await writeFile(file, template);
      const env = {
        PATH: process.env["PATH"],
        HOME: directory,
        AWS_ENDPOINT_URL: mikan.url,
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
        AWS_DEFAULT_REGION: "us-east-1",
      };
      const aws = async (...args: readonly string[]) =>
        (await promisify(execFile)("aws", ["cloudformation", ...args, "--stack-name", "shop"], { env })).stdout.trim();
      const seed = () => aws("describe-stacks", "--query", "Stacks[0].Outputs[0].OutputValue", "--output", "text");
      await aws("deploy", "--template-file", file, "--parameter-overrides", "Table=products");
      expect(await seed()).toBe("seed-products");
      await aws("deploy", "--template-file", file, "--parameter-overrides", "Table=orders");
      expect(await seed()).toBe("seed-orders");
      const query = "StackEvents[?ResourceStatus==`DELETE_COMPLETE`].PhysicalResourceId";
      expect(await aws("describe-stack-events", "--query", query, "--output", "text")).toBe("seed-products");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
  240_000,
);
