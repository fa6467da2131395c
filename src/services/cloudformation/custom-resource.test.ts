/** Custom resources, through the clients and with the code that people answer with, as it is. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import {
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateFunctionCommand } from "@aws-sdk/client-lambda";
import { DeleteMessageCommand, ListQueuesCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { failuresOf, restingStatus } from "../../../test/stacks.ts";
import { zipOf } from "../../../test/zip.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients.destroy();
  await mikan.close();
});

const role = "arn:aws:iam::000000000000:role/any";
type Template = Record<string, unknown>;

const functionOf = (source: string, runtime = "nodejs22.x"): Template => ({
  Type: "AWS::Lambda::Function",
  Properties: { Runtime: runtime, Handler: "index.handler", Role: role, Timeout: 30, Code: { ZipFile: source } },
});
const customOf = (properties: Template = {}, type = "Custom::Thing"): Template => ({
  Type: type,
  Properties: { ServiceToken: { "Fn::GetAtt": ["Maker", "Arn"] }, ServiceTimeout: 30, ...properties },
});
const bodyOf = (resources: Template, outputs: Template = {}) =>
  JSON.stringify({ Resources: resources, ...(Object.keys(outputs).length === 0 ? {} : { Outputs: outputs }) });

async function create(name: string, resources: Template, outputs: Template = {}): Promise<string> {
  const TemplateBody = bodyOf(resources, outputs);
  const { StackId = "" } = await clients.cloudformation.send(
    new CreateStackCommand({ StackName: name, TemplateBody, Capabilities: ["CAPABILITY_IAM"] }),
  );
  return StackId;
}

async function created(name: string, resources: Template, outputs: Template = {}): Promise<string> {
  const id = await create(name, resources, outputs);
  expect([await restingStatus(clients, id), await failuresOf(clients, id)]).toEqual(["CREATE_COMPLETE", []]);
  return id;
}

async function update(id: string, resources: Template, outputs: Template = {}): Promise<string> {
  await clients.cloudformation.send(
    new UpdateStackCommand({ StackName: id, TemplateBody: bodyOf(resources, outputs) }),
  );
  return restingStatus(clients, id);
}

async function remove(id: string): Promise<string> {
  await clients.cloudformation.send(new DeleteStackCommand({ StackName: id }));
  return restingStatus(clients, id);
}

async function outputs(id: string): Promise<Record<string, string>> {
  const { Stacks } = await clients.cloudformation.send(new DescribeStacksCommand({ StackName: id }));
  return Object.fromEntries(
    (Stacks?.[0]?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
  );
}

/** What happened to a resource, with its physical ids, oldest first. */
async function story(id: string, logicalId: string): Promise<string[]> {
  const { StackEvents = [] } = await clients.cloudformation.send(new DescribeStackEventsCommand({ StackName: id }));
  return StackEvents.filter(({ LogicalResourceId }) => LogicalResourceId === logicalId)
    .map(({ ResourceStatus, PhysicalResourceId }) => `${ResourceStatus} ${PhysicalResourceId}`)
    .toReversed();
}

const cfnResponse = `
const response = require("cfn-response");
exports.handler = (event, context) => {
  const { Name = "none", Fails } = event.ResourceProperties;
  if (Fails === event.RequestType) return response.send(event, context, response.FAILED, {}, event.PhysicalResourceId);
  return response.send(event, context, response.SUCCESS, { Event: JSON.stringify(event), Name }, "thing-" + Name);
};
`;

