/** Macros and AWS::Include, through the client and with functions that run. */
import {
  CreateStackCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
  GetTemplateCommand,
  GetTemplateSummaryCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { failuresOf, restingStatus } from "../../../test/stacks.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
  const code = (source: string) => ({
    Type: "AWS::Lambda::Function",
    Properties: {
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/any",
      Timeout: 30,
      Code: { ZipFile: source },
    },
  });
  const macro = (Name: string, of: string) => ({
    Type: "AWS::CloudFormation::Macro",
    Properties: { Name, FunctionName: { "Fn::GetAtt": [of, "Arn"] }, Description: "for tests" },
  });
  const Resources = {
    // Multiplies what has a Count, as AWS's example does.
    Count: code(`exports.handler = async ({ requestId, fragment }) => {
      const Resources = {};
      for (const [id, { Count, ...resource }] of Object.entries(fragment.Resources)) {
        if (Count === undefined) Resources[id] = resource;
        else for (let i = 1; i <= Count; i += 1) Resources[id + i] = resource;
      }
      return { requestId, status: "success", fragment: { ...fragment, Resources } };
    };`),
    Shout: code(`exports.handler = async ({ requestId, fragment, params, templateParameterValues, ...rest }) => ({
      requestId, status: "SUCCESS",
      fragment: { ...fragment, Value: JSON.stringify({ fragment, params, templateParameterValues, ...rest }) },
    });`),
    Refuse: code(
      `exports.handler = async ({ requestId }) => ({ requestId, status: "failure", errorMessage: "not like that" });`,
    ),
    Throw: code(`exports.handler = async () => { throw new Error("broken"); };`),
    Mute: code(`exports.handler = async () => "hello";`),
    CountMacro: macro("Count", "Count"),
    ShoutMacro: macro("Shout", "Shout"),
    RefuseMacro: macro("Refuse", "Refuse"),
    ThrowMacro: macro("Throw", "Throw"),
    MuteMacro: macro("Mute", "Mute"),
  };
  const { StackId = "" } = await clients.cloudformation.send(
    new CreateStackCommand({ StackName: "macros", TemplateBody: JSON.stringify({ Resources }) }),
  );
  expect([await restingStatus(clients, StackId), await failuresOf(clients, StackId)]).toEqual(["CREATE_COMPLETE", []]);
  await clients.s3.send(new CreateBucketCommand({ Bucket: "parts" }));
  const files = {
    "tier.yaml": "Tier: Standard\nDescription: !Sub 'of ${AWS::StackName}'\n",
    "sections.json": JSON.stringify({
      Resources: { More: { Type: "AWS::SSM::Parameter", Properties: { Type: "String", Value: "2" } } },
      Outputs: { More: { Value: { "Fn::GetAtt": ["More", "Value"] } } },
    }),
    "broken.yaml": "a: [",
  };
  for (const [Key, Body] of Object.entries(files)) {
    await clients.s3.send(new PutObjectCommand({ Bucket: "parts", Key, Body }));
  }
}, 120_000);
afterAll(async () => {
  clients.destroy();
  await mikan.close();
});

const parameter = (Value: unknown, rest: object = {}) => ({
  Type: "AWS::SSM::Parameter",
  Properties: { Type: "String", Value },
  ...rest,
});

function create(name: string, template: object, Parameters: { ParameterKey: string; ParameterValue: string }[] = []) {
  return clients.cloudformation.send(
    new CreateStackCommand({
      StackName: name,
      TemplateBody: JSON.stringify(template),
      Parameters,
      Capabilities: ["CAPABILITY_AUTO_EXPAND"],
    }),
  );
}

async function made(name: string) {
  expect([await restingStatus(clients, name), await failuresOf(clients, name)]).toEqual(["CREATE_COMPLETE", []]);
  const { StackResources = [] } = await clients.cloudformation.send(
    new DescribeStackResourcesCommand({ StackName: name }),
  );
  return StackResources.map(({ LogicalResourceId }) => LogicalResourceId);
}

