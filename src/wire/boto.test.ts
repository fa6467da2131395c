/** The same protocols through boto3, which reads and signs by its own code; with signatures verified. */
import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Fault } from "../base/errors.ts";
import { bytesOf, type Body } from "../base/http.ts";
import { serveWire, type WireServer } from "./serve.suite.ts";

const found = spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!found) console.warn("SKIPPED: wire through boto3, because python3 has no boto3 here (pip install boto3)");

const prelude = `
import boto3, json, os, sys, datetime
from botocore.config import Config
from botocore.exceptions import ClientError
def client(name, **config):
    return boto3.client(name, endpoint_url=os.environ["ENDPOINT"], region_name="eu-central-1",
        aws_access_key_id="AKIAGOOD", aws_secret_access_key="right",
        config=Config(retries={"max_attempts": 0}, **config))
def failure(call):
    try:
        call()
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"]["Message"],
            "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
def show(value):
    if isinstance(value, dict): value.pop("ResponseMetadata", None)
    print(json.dumps(value, default=lambda v: v.isoformat() if isinstance(v, datetime.datetime) else v.decode()))
`;

let server: WireServer;
beforeAll(async () => {
  server = await serveWire({
    verify: { secretOf: async (id) => (id === "AKIAGOOD" ? { secret: "right" } : undefined) },
  });
});
afterAll(() => server.close());
beforeEach(() => {
  server.calls.length = 0;
  server.answer = () => ({});
});

/** Runs lines of Python after the prelude; what it `show`s, as JSON. */
async function python(script: string): Promise<unknown[]> {
  const child = spawn("python3", ["-c", prelude + script], { env: { ...process.env, ENDPOINT: server.url } });
  const [out, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => {
      child.on("close", resolve);
    }),
  ]);
  if (code !== 0) throw new Error(errors);
  const lines = out.trim();
  return lines === "" ? [] : lines.split("\n").map((line) => JSON.parse(line) as unknown);
}
const last = () => server.calls.at(-1);

test.skipIf(!found)("json: logs and sqs", async () => {
  server.answer = ({ operation }) => {
    if (operation === "DescribeLogGroups") return { logGroups: [{ logGroupName: "g", creationTime: 5 }] };
    throw new Fault("QueueDoesNotExist", "The specified queue does not exist.");
  };
  const [groups, missing] = await python(`
show(client("logs").describe_log_groups(logGroupNamePrefix="g"))
show(failure(lambda: client("sqs").receive_message(QueueUrl=os.environ["ENDPOINT"] + "/1/q", WaitTimeSeconds=0)))
`);
  expect(groups).toEqual({ logGroups: [{ logGroupName: "g", creationTime: 5 }] });
  expect(missing).toEqual({
    code: "AWS.SimpleQueueService.NonExistentQueue",
    message: "The specified queue does not exist.",
    status: 400,
  });
  expect(server.calls[0]).toMatchObject({ input: { logGroupNamePrefix: "g" }, credentials: { verified: true } });
});

test.skipIf(!found)("query and ec2", async () => {
  const created = new Date("2026-01-02T03:04:05Z");
  server.answer = ({ operation }) => {
    if (operation === "ListRoles")
      return { Roles: [{ RoleName: "r", CreateDate: created, Path: "/", RoleId: "R", Arn: "a" }] };
    if (operation === "DescribeVpcs")
      return { Vpcs: [{ VpcId: "vpc-1", IsDefault: true, Tags: [{ Key: "k", Value: "v" }] }] };
    if (operation === "CreateStack") return { StackId: "s" };
    if (operation === "DeleteTargetGroup") return {};
    throw new Fault("TargetGroupNotFoundException", "One or more target groups not found");
  };
  const shown = await python(`
show(client("iam").list_roles())
show(client("ec2").describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}], VpcIds=["vpc-1"]))
show(client("cloudformation").create_stack(StackName="s", Parameters=[{"ParameterKey": "a", "ParameterValue": "b c"}], Tags=[], Capabilities=["CAPABILITY_IAM"]))
show(client("elbv2").delete_target_group(TargetGroupArn="arn"))
show(failure(lambda: client("elbv2").describe_target_groups(Names=["n"])))
show(failure(lambda: client("ec2").describe_subnets(MaxResults=5000)))
`);
  expect(shown[0]).toMatchObject({ Roles: [{ RoleName: "r", CreateDate: "2026-01-02T03:04:05+00:00" }] });
  expect(shown[1]).toEqual({ Vpcs: [{ VpcId: "vpc-1", IsDefault: true, Tags: [{ Key: "k", Value: "v" }] }] });
  expect(shown[2]).toEqual({ StackId: "s" });
  expect(shown[3]).toEqual({});
  expect(shown[4]).toMatchObject({ code: "TargetGroupNotFound", status: 400 });
  expect(shown[5]).toMatchObject({ code: "InvalidParameterValue", status: 400 });
  expect(server.calls.map(({ operation, input }) => [operation, input])).toMatchObject([
    ["ListRoles", {}],
    ["DescribeVpcs", { Filters: [{ Name: "isDefault", Values: ["true"] }], VpcIds: ["vpc-1"] }],
    [
      "CreateStack",
      { Parameters: [{ ParameterKey: "a", ParameterValue: "b c" }], Tags: [], Capabilities: ["CAPABILITY_IAM"] },
    ],
    ["DeleteTargetGroup", { TargetGroupArn: "arn" }],
    ["DescribeTargetGroups", { Names: ["n"] }],
  ]);
});

