/** Wait conditions, signalled as people do: a PUT to the handle's URL, and SignalResource. Also with signatures verified. */
import {
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackResourceCommand,
  DescribeStacksCommand,
  SignalResourceCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { failuresOf, restingStatus } from "../../../test/stacks.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

const rootKey = { accessKeyId: "root", secretAccessKey: "test" };

describe.each([
  ["on an open node", undefined],
  ["on a node that verifies signatures", rootKey],
])("%s", (_, key) => {
  let mikan: Mikan;
  let clients: Clients;
  beforeAll(async () => {
    mikan = await startMikan(key === undefined ? {} : { rootKey: key });
    clients = clientsOf(mikan.url, key?.accessKeyId);
  });
  afterAll(async () => {
    clients.destroy();
    await mikan.close();
  });

  async function begin(name: string, properties: object = {}): Promise<{ id: string; url: string }> {
    const Resources = {
      Handle: { Type: "AWS::CloudFormation::WaitConditionHandle" },
      Wait: {
        Type: "AWS::CloudFormation::WaitCondition",
        Properties: { Handle: { Ref: "Handle" }, Timeout: "60", ...properties },
      },
    };
    const Outputs = { Data: { Value: { "Fn::GetAtt": ["Wait", "Data"] } } };
    const TemplateBody = JSON.stringify({ Resources, Outputs });
    const { StackId: id = "" } = await clients.cloudformation.send(
      new CreateStackCommand({ StackName: name, TemplateBody }),
    );
    const statusOf = async (LogicalResourceId: string) =>
      (
        await clients.cloudformation
          .send(new DescribeStackResourceCommand({ StackName: name, LogicalResourceId }))
          .catch(() => undefined)
      )?.StackResourceDetail;
    await expect.poll(async () => (await statusOf("Wait"))?.ResourceStatus).toBe("CREATE_IN_PROGRESS");
    return { id, url: (await statusOf("Handle"))?.PhysicalResourceId ?? "" };
  }

  const put = (url: string, signal: unknown) =>
    fetch(url, { method: "PUT", body: typeof signal === "string" ? signal : JSON.stringify(signal) });
  const signal = (UniqueId: string, Status = "SUCCESS") => ({
    Status,
    Reason: "done",
    UniqueId,
    Data: `data ${UniqueId}`,
  });

  async function outputsOf(id: string) {
    const { Stacks } = await clients.cloudformation.send(new DescribeStacksCommand({ StackName: id }));
    return Stacks?.[0]?.Outputs?.map(({ OutputValue }) => OutputValue);
  }

  it("waits for as many signals as it counts, each id once", async () => {
    const { id, url } = await begin("counted", { Count: 2 });
    expect(url.startsWith(mikan.url)).toBe(true);
    expect((await put(url, signal("a"))).status).toBe(200);
    expect((await put(url, signal("a"))).status).toBe(200);
    expect((await put(url, signal("b"))).status).toBe(200);
    expect(await restingStatus(clients, id)).toBe("CREATE_COMPLETE");
    expect(await outputsOf(id)).toEqual([JSON.stringify({ a: "data a", b: "data b" })]);
    const TemplateBody = JSON.stringify({
      Resources: {
        Handle: { Type: "AWS::CloudFormation::WaitConditionHandle" },
        Wait: {
          Type: "AWS::CloudFormation::WaitCondition",
          Properties: { Handle: { Ref: "Handle" }, Timeout: "61", Count: 2 },
        },
      },
    });
    await clients.cloudformation.send(new UpdateStackCommand({ StackName: id, TemplateBody }));
    expect(await restingStatus(clients, id)).toBe("UPDATE_ROLLBACK_COMPLETE");
    await clients.cloudformation.send(new DeleteStackCommand({ StackName: id }));
    expect(await restingStatus(clients, id)).toBe("DELETE_COMPLETE");
    expect((await put(url, signal("c"))).status).toBe(403);
  });

  it("fails at a failure, and says whose", async () => {
    const { id, url } = await begin("failed");
    await put(url, signal("x", "FAILURE"));
    expect(await restingStatus(clients, id)).toBe("ROLLBACK_COMPLETE");
    expect(await failuresOf(clients, id)).toEqual([
      "Wait: WaitCondition received failed message: 'done' for uniqueId: x",
    ]);
  });

  it("fails when its time is over", async () => {
    const { id } = await begin("late", { Timeout: 1 });
    expect(await restingStatus(clients, id)).toBe("ROLLBACK_COMPLETE");
    expect(await failuresOf(clients, id)).toEqual([
      "Wait: WaitCondition timed out. Received 0 conditions when expecting 1",
    ]);
  });

  it("takes SignalResource, and nothing from who does not know the URL", async () => {
    const { id, url } = await begin("signalled");
    expect((await put(url.replace(/token=.+/, "token=guess"), signal("a"))).status).toBe(403);
    expect((await put(url.replace(/\?.*/, ""), signal("a"))).status).toBe(403);
    expect((await put(url.replace("/000000000000/", "/111111111111/"), signal("a"))).status).toBe(403);
    expect((await fetch(url)).status).toBe(405);
    expect((await put(url, "nonsense")).status).toBe(400);
    expect((await put(url, { Status: "SUCCESS" })).status).toBe(400);
    const input = { StackName: "signalled", LogicalResourceId: "Wait", UniqueId: "i-1", Status: "SUCCESS" as const };
    const send = (rest: object) => clients.cloudformation.send(new SignalResourceCommand({ ...input, ...rest }));
    await expect(send({ LogicalResourceId: "None" })).rejects.toThrow("Resource None does not exist");
    await expect(send({ LogicalResourceId: "Handle" })).rejects.toThrow("takes no signals");
    await send({});
    expect(await restingStatus(clients, id)).toBe("CREATE_COMPLETE");
    await expect(send({})).rejects.toThrow("Resource Wait is in CREATE_COMPLETE state and cannot be signaled");
  });
});