async function outputsOf(name: string) {
  const { Stacks } = await clients.cloudformation.send(new DescribeStacksCommand({ StackName: name }));
  return Object.fromEntries((Stacks?.[0]?.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}

describe("a macro", () => {
  it("rewrites the template, and GetTemplate shows both", async () => {
    const template = { Transform: "Count", Resources: { P: parameter("1", { Count: 2 }), Q: parameter("1") } };
    await create("count", template);
    expect(new Set(await made("count"))).toEqual(new Set(["P1", "P2", "Q"]));
    const get = async (TemplateStage: "Original" | "Processed") =>
      JSON.parse(
        (await clients.cloudformation.send(new GetTemplateCommand({ StackName: "count", TemplateStage })))
          .TemplateBody ?? "",
      ) as object;
    expect(await get("Original")).toEqual(template);
    expect(await get("Processed")).toEqual({
      Resources: { P1: parameter("1"), P2: parameter("1"), Q: parameter("1") },
    });
    await clients.cloudformation.send(
      new UpdateStackCommand({
        StackName: "count",
        TemplateBody: JSON.stringify({ ...template, Resources: { P: parameter("1", { Count: 1 }) } }),
        Capabilities: ["CAPABILITY_AUTO_EXPAND"],
      }),
    );
    expect(await restingStatus(clients, "count")).toBe("UPDATE_COMPLETE");
  });

  it("is told where it is, what it is given and the template's parameters", async () => {
    const template = {
      Parameters: { Size: { Type: "Number", Default: 3 }, Names: { Type: "CommaDelimitedList", Default: "a,b" } },
      Resources: { P: parameter("placeholder") },
    };
    const shout = { Name: "Shout", Parameters: { How: { "Fn::Sub": "very ${Size} in ${AWS::Region}" } } };
    Object.assign(template.Resources.P.Properties, { "Fn::Transform": shout });
    await create("shout", { ...template, Outputs: { V: { Value: { "Fn::GetAtt": ["P", "Value"] } } } });
    await made("shout");
    expect(JSON.parse((await outputsOf("shout"))["V"] ?? "")).toEqual({
      fragment: { Type: "String", Value: "placeholder" },
      params: { How: "very 3 in us-east-1" },
      templateParameterValues: { Size: "3", Names: ["a", "b"] },
      region: "us-east-1",
      accountId: "000000000000",
      transformId: "000000000000::Shout",
    });
  });

  it("runs innermost first, then as listed, SAM and AWS's own among them", async () => {
    const handler = { Runtime: "nodejs22.x", Handler: "index.handler", InlineCode: "exports.handler = () => {}" };
    const template = {
      Transform: ["Count", "AWS::Serverless-2016-10-31"],
      Resources: { F: { Type: "AWS::Serverless::Function", Properties: handler, Count: 2 } },
    };
    const input = { StackName: "sam", TemplateBody: JSON.stringify(template) };
    await clients.cloudformation.send(
      new CreateStackCommand({ ...input, Capabilities: ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"] }),
    );
    expect(new Set(await made("sam"))).toEqual(new Set(["F1", "F1Role", "F2", "F2Role"]));
  });

  it("needs an acknowledgement, and is declared in the summary", async () => {
    const TemplateBody = JSON.stringify({ Resources: { P: { "Fn::Transform": { Name: "Shout" } } } });
    await expect(
      clients.cloudformation.send(new CreateStackCommand({ StackName: "refused", TemplateBody })),
    ).rejects.toMatchObject({
      name: "InsufficientCapabilitiesException",
      message: "Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
    });
    expect(await clients.cloudformation.send(new GetTemplateSummaryCommand({ TemplateBody }))).toMatchObject({
      DeclaredTransforms: ["Shout"],
      Capabilities: ["CAPABILITY_AUTO_EXPAND"],
    });
  });

  it.each([
    ["Missing", "No transform named 000000000000::Missing found."],
    ["Refuse", "Transform 000000000000::Refuse failed with: not like that"],
    ["Throw", "Transform 000000000000::Throw failed without an error message."],
    ["Mute", "Received malformed response from transform 000000000000::Mute"],
  ])("%s fails as on AWS", async (Transform, message) => {
    await expect(create("failing", { Transform, Resources: { P: parameter("1") } })).rejects.toMatchObject({
      name: "ValidationError",
      message,
    });
  });
});

describe("AWS::Include", () => {
  const include = (Location: unknown) => ({ Name: "AWS::Include", Parameters: { Location } });

  it("puts a file of S3 into a section, and another at the top", async () => {
    const P = parameter("1");
    Object.assign(P.Properties, { "Fn::Transform": include({ "Fn::Sub": "s3://${Bucket}/tier.yaml" }) });
    const template = {
      Parameters: { Bucket: { Type: "String" } },
      Transform: include("s3://parts/sections.json"),
      Resources: { P },
      Outputs: { P: { Value: { Ref: "P" } } },
    };
    await create("include", template, [{ ParameterKey: "Bucket", ParameterValue: "parts" }]);
    expect(new Set(await made("include"))).toEqual(new Set(["P", "More"]));
    expect(await outputsOf("include")).toMatchObject({ More: "2" });
    const { TemplateBody = "" } = await clients.cloudformation.send(
      new GetTemplateCommand({ StackName: "include", TemplateStage: "Processed" }),
    );
    expect(TemplateBody).toContain('"Tier":"Standard"');
    expect(TemplateBody).not.toContain("Transform");
  });

  it.each([
    ["https://parts/tier.yaml", "Transform AWS::Include failed with: The location parameter is not a valid S3 uri."],
    ["s3://parts/none.yaml", "Transform AWS::Include failed with: S3 error: The specified key does not exist."],
    [
      "s3://parts/broken.yaml",
      "Transform AWS::Include failed with: The specified S3 object's content should be valid Yaml/JSON",
    ],
  ])("%s is refused", async (location, message) => {
    const template = { Resources: { "Fn::Transform": include(location), P: parameter("1") } };
    await expect(create("failing", template)).rejects.toMatchObject({ name: "ValidationError", message });
  });
});