describe("a function answers with cfn-response", () => {
  const resources = (properties: Template) => ({ Maker: functionOf(cfnResponse), Thing: customOf(properties) });
  const shown = {
    Id: { Value: { Ref: "Thing" } },
    Event: { Value: { "Fn::GetAtt": ["Thing", "Event"] } },
    Name: { Value: { "Fn::GetAtt": "Thing.Name" } },
  };

  it("is told what AWS tells, and its answer is what the template sees", async () => {
    const properties = { Name: "a", Count: 3, On: true, Deep: { List: [1, { Yes: false }] } };
    const id = await created("told", resources(properties), shown);
    const { Event = "", ...rest } = await outputs(id);
    expect(rest).toEqual({ Id: "thing-a", Name: "a" });
    const event = JSON.parse(Event) as Record<string, unknown>;
    expect(event).toEqual({
      RequestType: "Create",
      ServiceToken: expect.stringMatching(/^arn:aws:lambda:us-east-1:000000000000:function:told-Maker-/) as unknown,
      ResponseURL: expect.stringMatching(/^https:\/\/[a-z-]+\.localhost\/.+\?token=[0-9a-f]{48}$/) as unknown,
      StackId: id,
      RequestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      LogicalResourceId: "Thing",
      ResourceType: "Custom::Thing",
      ResourceProperties: {
        ServiceToken: event["ServiceToken"],
        ServiceTimeout: "30",
        Name: "a",
        Count: "3",
        On: "true",
        Deep: { List: ["1", { Yes: "false" }] },
      },
    });

    const next = { ...properties, Count: 4 };
    expect(await update(id, resources(next), shown)).toBe("UPDATE_COMPLETE");
    const updated = JSON.parse((await outputs(id))["Event"] ?? "") as Record<string, Template>;
    expect(updated).toMatchObject({ RequestType: "Update", PhysicalResourceId: "thing-a" });
    expect([updated["ResourceProperties"]?.["Count"], updated["OldResourceProperties"]?.["Count"]]).toEqual(["4", "3"]);
    expect(updated["RequestId"]).not.toBe(event["RequestId"]);
    // The function goes after what it has to delete.
    expect(await remove(id)).toBe("DELETE_COMPLETE");
  }, 90_000);

  it("another physical id replaces: the old one is deleted when the update is over, or back again", async () => {
    const id = await created("replaced", resources({ Name: "a" }), shown);
    expect(await update(id, resources({ Name: "b" }), shown)).toBe("UPDATE_COMPLETE");
    expect(await story(id, "Thing")).toEqual([
      "CREATE_IN_PROGRESS ",
      "CREATE_IN_PROGRESS thing-a",
      "CREATE_COMPLETE thing-a",
      "UPDATE_IN_PROGRESS thing-a",
      "UPDATE_IN_PROGRESS thing-b",
      "UPDATE_COMPLETE thing-b",
      "DELETE_IN_PROGRESS thing-a",
      "DELETE_COMPLETE thing-a",
    ]);
    const bad = { ...resources({ Name: "c" }), Last: { ...customOf({ Fails: "Create" }), DependsOn: "Thing" } };
    expect(await update(id, bad, shown)).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect((await outputs(id))["Id"]).toBe("thing-b");
    expect((await story(id, "Thing")).slice(-3)).toEqual([
      "UPDATE_COMPLETE thing-b",
      "DELETE_IN_PROGRESS thing-c",
      "DELETE_COMPLETE thing-c",
    ]);
    expect(await remove(id)).toBe("DELETE_COMPLETE");
  }, 90_000);

  it("a failed creation is deleted, and the stack says why", async () => {
    const id = await create("failing", resources({ Fails: "Create" }));
    expect(await restingStatus(clients, id)).toBe("ROLLBACK_COMPLETE");
    expect(await failuresOf(clients, id)).toEqual([
      expect.stringMatching(
        /^Thing: Received response status \[FAILED\] from custom resource\. Message returned: See the details in CloudWatch Log Stream: .+ \(RequestId: [0-9a-f-]{36}\)$/,
      ),
    ]);
    expect((await story(id, "Thing")).at(-1)).toMatch(/^DELETE_COMPLETE ./);
  }, 90_000);

  it("another function is refused, and the rollback leaves all as it was", async () => {
    const id = await created("tokens", resources({ Name: "a" }));
    const Other = functionOf(cfnResponse);
    const next = {
      ...resources({ Name: "a" }),
      Other,
      Thing: customOf({ Name: "a", ServiceToken: { "Fn::GetAtt": ["Other", "Arn"] } }),
    };
    expect(await update(id, next)).toBe("UPDATE_ROLLBACK_COMPLETE");
    expect(await failuresOf(clients, id)).toEqual(["Thing: Modifying service token is not allowed."]);
    expect(await remove(id)).toBe("DELETE_COMPLETE");
  }, 90_000);

  it("NoEcho hides what is shown of properties", async () => {
    const source = cfnResponse.replace('"thing-" + Name)', '"thing", true)');
    const Shown = {
      Type: "AWS::SSM::Parameter",
      Properties: { Type: "String", Value: { "Fn::GetAtt": ["Thing", "Name"] } },
    };
    const id = await created("hidden", { Maker: functionOf(source), Thing: customOf({ Name: "secret" }), Shown });
    const { StackEvents = [] } = await clients.cloudformation.send(new DescribeStackEventsCommand({ StackName: id }));
    const shown = StackEvents.find(({ LogicalResourceId }) => LogicalResourceId === "Shown")?.ResourceProperties;
    expect(JSON.parse(shown ?? "")).toEqual({ Type: "String", Value: "****" });
    expect(await remove(id)).toBe("DELETE_COMPLETE");
  }, 90_000);

  it("a topic may be asked, and whoever it tells answers", async () => {
    const sqs = new SQSClient(mikan.clientConfig());
    const open = {
      Statement: [{ Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:*", Resource: "*" }],
    };
    const asked = created(
      "topics",
      {
        Requests: { Type: "AWS::SQS::Queue" },
        Open: {
          Type: "AWS::SQS::QueuePolicy",
          Properties: { Queues: [{ Ref: "Requests" }], PolicyDocument: open },
        },
        Topic: {
          Type: "AWS::SNS::Topic",
          Properties: {
            TopicName: "requests",
            Subscription: [{ Protocol: "sqs", Endpoint: { "Fn::GetAtt": ["Requests", "Arn"] } }],
          },
        },
        // The topic is let into the queue before it is asked, and until it was asked for the last time.
        Thing: { ...customOf({ ServiceToken: { Ref: "Topic" }, Size: 3 }), DependsOn: "Open" },
      },
      { Name: { Value: { "Fn::GetAtt": ["Thing", "Name"] } } },
    );
    const answer = async (type: string) => {
      const { QueueUrls: [QueueUrl] = [] } = await vi.waitFor(
        async () => {
          const found = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: "topics-Requests" }));
          expect(found.QueueUrls).toHaveLength(1);
          return found;
        },
        { timeout: 20_000, interval: 50 },
      );
      const { Messages: [message] = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
      const { Subject, Message = "" } = JSON.parse(message?.Body ?? "{}") as { Subject?: string; Message?: string };
      expect(Subject).toBe("AWS CloudFormation custom resource request");
      const request = JSON.parse(Message) as Record<string, string>;
      expect(request).toMatchObject({ RequestType: type, ResourceProperties: { Size: "3" } });
      const { StackId, RequestId, LogicalResourceId, ResponseURL = "" } = request;
      const body = {
        Status: "SUCCESS",
        PhysicalResourceId: "made",
        StackId,
        RequestId,
        LogicalResourceId,
        Data: { Name: "by a topic" },
      };
      expect((await fetch(ResponseURL, { method: "PUT", body: JSON.stringify(body) })).status).toBe(200);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
    };
    await answer("Create");
    const id = await asked;
    expect(await outputs(id)).toEqual({ Name: "by a topic" });
    const [removed] = await Promise.all([remove(id), answer("Delete")]);
    expect(removed).toBe("DELETE_COMPLETE");
    sqs.destroy();
  }, 90_000);

  it("no answer in time fails", async () => {
    const silent = functionOf("exports.handler = async () => {};");
    const id = await create("silent", { Maker: silent, Thing: customOf({ ServiceTimeout: 1 }) });
    const isFailed = async () => (await failuresOf(clients, id)).length > 0;
    await expect.poll(isFailed, { timeout: 20_000 }).toBe(true);
    expect(await failuresOf(clients, id)).toEqual([
      expect.stringContaining("CloudFormation did not receive a response from your Custom Resource."),
    ]);
    expect(await restingStatus(clients, id)).toBe("ROLLBACK_FAILED");
  }, 90_000);

  it.each([
    ["arn:aws:sns:us-east-1:000000000000:topic", "Topic does not exist"],
    ["nothing", "Invalid service token."],
    ["arn:aws:lambda:us-east-1:000000000000:function:missing", "Function not found"],
  ])("a ServiceToken of %s is refused", async (ServiceToken, message) => {
    const id = await create("token", { Thing: { Type: "Custom::T", Properties: { ServiceToken } } });
    expect(await restingStatus(clients, id)).toBe("ROLLBACK_COMPLETE");
    expect((await failuresOf(clients, id)).join()).toContain(message);
    await remove(id);
  });
});

