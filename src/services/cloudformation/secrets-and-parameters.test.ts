/** Values of SSM and Secrets Manager in templates, on a whole node: read when they are used, and stored nowhere. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect, it } from "vitest";
import { startMikan } from "../../mikan.ts";

it("reach a function's environment, and nobody else", async () => {
  await using mikan = await startMikan();
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const config = { endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 };
  const [cloudformation, ssm] = [new CloudFormationClient(config), new SSMClient(config)];
  await ssm.send(new PutParameterCommand({ Name: "/app/host", Value: "db.local", Type: "String" }));
  await ssm.send(new PutParameterCommand({ Name: "/app/zones", Value: "a,b", Type: "StringList" }));
  await new SecretsManagerClient(config).send(
    new CreateSecretCommand({ Name: "db", SecretString: JSON.stringify({ password: "hush-hush" }) }),
  );
  const Variables = {
    HOST: "{{resolve:ssm:/app/host}}",
    PASSWORD: "{{resolve:secretsmanager:db:SecretString:password}}",
    ZONE: { "Fn::Select": [1, { Ref: "Zones" }] },
  };
  const template = {
    Parameters: { Zones: { Type: "AWS::SSM::Parameter::Value<List<String>>", Default: "/app/zones" } },
    Resources: {
      App: {
        Type: "AWS::Lambda::Function",
        Properties: {
          FunctionName: "app",
          Runtime: "nodejs24.x",
          Handler: "index.handler",
          Role: "arn:aws:iam::000000000000:role/any",
          Code: { ZipFile: "exports.handler = async () => 1;" },
          Environment: { Variables },
        },
      },
    },
  };
  const create = (StackName: string, TemplateBody: string) =>
    cloudformation.send(new CreateStackCommand({ StackName, TemplateBody }));
  const described = async () => (await cloudformation.send(new DescribeStacksCommand({ StackName: "s" }))).Stacks?.[0];
  await create("s", JSON.stringify(template));
  await expect.poll(async () => (await described())?.StackStatus, { timeout: 10_000 }).toBe("CREATE_COMPLETE");
  expect((await described())?.Parameters).toEqual([
    { ParameterKey: "Zones", ParameterValue: "/app/zones", ResolvedValue: "a,b" },
  ]);
  const app = await new LambdaClient(config).send(new GetFunctionConfigurationCommand({ FunctionName: "app" }));
  expect(app.Environment?.Variables).toEqual({ HOST: "db.local", PASSWORD: "hush-hush", ZONE: "b" });
  const events = await cloudformation.send(new DescribeStackEventsCommand({ StackName: "s" }));
  expect(JSON.stringify(events)).not.toContain("hush-hush");
  await expect(create("t", JSON.stringify(template).replace("/app/zones", "/none"))).rejects.toThrow(
    "Unable to fetch parameters [/none] from parameter store for this account.",
  );
});