test.skipIf(!found)("restJson: lambda", async () => {
  server.answer = ({ operation }) => {
    if (operation === "Invoke") return { StatusCode: 200, Payload: Buffer.from('{"ok":true}'), ExecutedVersion: "1" };
    throw new Fault("ResourceNotFoundException", "Function not found");
  };
  const arn = "arn:aws:lambda:eu-central-1:000000000000:function:f:live";
  const [invoked, missing] = await python(`
answer = client("lambda").invoke(FunctionName="${arn}", Payload=b'{"a": 1}', LogType="Tail")
show({"status": answer["StatusCode"], "payload": answer["Payload"].read(), "version": answer["ExecutedVersion"]})
show(failure(lambda: client("lambda").get_function(FunctionName="f")))
`);
  expect(invoked).toEqual({ status: 200, payload: '{"ok":true}', version: "1" });
  expect(missing).toEqual({ code: "ResourceNotFoundException", message: "Function not found", status: 404 });
  expect(server.calls[0]).toMatchObject({
    operation: "Invoke",
    input: { FunctionName: arn, LogType: "Tail", Payload: Buffer.from('{"a": 1}') },
  });
});

test.skipIf(!found)("restXml: s3, with its checksums, and presigned", async () => {
  const bodies: string[] = [];
  server.answer = async ({ operation, input }) => {
    const { Body: body, Key: key } = input as { Body?: Body; Key?: string };
    if (operation === "PutObject") bodies.push(Buffer.from(await bytesOf(body, 1e6)).toString());
    if (operation === "GetObject") return { Body: Buffer.from(`body of ${key}`), ETag: '"e"', Metadata: { a: "b" } };
    if (operation === "ListObjectsV2") return { Contents: [{ Key: "a b", Size: 1 }], KeyCount: 1, Name: "b" };
    if (operation === "HeadObject") throw new Fault("NoSuchKey", "The specified key does not exist.");
    if (operation === "GetBucketLocation") return { LocationConstraint: "eu-central-1" };
    return {};
  };
  const shown = await python(`
import io, urllib.request
s3 = client("s3", s3={"addressing_style": "path"})
s3.put_object(Bucket="b", Key="a b+c/é", Body=b"hello", Metadata={"k": "v"})
s3.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"streamed"), ChecksumAlgorithm="SHA256")
got = s3.get_object(Bucket="b", Key="x y")
show({"body": got["Body"].read(), "etag": got["ETag"], "meta": got["Metadata"]})
show(s3.list_objects_v2(Bucket="b", Prefix="a", MaxKeys=3))
show(failure(lambda: s3.head_object(Bucket="b", Key="k")))
show(s3.get_bucket_location(Bucket="b"))
s3.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "a&b"}]})
url = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "pre signed"}, ExpiresIn=60)
show({"presigned": urllib.request.urlopen(url).read()})
`);
  expect(bodies).toEqual(["hello", "streamed"]);
  expect(shown).toEqual([
    { body: "body of x y", etag: '"e"', meta: { a: "b" } },
    expect.objectContaining({ Contents: [{ Key: "a b", Size: 1 }], KeyCount: 1, Name: "b" }),
    { code: "404", message: "Not Found", status: 404 },
    { LocationConstraint: "eu-central-1" },
    { presigned: "body of pre signed" },
  ]);
  expect(server.calls[0]?.input).toMatchObject({ Key: "a b+c/é", Metadata: { k: "v" } });
  expect(last()?.credentials).toMatchObject({ kind: "presigned", verified: true });
});

test.skipIf(!found)("a wrong secret, in the words of each protocol", async () => {
  const shown = await python(`
def bad(name, call, **config):
    wrong = boto3.client(name, endpoint_url=os.environ["ENDPOINT"], region_name="eu-central-1",
        aws_access_key_id="AKIAGOOD", aws_secret_access_key="wrong", config=Config(retries={"max_attempts": 0}))
    show(failure(lambda: call(wrong)))
bad("sts", lambda c: c.get_caller_identity())
bad("lambda", lambda c: c.list_functions())
bad("logs", lambda c: c.describe_log_groups())
bad("s3", lambda c: c.list_buckets())
`);
  expect(shown.map((error) => (error as { code: string }).code)).toEqual([
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
  ]);
  expect(server.calls).toEqual([]);
});