/** Answers by Node's own means, each as code in the field does. */
const nodeSenders: Record<string, string> = {
  // The module that AWS's documentation prints, bundled into packages.
  "https.request with host, port and path": `
    const u = require("url").parse(event.ResponseURL);
    await new Promise((resolve, reject) => {
      const r = https.request({ hostname: u.hostname, port: 443, path: u.path, method: "PUT",
        headers: { "content-type": "", "content-length": body.length } }, resolve);
      r.on("error", reject); r.write(body); r.end();
    });`,
  // The CDK's provider framework and its CustomResourceProvider.
  "https.request with host and path, as the CDK's": `
    const u = new URL(event.ResponseURL);
    await new Promise((resolve, reject) => {
      const r = https.request({ hostname: u.hostname, path: u.pathname + u.search, method: "PUT",
        headers: { "content-type": "", "content-length": Buffer.byteLength(body, "utf8") } },
        (response) => { response.resume(); response.statusCode >= 400 ? reject(new Error("refused")) : resolve(); });
      r.on("error", reject); r.write(body); r.end();
    });`,
  "https.request with the URL and an agent of its own": `
    await new Promise((resolve, reject) => {
      const agent = new https.Agent({ keepAlive: true });
      https.request(event.ResponseURL, { agent, method: "PUT" }, resolve).on("error", reject).end(body);
    });`,
  fetch: `await fetch(event.ResponseURL, { method: "PUT", body });`,
};

