/** Stacks within stacks, through the official clients on a whole node. */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let cloudformation: CloudFormationClient;
let s3: S3Client;

beforeAll(async () => {
  mikan = await startMikan();
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const config = { endpoint: mikan.url, region: "us-east-1", credentials, maxAttempts: 1 };
  cloudformation = new CloudFormationClient(config);
  s3 = new S3Client({ ...config, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: "templates" }));
});
afterAll(async () => {
  cloudformation.destroy();
  s3.destroy();
  await mikan.close(0);
});

async function upload(name: string, template: object): Promise<string> {
  await s3.send(new PutObjectCommand({ Bucket: "templates", Key: name, Body: JSON.stringify(template) }));
  return `${mikan.url}/templates/${name}`;
}

/** A log group that stays for so many days; 0 is refused by its service. */
const leaf = {
  Parameters: { Days: { Type: "Number" }, Names: { Type: "CommaDelimitedList" } },
  Resources: { Group: { Type: "AWS::Logs::LogGroup", Properties: { RetentionInDays: { Ref: "Days" } } } },
  Outputs: {
    Group: { Value: { Ref: "Group" } },
    Said: { Value: { "Fn::Sub": ["${Days} ${All}", { All: { "Fn::Join": ["+", { Ref: "Names" }] } }] } },
  },
};
const branch = (url: string) => ({
  Parameters: { Days: { Type: "Number" } },
  Resources: {
    Leaf: {
      Type: "AWS::CloudFormation::Stack",
      Properties: { TemplateURL: url, Parameters: { Days: { Ref: "Days" }, Names: "x,y" } },
    },
  },
  Outputs: { Said: { Value: { "Fn::GetAtt": ["Leaf", "Outputs.Said"] } }, Leaf: { Value: { Ref: "Leaf" } } },
});
const root = (url: string, days: number) =>
  JSON.stringify({
    Resources: {
      Branch: {
        Type: "AWS::CloudFormation::Stack",
        Properties: { TemplateURL: url, Parameters: { Days: days }, Tags: [{ Key: "own", Value: "1" }] },
      },
    },
    Outputs: {
      Said: { Value: { "Fn::GetAtt": ["Branch", "Outputs.Said"] } },
      Leaf: { Value: { "Fn::GetAtt": ["Branch", "Outputs.Leaf"] } },
      Branch: { Value: { Ref: "Branch" } },
    },
  });

async function settled(name: string) {
  for (;;) {
    const { Stacks: [stack] = [] } = await cloudformation.send(new DescribeStacksCommand({ StackName: name }));
    if (stack?.StackStatus?.endsWith("_IN_PROGRESS") === false) {
      const outputs = Object.fromEntries((stack.Outputs ?? []).map((one) => [one.OutputKey, one.OutputValue ?? ""]));
      return { ...stack, outputs };
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("nested stacks", () => {
  it("are made, changed, put back and deleted with their parents", async () => {
    const url = await upload("branch.json", branch(await upload("leaf.json", leaf)));
    const Tags = [{ Key: "team", Value: "map" }];
    await cloudformation.send(new CreateStackCommand({ StackName: "root", TemplateBody: root(url, 3), Tags }));
    const made = await settled("root");
    expect(made.StackStatus).toBe("CREATE_COMPLETE");
    expect(made.outputs["Said"]).toBe("3 x+y");
    const inner = await settled(made.outputs["Leaf"] ?? "");
    expect(inner).toMatchObject({
      StackStatus: "CREATE_COMPLETE",
      ParentId: made.outputs["Branch"],
      RootId: made.StackId,
      StackName: expect.stringMatching(/^root-Branch-\w{12}-Leaf-\w{12}$/),
    });
    expect(new Map(inner.Tags?.map(({ Key, Value }) => [Key, Value]))).toEqual(
      new Map([
        ["team", "map"],
        ["own", "1"],
      ]),
    );

    const update = (days: number) =>
      cloudformation.send(new UpdateStackCommand({ StackName: "root", TemplateBody: root(url, days) }));
    await update(7);
    expect(await settled("root")).toMatchObject({ StackStatus: "UPDATE_COMPLETE", outputs: { Said: "7 x+y" } });

    // Logs knows no such retention: the innermost fails, and all are as they were.
    await update(8);
    expect(await settled("root")).toMatchObject({
      StackStatus: "UPDATE_ROLLBACK_COMPLETE",
      outputs: { Said: "7 x+y" },
    });
    const { StackEvents: events = [] } = await cloudformation.send(
      new DescribeStackEventsCommand({ StackName: "root" }),
    );
    const failure = events.find((event) => event.ResourceStatus === "UPDATE_FAILED");
    expect(failure?.ResourceStatusReason).toContain(
      "was not successfully updated: The following resource(s) failed to update: [Leaf]",
    );
    expect((await settled(made.outputs["Leaf"] ?? "")).outputs["Said"]).toBe("7 x+y");

    await cloudformation.send(new DeleteStackCommand({ StackName: "root" }));
    expect((await settled(made.StackId ?? "")).StackStatus).toBe("DELETE_COMPLETE");
    expect((await settled(made.outputs["Leaf"] ?? "")).StackStatus).toBe("DELETE_COMPLETE");
  });

  it("that fail leave nothing behind", async () => {
    const url = await upload("branch.json", branch(await upload("leaf.json", leaf)));
    const { StackId: id = "" } = await cloudformation.send(
      new CreateStackCommand({ StackName: "failing", TemplateBody: root(url, 8) }),
    );
    expect((await settled(id)).StackStatus).toBe("ROLLBACK_COMPLETE");
    const { Stacks: stacks = [] } = await cloudformation.send(new DescribeStacksCommand({}));
    expect(stacks.map((stack) => stack.StackName)).toEqual(["failing"]);
  });
});
