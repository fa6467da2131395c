/** Templates and what is found in them, with places; the resource types are those of the whole house. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { places } from "../../cli/artifacts.ts";
import type { Resource } from "../../kit/resource.ts";
import { resourceTypes } from "../../offline.ts";
import { checkOffline } from "./offline.ts";
import { good } from "./sam/templates.suite.ts";

let types: ReadonlyMap<string, Resource>;
beforeAll(async () => {
  types = await resourceTypes();
});

async function found(text: string, parameters?: Record<string, string>): Promise<readonly string[]> {
  const { findings } = await checkOffline(text, {
    typeOf: (type) => types.get(type),
    region: "us-east-1",
    localFiles: places,
    ...(parameters === undefined ? {} : { parameters }),
  });
  return findings.map(({ severity, path, message, position }) => {
    const place = position === undefined ? "" : `${position.line}:${position.column} `;
    return `${place}${severity === "error" ? "" : `${severity} `}${path}: ${message}`;
  });
}

const bucket = (properties: string) => `Resources:\n  B:\n    Type: AWS::S3::Bucket\n    Properties:\n${properties}`;
const role = `Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
`;

describe("a property", () => {
  it.each([
    [
      "that its type does not have",
      bucket("      BucketNmae: a\n"),
      ["5:7 Resources.B.Properties.BucketNmae: AWS::S3::Bucket has no property BucketNmae; did you mean BucketName?"],
    ],
    [
      "that a part of its type does not have",
      bucket("      VersioningConfiguration:\n        Stats: Enabled\n"),
      [
        "5:7 Resources.B.Properties.VersioningConfiguration: VersioningConfiguration of AWS::S3::Bucket needs Status",
        "6:9 Resources.B.Properties.VersioningConfiguration.Stats: VersioningConfiguration of AWS::S3::Bucket has no property Stats; did you mean Status?",
      ],
    ],
    [
      "that is needed",
      "Resources:\n  R:\n    Type: AWS::IAM::Role\n",
      ["2:3 Resources.R.Properties: AWS::IAM::Role needs AssumeRolePolicyDocument"],
    ],
    [
      "that is a list's, and is text",
      `${role}      ManagedPolicyArns: x\n`,
      ['6:26 Resources.R.Properties.ManagedPolicyArns: ManagedPolicyArns must be a list, and is "x"'],
    ],
    [
      "that is text, and is a list by a function",
      `${role}      RoleName: !GetAZs ""\n`,
      ["6:25 Resources.R.Properties.RoleName: RoleName must be text, and is a list"],
    ],
    [
      "that is a number's, and is text",
      `${role}      MaxSessionDuration: an hour\n`,
      ['6:27 Resources.R.Properties.MaxSessionDuration: MaxSessionDuration must be a whole number, and is "an hour"'],
    ],
    ["that is a number as text", `${role}      MaxSessionDuration: "3600"\n`, []],
    ["that is text as a number", `${role}      Description: 12\n`, []],
    [
      "that is none of an enumeration",
      bucket("      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforce}]}\n"),
      [
        '5:53 Resources.B.Properties.OwnershipControls.Rules[0].ObjectOwnership: OwnershipControls.Rules[0].ObjectOwnership must be one of BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter, and is "BucketOwnerEnforce"; did you mean BucketOwnerEnforced?',
      ],
    ],
    ["that a service will read later", `${role}      MaxSessionDuration: "{{resolve:ssm:/hours}}"\n`, []],
    ["that is nothing", bucket("      BucketNmae: !Ref AWS::NoValue\n"), []],
  ])("%s", async (_, text, findings) => {
    expect(await found(text)).toEqual(findings);
  });

  it("is looked at in both branches, and with values in the one that counts", async () => {
    const text = `Parameters: {P: {Type: String}}
Conditions: {C: !Equals [!Ref P, a]}
${role}      MaxSessionDuration: !If [C, soon, 3600]
`;
    const wrong =
      '8:35 Resources.R.Properties.MaxSessionDuration.Fn::If[1]: MaxSessionDuration must be a whole number, and is "soon"';
    expect(await found(text)).toEqual([wrong]);
    expect(await found(text, { P: "a" })).toEqual([wrong]);
    expect(await found(text, { P: "b" })).toEqual([]);
  });

  it("has the value of its parameter, unless nobody may see it", async () => {
    const text = (more: string) => `Parameters: {P: {Type: String${more}}}\n${role}      MaxSessionDuration: !Ref P\n`;
    expect(await found(text(""))).toEqual([]);
    expect(await found(text(""), { P: "x" })).toHaveLength(1);
    expect(await found(text(", NoEcho: true"), { P: "x" })).toEqual([]);
  });
});

describe("a name", () => {
  it.each([
    [
      "of a type that nobody has",
      "Resources:\n  B: {Type: AWS::S3::Bukket}\n",
      ["2:13 Resources.B.Type: There is no resource type AWS::S3::Bukket; did you mean AWS::S3::Bucket?"],
    ],
    [
      "of a type that AWS has",
      "Resources:\n  C: {Type: AWS::ECS::Cluster}\n",
      [
        "2:13 unsupported Resources.C.Type: Mikan does not implement the resource type AWS::ECS::Cluster, which AWS has",
      ],
    ],
    [
      "of nothing",
      bucket("      BucketName: !Ref Nam\n  Name: {Type: AWS::S3::Bucket, DependsOn: [C]}\n"),
      [
        "5:24 Resources.B.Properties.BucketName.Ref: There is no parameter or resource Nam; did you mean Name?",
        "6:44 Resources.Name.DependsOn: There is no parameter or resource C; did you mean B?",
      ],
    ],
    [
      "of an attribute",
      `${bucket("      BucketName: a\n")}Outputs:\n  O: {Value: !GetAtt B.Ann}\n`,
      ["7:22 Outputs.O.Value.Fn::GetAtt: AWS::S3::Bucket has no attribute Ann; did you mean Arn?"],
    ],
    [
      "of a condition",
      "Conditions: {Prod: !Equals [a, b]}\nResources:\n  B: {Type: AWS::S3::Bucket, Condition: Prd}\n",
      ["3:41 Resources.B.Condition: There is no condition Prd; did you mean Prod?"],
    ],
    [
      "that Fn::Sub is given and does not use",
      bucket("      BucketName: !Sub ['a', {X: 1}]\n"),
      ["5:31 warning Resources.B.Properties.BucketName.Fn::Sub[1].X: Fn::Sub does not use its variable X"],
    ],
    [
      "that waits for itself",
      "Resources:\n  A: {Type: AWS::S3::Bucket, DependsOn: B}\n  B: {Type: AWS::S3::Bucket, DependsOn: A}\n",
      ["2:3 Resources.A: Circular dependency between resources: [A, B]"],
    ],
  ])("%s", async (_, text, findings) => {
    expect(await found(text)).toEqual(findings);
  });
});

describe("the text", () => {
  it.each([
    ["YAML that is none", "Resources:\n  A: [\n", ["3:1 : YAML not well-formed. (line 3, column 1)"]],
    ["JSON that is none", '{"Resources": {', ["1:16 : JSON not well-formed. (line 1, column 16)"]],
    [
      "nothing in a place",
      "Resources:\n  A:\n",
      ["2:5 Resources.A: [/Resources/A] 'null' values are not allowed in templates"],
    ],
    [
      "JSON",
      '{\n  "Resources": {\n    "B": {"Type": "AWS::S3::Bucket", "Properties": {"Tgs": []}}\n  }\n}',
      ["3:53 Resources.B.Properties.Tgs: AWS::S3::Bucket has no property Tgs; did you mean Tags?"],
    ],
    [
      "SAM, of a property that the function has from its globals",
      `Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Timeout: soon
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      CodeUri: src
      Environment: {Vars: {}}
`,
      [
        '4:14 Resources.F.Properties.Timeout: Timeout must be a whole number, and is "soon"',
        "12:21 Resources.F.Properties.Environment.Vars: Environment of AWS::Lambda::Function has no property Vars",
      ],
    ],
  ])("%s", async (_, text, findings) => {
    expect(await found(text)).toEqual(findings);
  });
});

describe("nothing is found in", () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
  it.each([
    "examples/map-tiles/front.yaml",
    "examples/map-tiles/peeled-app.yaml",
    "examples/in-tests/app.yaml",
    "src/services/cloudformation/fixtures/front.yaml",
    "src/services/cloudformation/fixtures/map.yaml",
  ])("%s", async (path) => {
    expect(await found(read(path))).toEqual([]);
  });

  it.each(good)("SAM: $title", async ({ template, parameters }) => {
    const findings = await found(JSON.stringify(template), parameters);
    // Some samples name what stands elsewhere, and what Mikan has not is a fact of today; the rest AWS would refuse.
    const allowed = /which AWS has|There is no parameter or resource/;
    expect(findings.filter((finding) => !allowed.test(finding))).toEqual([]);
  });
});