const pythonSenders: Record<string, string> = {
  "http.client": `
    import http.client
    from urllib.parse import urlsplit
    url = urlsplit(event["ResponseURL"])
    connection = http.client.HTTPSConnection(url.netloc)
    connection.request("PUT", url.path + "?" + url.query, body=body, headers={"content-type": ""})
    assert connection.getresponse().status == 200`,
  urllib: `
    from urllib.request import Request, urlopen
    urlopen(Request(event["ResponseURL"], data=body.encode(), method="PUT"))`,
};

const hasPython = spawnSync("python3", ["--version"]).status === 0;

describe("a function in a package answers by", () => {
  const arnOf = async (name: string, runtime: string, files: Record<string, string | Uint8Array>) => {
    const { FunctionArn = "" } = await clients.lambda.send(
      new CreateFunctionCommand({
        FunctionName: name,
        Runtime: runtime as "nodejs22.x",
        Handler: "index.handler",
        Role: role,
        Timeout: 30,
        Code: { ZipFile: await zipOf(files) },
      }),
    );
    return FunctionArn;
  };
  const works = async (name: string, ServiceToken: string) => {
    const thing = { Type: "AWS::CloudFormation::CustomResource", Properties: { ServiceToken, ServiceTimeout: 40 } };
    const id = await created(name, { Thing: thing }, { Ok: { Value: { "Fn::GetAtt": ["Thing", "Ok"] } } });
    expect(await outputs(id)).toEqual({ Ok: "yes" });
    expect(await remove(id)).toBe("DELETE_COMPLETE");
  };

  it.each(Object.keys(nodeSenders))(
    "%s",
    async (name) => {
      const source = `
import https from "node:https";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
export const handler = async (event) => {
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({ Status: "SUCCESS", PhysicalResourceId: "p", StackId, RequestId, LogicalResourceId, Data: { Ok: "yes" } });
  ${nodeSenders[name]}
};`;
      const stack = `node-${Object.keys(nodeSenders).indexOf(name)}`;
      await works(stack, await arnOf(stack, "nodejs22.x", { "index.mjs": source }));
    },
    90_000,
  );

  const pythonSource = (sending: string) => `
import json
def handler(event, context):
    body = json.dumps({"Status": "SUCCESS", "PhysicalResourceId": "p", "Data": {"Ok": "yes"},
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}})
    ${sending.trim()}
`;
  it.skipIf(!hasPython).each(Object.keys(pythonSenders))(
    "Python's %s",
    async (name) => {
      const stack = `python-${Object.keys(pythonSenders).indexOf(name)}`;
      const source = pythonSource(pythonSenders[name] ?? "");
      await works(stack, await arnOf(stack, "python3.12", { "index.py": source }));
    },
    90_000,
  );

  it.skipIf(!hasPython)(
    "Python's cfnresponse, which is there for code in a template",
    async () => {
      const source = `
import cfnresponse
def handler(event, context):
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Ok": "yes"}, "p")
`;
      const id = await created(
        "inline-python",
        { Maker: functionOf(source, "python3.12"), Thing: customOf() },
        { Ok: { Value: { "Fn::GetAtt": ["Thing", "Ok"] } } },
      );
      expect(await outputs(id)).toEqual({ Ok: "yes" });
      expect(await remove(id)).toBe("DELETE_COMPLETE");
    },
    90_000,
  );

  const packages: Record<string, string> = {
    crhelper: `
from crhelper import CfnResource
helper = CfnResource()
@helper.create
def create(event, context):
    helper.Data["Ok"] = "yes"
    return "p"
@helper.update
@helper.delete
def nothing(event, context):
    pass
def handler(event, context):
    helper(event, context)
`,
    urllib3: pythonSource(`import urllib3
    assert urllib3.PoolManager().request("PUT", event["ResponseURL"], body=body).status == 200`),
    requests: pythonSource(`import requests
    requests.put(event["ResponseURL"], data=body).raise_for_status()`),
  };
  for (const [name, source] of Object.entries(packages)) {
    const missing = filesOf(name) === undefined;
    it.skipIf(missing)(
      `${name} of PyPI${missing ? `, WHICH IS NOT INSTALLED: pip install ${name}` : ""}`,
      async () => {
        const needed = name === "requests" ? ["requests", "urllib3", "certifi", "idna", "charset_normalizer"] : [name];
        const files = Object.assign({ "index.py": source }, ...needed.map((one) => filesOf(one) ?? {})) as Record<
          string,
          string | Uint8Array
        >;
        await works(`pypi-${name}`, await arnOf(`pypi-${name}`, "python3.12", files));
      },
      90_000,
    );
  }
});

/** The Python files of an installed package; undefined when there is none. */
function filesOf(name: string): Record<string, Uint8Array> | undefined {
  const { status, stdout } = spawnSync("python3", ["-c", `import ${name}; print(${name}.__file__)`], {
    encoding: "utf8",
  });
  if (status !== 0) return undefined;
  const directory = dirname(stdout.trim());
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(py|pem)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    paths.map((path) => [join(basename(directory), relative(directory, path)), readFileSync(path)]),
  );
}
