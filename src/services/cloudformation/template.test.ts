/** Malformed templates and what AWS says of each; the messages are AWS's own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startNode, thing, type Node } from "./node.suite.ts";
import { parseSource } from "./source.ts";

let node: Node;
beforeAll(async () => {
  node = await startNode({
    types: (world) => [thing(world), thing(world, "AWS::IAM::Role", { properties: ["RoleName"] })],
  });
});
afterAll(() => node.close());

const validate = (TemplateBody: string) => node.send("ValidateTemplate", { TemplateBody });
const create = (TemplateBody: string, Parameters: Record<string, string> = {}) =>
  node.send("CreateStack", {
    StackName: "refused",
    TemplateBody,
    Parameters: Object.entries(Parameters).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
  });
const fine = "Resources:\n  A:\n    Type: Test::Thing\n";

describe("text", () => {
  it.each([
    ["an empty list", "[]", "Template format error: unsupported structure."],
    ["plain text", "hello", "Template format error: unsupported structure."],
    ["JSON that ends early", '{"Resources": {', "Template format error: JSON not well-formed. (line 1, column 16)"],
    ["JSON with a comma too many", '{\n "A": 1,\n}', "Template format error: JSON not well-formed. (line 3, column 1)"],
    [
      "a key twice",
      "Resources: {}\nResources: {}\n",
      "Template format error: YAML not well-formed. (line 2, column 1)",
    ],
    ["an open bracket", "Resources: [", "Template format error: YAML not well-formed. (line 1, column 13)"],
    ["an unknown tag", "Resources: !Nope a\n", "Template format error: YAML not well-formed. (line 1, column 18)"],
    [
      "an anchor used again",
      "A: &a 1\nB: *a\n",
      "Template error: YAML aliases are not allowed in CloudFormation templates",
    ],
    ["nothing where a value belongs", "Resources:\n", "[/Resources] 'null' values are not allowed in templates"],
    ["nested too deep", `A: ${"[".repeat(100)}${"]".repeat(100)}`, "Template format error: unsupported structure."],
    [
      "nested far too deep",
      `{"A":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
      "Template format error: unsupported structure.",
    ],
  ])("%s", async (_, text, message) => {
    await expect(validate(text)).rejects.toThrow(message);
  });

  it("does not grow with a billion laughs", async () => {
    const laughs = Array.from({ length: 30 }, (_, i) => `l${i}: &l${i} [*l${i - 1}, *l${i - 1}]`).slice(1);
    await expect(validate(`l0: &l0 ha\n${laughs.join("\n")}`)).rejects.toThrow("YAML aliases are not allowed");
  });

  it("is at most 51,200 bytes in the request", async () => {
    await expect(validate(`${fine}# ${"x".repeat(51_200)}`)).rejects.toThrow(
      "at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200",
    );
    await expect(node.send("ValidateTemplate", {})).rejects.toThrow(
      "Either Template URL or Template Body must be specified.",
    );
  });

  it("that is long is read beside the loop, with the same errors", async () => {
    const lines = Array.from(
      { length: 300 },
      (_, i) => `  A${i}: {Type: Test::Thing, Properties: {Value: !Sub "\${AWS::Region}-${i}"}}`,
    );
    const text = `Resources:\n${lines.join("\n")}\n`;
    await expect(validate(text)).resolves.toMatchObject({ Parameters: [] });
    await expect(validate(`${text}  A: *b\n`)).rejects.toMatchObject({
      code: "ValidationError",
      message: "Template error: YAML aliases are not allowed in CloudFormation templates",
    });
    await expect(validate(`${text}Resources: {}\n`)).rejects.toThrow("YAML not well-formed. (line 302, column 1)");
    await expect(validate(`${text}  Z:\n    Type: Test::Thing\n    DependsOn: Nobody\n`)).rejects.toThrow(
      "Resources.Z.DependsOn (line 304, column 16): There is no parameter or resource Nobody",
    );
    // The one thread takes one template after another.
    await Promise.all(Array.from({ length: 8 }, () => validate(text)));
  });

  it("is YAML 1.1 without dates, and with short forms", () => {
    const text = [
      "Version: 2012-10-17",
      "Account: 012345678901",
      "Octal: 0777",
      "Yes: yes",
      "y: n",
      "Float: 1.10",
      "Long: 123456789012345678901",
      "Quoted: '5'",
      "Tagged: !!str 5",
      "Text: |",
      "  5",
      "Port: 22:30",
      "Ref: !Ref A",
      "GetAtt: !GetAtt A.B.C",
      "Join: !Join ['-', [!Sub '${A}', !Select [0, !GetAZs '']]]",
      "If: !If [c, {a: 1}, !Ref AWS::NoValue]",
      "80: number",
    ].join("\n");
    expect(parseSource(text)).toEqual({
      Version: "2012-10-17",
      Account: "012345678901",
      Octal: 511,
      Yes: true,
      y: "n",
      Float: 1.1,
      Long: "123456789012345678901",
      Quoted: "5",
      Tagged: "5",
      Text: "5\n",
      Port: 1350,
      Ref: { Ref: "A" },
      GetAtt: { "Fn::GetAtt": ["A", "B.C"] },
      Join: { "Fn::Join": ["-", [{ "Fn::Sub": "${A}" }, { "Fn::Select": [0, { "Fn::GetAZs": "" }] }]] },
      If: { "Fn::If": ["c", { a: 1 }, { Ref: "AWS::NoValue" }] },
      "80": "number",
    });
  });
});

const long = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

describe("structure", () => {
  it.each([
    ["no resources", "Description: x\n", "Template format error: At least one Resources member must be defined."],
    ["empty resources", "Resources: {}\n", "Template format error: At least one Resources member must be defined."],
    [
      "a resource that is text",
      "Resources:\n  A: x\n",
      "Template format error: Any Resources member must be an object.",
    ],
    [
      "a resource without type",
      "Resources:\n  Foo: {Properties: {}}\n",
      "Template format error: [/Resources/Foo] Every Resources object must contain a Type member.",
    ],
    [
      "a bad logical id",
      "Resources:\n  my-bad-id: {Type: Test::Thing}\n",
      "Template format error: Resource name my-bad-id is non alphanumeric.",
    ],
    ["an unknown section", `${fine}Resource: {}\n`, "Invalid template property or properties [Resource]"],
    ["globals without SAM", `${fine}Globals: {}\n`, "Invalid template property or properties [Globals]"],
    ["an unknown member", `${fine}    Propertys: {}\n`, "Invalid template resource property 'Propertys'"],
    [
      "a wrong version",
      `AWSTemplateFormatVersion: 2020-01-01\n${fine}`,
      "Template format error: unsupported value for AWSTemplateFormatVersion.",
    ],
    [
      "an output without value",
      `${fine}Outputs: {O: {}}\n`,
      "Template format error: Every Outputs member must contain a Value object",
    ],
    [
      "a mapping that is text",
      `${fine}Mappings: {M: {A: x}}\n`,
      "Template format error: Every Mappings member A must be a map",
    ],
    [
      "a mapping too deep",
      `${fine}Mappings: {M: {A: {B: {C: 1}}}}\n`,
      "Template format error: Every Mappings attribute must be a String or a List.",
    ],
    [
      "a parameter without type",
      `${fine}Parameters: {P: {Default: x}}\n`,
      "Template format error: Every Parameters object must contain a Type member.",
    ],
    [
      "a parameter of an unknown type",
      `${fine}Parameters: {P: {Type: Text}}\n`,
      "Template format error: Unrecognized parameter type: Text",
    ],
    [
      "allowed values that are text",
      `${fine}Parameters: {P: {Type: String, AllowedValues: a}}\n`,
      "Template format error: Every AllowedValues member must be a list.",
    ],
    [
      "a type that nobody has",
      "Resources: {A: {Type: AWS::Foo::Bar}}\n",
      "Template format error: Unrecognized resource types: [AWS::Foo::Bar]",
    ],
    [
      "a deletion policy that nobody has",
      `${fine}    DeletionPolicy: Keep\n`,
      "Template format error: Unrecognized DeletionPolicy Keep",
    ],
    [
      "501 resources",
      `Resources:\n${long(501, (i) => `  A${i}: {Type: Test::Thing}`)}\n`,
      "is greater than maximum allowed, 500",
    ],
    [
      "201 parameters",
      `${fine}Parameters:\n${long(201, (i) => `  A${i}: {Type: String}`)}\n`,
      "is greater than maximum allowed, 200",
    ],
  ])("%s", async (_, text, message) => {
    await expect(create(text)).rejects.toThrow(message);
  });

  it.each([
    ["hooks", `${fine}Hooks: {R: {}}\n`, "the section Hooks"],
    ["creation policies", `${fine}    CreationPolicy: {}\n`, "CreationPolicy of resource A"],
  ])("refuses %s by name", async (_, text, what) => {
    const request = node.send("CreateStack", {
      StackName: "refused",
      TemplateBody: text,
      Capabilities: ["CAPABILITY_AUTO_EXPAND"],
    });
    await expect(request).rejects.toMatchObject({ code: "NotImplemented", message: expect.stringContaining(what) });
  });
});

const using = (value: string) => `Resources:\n  A:\n    Type: Test::Thing\n    Properties:\n      Value: ${value}\n`;

describe("references", () => {
  it.each([
    [
      "a Ref to nothing",
      using("!Ref Nothing"),
      "Template format error: Unresolved resource dependencies [Nothing] in the Resources block of the template",
    ],
    [
      "a Sub of nothing",
      using("!Sub '${Nothing}-x'"),
      "Template format error: Unresolved resource dependencies [Nothing] in the Resources block of the template",
    ],
    [
      "DependsOn nothing",
      `${fine}    DependsOn: Nothing\n`,
      "Template format error: Unresolved resource dependencies [Nothing] in the Resources block of the template",
    ],
    [
      "an output of nothing",
      `${fine}Outputs: {O: {Value: !Ref Nothing}}\n`,
      "Unresolved resource dependencies [Nothing] in the Outputs block of the template",
    ],
    [
      "an attribute of nothing",
      using("!GetAtt Nothing.Arn"),
      "Template error: instance of Fn::GetAtt references undefined resource Nothing",
    ],
    [
      "an attribute that the type does not have",
      `${using("!GetAtt B.Colour")}  B: {Type: Test::Thing}\n`,
      "Template error: resource B does not support attribute type Colour in Fn::GetAtt",
    ],
    [
      "a condition on a resource",
      `${fine}Conditions: {C: !Equals [!Ref A, x]}\n`,
      "Template format error: Unresolved dependencies [A]. Cannot reference resources in the Conditions block of the template",
    ],
    [
      "a condition that is not there",
      using("!If [C, a, b]"),
      "Template error: unresolved condition dependency C in Fn::If",
    ],
    [
      "a resource's condition that is not there",
      `${fine}    Condition: C\n`,
      "Template format error: Unresolved condition dependency C in the Resources block of the template",
    ],
    [
      "conditions in a circle",
      `${fine}Conditions: {C: !Not [Condition: D], D: !Not [Condition: C]}\n`,
      "Circular dependency between conditions: [C, D]",
    ],
    [
      "resources in a circle",
      `${using("!Ref B")}  B: {Type: Test::Thing, Properties: {Value: !Sub '\${A.Arn}'}}\n  C: {Type: Test::Thing, DependsOn: A}\n`,
      "Circular dependency between resources: [A, B]",
    ],
    ["a resource that needs itself", using("!Ref A"), "Circular dependency between resources: [A]"],
    [
      "an import by a resource's name",
      using("!ImportValue {'Fn::Sub': '${B}-x'}").concat("  B: {Type: Test::Thing}\n"),
      "Template error: Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs",
    ],
  ])("%s", async (_, text, message) => {
    await expect(create(text)).rejects.toThrow(message);
  });

  it("to what a condition takes away are unresolved, unless a condition takes them away too", async () => {
    const template = (value: string) =>
      `Parameters: {On: {Type: String}}
Conditions: {C: !Equals [!Ref On, 'yes']}
Resources:
  A: {Type: Test::Thing, DependsOn: B, Properties: {Value: ${value}}}
  B: {Type: Test::Thing, Condition: C}
`;
    await expect(create(template("!Ref B"), { On: "no" })).rejects.toThrow(
      "Unresolved resource dependencies [B] in the Resources block of the template",
    );
    const { StackId: id = "" } = await node.send("CreateStack", {
      StackName: "pruned",
      TemplateBody: template("!If [C, !Ref B, none]"),
      Parameters: [{ ParameterKey: "On", ParameterValue: "no" }],
    });
    expect((await node.settled(id)).status).toBe("CREATE_COMPLETE");
    const { StackResources: resources } = await node.send("DescribeStackResources", { StackName: id });
    expect(resources?.map((resource) => resource.LogicalResourceId)).toEqual(["A"]);
  });
});

describe("parameters", () => {
  const parameter = (text: string) => `Parameters: {P: ${text}}\n${fine}`;
  it.each([
    ["missing", "{Type: String}", {}, "Parameters: [P] must have values"],
    ["unknown", "{Type: String}", { P: "x", Q: "y", R: "z" }, "Parameters: [Q, R] do not exist in the template"],
    [
      "not one of the allowed",
      "{Type: String, AllowedValues: [a, b]}",
      { P: "c" },
      "Parameter 'P' must be one of AllowedValues",
    ],
    [
      "against the pattern",
      "{Type: String, AllowedPattern: '[a-z]+'}",
      { P: "a1" },
      "Parameter 'P' must match pattern [a-z]+",
    ],
    ["too short", "{Type: String, MinLength: 3}", { P: "ab" }, "Parameter 'P' must contain at least 3 characters"],
    ["too long", "{Type: String, MaxLength: 1}", { P: "ab" }, "Parameter 'P' must contain at most 1 characters"],
    ["no number", "{Type: Number}", { P: "x" }, "Parameter 'P' must be a number."],
    ["too small", "{Type: Number, MinValue: 3}", { P: "2" }, "Parameter 'P' must be a number not less than 3"],
    ["too large", "{Type: Number, MaxValue: 3}", { P: "4" }, "Parameter 'P' must be a number not greater than 3"],
    ["no list of numbers", "{Type: List<Number>}", { P: "1,x" }, "Parameter 'P' must be a number."],
    [
      "against the pattern, in the template's words",
      "{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: lower case only}",
      { P: "A" },
      "Parameter P failed to satisfy constraint: lower case only",
    ],
    [
      "too long for any parameter",
      "{Type: String}",
      { P: "x".repeat(4097) },
      "Parameter 'P' must contain at most 4096 characters",
    ],
  ])("%s", async (_, declaration, given, message) => {
    await expect(create(parameter(declaration), given)).rejects.toThrow(message);
  });

  it("a pattern that never ends is refused in time", async () => {
    const text = parameter("{Type: String, AllowedPattern: '(a+)+b'}");
    await expect(create(text, { P: "a".repeat(60) })).rejects.toThrow("AllowedPattern");
  });

  it("with NoEcho show as stars wherever they are shown", async () => {
    const { StackId: id = "" } = await node.send("CreateStack", {
      StackName: "secret",
      TemplateBody: `Parameters: {P: {Type: String, NoEcho: true}}
Resources: {A: {Type: Test::Thing, Properties: {Value: !Ref P}}}
`,
      Parameters: [{ ParameterKey: "P", ParameterValue: "hunter2" }],
    });
    await node.settled(id);
    const { Stacks } = await node.send("DescribeStacks", { StackName: id });
    expect(Stacks?.[0]?.Parameters).toEqual([{ ParameterKey: "P", ParameterValue: "****" }]);
    const { StackEvents } = await node.send("DescribeStackEvents", { StackName: id });
    expect(JSON.stringify(StackEvents)).not.toContain("hunter2");
    const made = [...node.world.made.values()].find(({ request }) => request.stackName === "secret");
    expect(made?.request.properties["Value"]).toBe("hunter2");
  });
});

describe("capabilities", () => {
  const role = "Resources: {R: {Type: AWS::IAM::Role}}\n";
  const named = "Resources: {R: {Type: AWS::IAM::Role, Properties: {RoleName: x}}}\n";

  it("are asked for roles and for transforms", async () => {
    const request = (TemplateBody: string, ...Capabilities: ("CAPABILITY_IAM" | "CAPABILITY_NAMED_IAM")[]) =>
      node.send("CreateStack", { StackName: "refused", TemplateBody, Capabilities });
    await expect(request(role)).rejects.toMatchObject({
      code: "InsufficientCapabilitiesException",
      message: "Requires capabilities : [CAPABILITY_IAM]",
    });
    await expect(request(named, "CAPABILITY_IAM")).rejects.toThrow("Requires capabilities : [CAPABILITY_NAMED_IAM]");
    const sam =
      "Transform: AWS::Serverless-2016-10-31\nResources: {A: {Type: AWS::Serverless::Function, Properties: {}}}\n";
    await expect(request(sam, "CAPABILITY_IAM")).rejects.toThrow("Requires capabilities : [CAPABILITY_AUTO_EXPAND]");
    await expect(
      node.send("CreateStack", { StackName: "refused", TemplateBody: sam, Capabilities: ["CAPABILITY_AUTO_EXPAND"] }),
    ).rejects.toThrow(
      "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document.",
    );
  });

  it("are told by ValidateTemplate and GetTemplateSummary", async () => {
    expect(await validate(named)).toMatchObject({
      Capabilities: ["CAPABILITY_NAMED_IAM"],
      CapabilitiesReason: "The following resource(s) require capabilities: [AWS::IAM::Role]",
    });
    const summary = await node.send("GetTemplateSummary", {
      TemplateBody: `Description: d\nParameters: {P: {Type: String, Default: x, AllowedValues: [x]}}\n${role}`,
    });
    expect(summary).toMatchObject({
      Description: "d",
      ResourceTypes: ["AWS::IAM::Role"],
      Parameters: [
        {
          ParameterKey: "P",
          ParameterType: "String",
          DefaultValue: "x",
          NoEcho: false,
          ParameterConstraints: { AllowedValues: ["x"] },
        },
      ],
    });
  });
});

describe("a refused request", () => {
  it("leaves no stack behind", async () => {
    const { StackSummaries: stacks = [] } = await node.send("ListStacks", {});
    expect(stacks.filter((stack) => stack.StackName === "refused")).toEqual([]);
  });

  it.each([
    ["a bad name", { StackName: "1st", TemplateBody: fine }, "Value '1st' at 'stackName' failed to satisfy constraint"],
    [
      "a name too long",
      { StackName: "a".repeat(129), TemplateBody: fine },
      "Member must have length less than or equal to 128",
    ],
    [
      "both ways to say what happens on failure",
      { StackName: "refused", TemplateBody: fine, OnFailure: "DELETE" as const, DisableRollback: true },
      "You can specify either OnFailure or DisableRollback, but not both",
    ],
    [
      "topics to notify",
      { StackName: "refused", TemplateBody: fine, NotificationARNs: ["arn:aws:sns:us-east-1:0:t"] },
      "NotificationARNs",
    ],
    [
      "a type that is not allowed",
      { StackName: "refused", TemplateBody: fine, ResourceTypes: ["AWS::*"] },
      "Resource type Test::Thing is not allowed by parameter ResourceTypes [AWS::*]",
    ],
    [
      "a tag of AWS's",
      { StackName: "refused", TemplateBody: fine, Tags: [{ Key: "aws:x", Value: "1" }] },
      "aws: prefixed tag key names are not allowed for external use.",
    ],
  ])("because of %s", async (_, input, message) => {
    await expect(node.send("CreateStack", input)).rejects.toThrow(message);
  });

  it("says that a stack exists, and which does not", async () => {
    const first = await node.send("CreateStack", { StackName: "twice", TemplateBody: fine, ClientRequestToken: "t1" });
    await expect(node.send("CreateStack", { StackName: "twice", TemplateBody: fine })).rejects.toMatchObject({
      code: "AlreadyExistsException",
      message: "Stack [twice] already exists",
    });
    expect(
      await node.send("CreateStack", { StackName: "twice", TemplateBody: fine, ClientRequestToken: "t1" }),
    ).toEqual(first);
    for (const operation of [
      "DescribeStacks",
      "GetTemplate",
      "DescribeStackResources",
      "ListStackResources",
    ] as const) {
      await expect(node.send(operation, { StackName: "nobody" })).rejects.toThrow(
        "Stack with id nobody does not exist",
      );
    }
    await expect(node.send("DescribeStackEvents", { StackName: "nobody" })).rejects.toThrow(
      "Stack [nobody] does not exist",
    );
    await node.settled("twice");
    await expect(node.send("DescribeStackResource", { StackName: "twice", LogicalResourceId: "B" })).rejects.toThrow(
      "Resource B does not exist for stack twice",
    );
  });
});
