/** A node goes back to what it was: everything it holds, and what runs of it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  DeleteListenerCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../test/upstream.ts";
import { startMikan, type Mikan } from "./mikan.ts";

let directory: string;
let template: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-snapshots-"));
  template = join(directory, "template.json");
  const Function = {
    Type: "AWS::Lambda::Function",
    Properties: {
      FunctionName: "counts",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/any",
      Code: { ZipFile: "let calls = 0; exports.handler = async () => (calls += 1);" },
    },
  };
  const Bucket = { Type: "AWS::S3::Bucket", Properties: { BucketName: "things" } };
  await writeFile(template, JSON.stringify({ Resources: { Function, Bucket } }));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const clientsOf = (mikan: Mikan) => {
  const config = mikan.clientConfig();
  const [s3, lambda, ssm] = [new S3Client(config), new LambdaClient(config), new SSMClient(config)];
  return {
    put: (Key: string, Body: string) => s3.send(new PutObjectCommand({ Bucket: "things", Key, Body })),
    remove: (Key: string) => s3.send(new DeleteObjectCommand({ Bucket: "things", Key })),
    get: async (Key: string) =>
      (await s3.send(new GetObjectCommand({ Bucket: "things", Key }))).Body?.transformToString(),
    buckets: async () => (await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name) ?? [],
    async count() {
      const { Payload } = await lambda.send(new InvokeCommand({ FunctionName: "counts" }));
      return Number(Buffer.from(Payload ?? []).toString());
    },
    keep: (Value: string) =>
      ssm.send(new PutParameterCommand({ Name: "secret", Value, Type: "SecureString", Overwrite: true })),
    kept: async () =>
      (await ssm.send(new GetParameterCommand({ Name: "secret", WithDecryption: true }))).Parameter?.Value,
  };
};

describe("snapshots", () => {
  it("bring back rows, objects, secrets and functions, as often as wanted", async () => {
    await using mikan = await startMikan();
    const { put, remove, get, count, keep, kept, buckets } = clientsOf(mikan);
    await mikan.deploy({ template, stack: "app" });
    await put("a", "first");
    await keep("hush");
    expect([await count(), await count()]).toEqual([1, 2]);
    const before = await mikan.snapshot();
    for (const _time of [1, 2]) {
      await put("a", "second");
      await put("b", "new");
      await remove("a");
      await keep("changed");
      await mikan.restore(before);
      expect(await get("a")).toBe("first");
      await expect(get("b")).rejects.toThrow("The specified key does not exist.");
      expect(await kept()).toBe("hush");
      // Functions start anew: what one remembered is gone.
      expect(await count()).toBe(1);
    }
    await mikan.reset();
    expect(await buckets()).toEqual([]);
    await mikan.restore(before);
    expect(await buckets()).toEqual(["things"]);
  });

  it("bring back listeners", async () => {
    await using mikan = await startMikan();
    const elb = new ElasticLoadBalancingV2Client(mikan.clientConfig());
    const { LoadBalancers } = await elb.send(
      new CreateLoadBalancerCommand({ Name: "front", Subnets: ["subnet-0000000a", "subnet-0000000b"] }),
    );
    const Port = await freePort();
    const { Listeners } = await elb.send(
      new CreateListenerCommand({
        LoadBalancerArn: LoadBalancers?.[0]?.LoadBalancerArn,
        Protocol: "HTTP",
        Port,
        DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "418", MessageBody: "tea" } }],
      }),
    );
    const asked = () => fetch(`http://127.0.0.1:${Port}/`).then(({ status }) => status);
    expect(await asked()).toBe(418);
    const before = await mikan.snapshot();
    await elb.send(new DeleteListenerCommand({ ListenerArn: Listeners?.[0]?.ListenerArn }));
    await expect(asked()).rejects.toThrow("fetch failed");
    await mikan.restore(before);
    expect(await asked()).toBe(418);
  });

  it("bring back the time of a fake clock", async () => {
    await using mikan = await startMikan({ clock: "fake" });
    const before = await mikan.snapshot();
    await mikan.clock.advance(24 * 3_600_000);
    await mikan.restore(before);
    expect(mikan.clock.now() - before.takenAtMs).toBeLessThan(60_000);
    await mikan.clock.advance(3_600_000);
    expect(mikan.clock.now() - before.takenAtMs).toBeGreaterThanOrEqual(3_600_000);
  });

  it("are taken while others write, and hold what was answered before", async () => {
    await using mikan = await startMikan();
    const { put, get } = clientsOf(mikan);
    await mikan.deploy({ template, stack: "app" });
    await put("done", "x".repeat(300_000));
    const writing = Promise.all(Array.from({ length: 20 }, (_, i) => put(`k${i}`, "y".repeat(10_000))));
    const before = await mikan.snapshot();
    await writing;
    await mikan.restore(before);
    expect(await get("done")).toHaveLength(300_000);
  });

  it("belong to their node, and end with it", async () => {
    const mikan = await startMikan();
    await using other = await startMikan();
    const before = await mikan.snapshot();
    await expect(other.restore(before)).rejects.toThrow("not one of this node's");
    await before[Symbol.asyncDispose]();
    await expect(mikan.restore(before)).rejects.toThrow("it is disposed of");
    // It went on as it was.
    expect(await clientsOf(mikan).buckets()).toEqual([]);
    await mikan.snapshot();
    await mikan.close();
    await using durable = await startMikan({ data: join(directory, "data") });
    await expect(durable.snapshot()).rejects.toThrow("This node keeps its data: only an ephemeral one");
    await expect(durable.restore(before)).rejects.toThrow("This node keeps its data: only an ephemeral one");
  });
});
