/** The journey of a user with boto3: a key, a role, keys of the role, on a node that verifies. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startMikan } from "../../mikan.ts";

const found = spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!found) console.warn("SKIPPED: IAM and STS through boto3, because python3 has no boto3 here (pip install boto3)");

const rootKey = { accessKeyId: "AKIAROOTEXAMPLE00000", secretAccessKey: "root" };

const program = `
import boto3, json, os
from botocore.config import Config
from botocore.exceptions import ClientError
endpoint = os.environ["ENDPOINT"]
def session(id, secret, token=None):
    return boto3.Session(aws_access_key_id=id, aws_secret_access_key=secret, aws_session_token=token, region_name="us-east-1")
def client(s, name): return s.client(name, endpoint_url=endpoint)
iam = client(session("${rootKey.accessKeyId}", "${rootKey.secretAccessKey}"), "iam")
out = {}
for n in range(7): iam.create_user(UserName="user%d" % n, Path="/team/")
iam.get_waiter("user_exists").wait(UserName="user3")
out["pages"] = [len(p["Users"]) for p in iam.get_paginator("list_users").paginate(PathPrefix="/team/", PaginationConfig={"PageSize": 3})]
policy = iam.create_policy(PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}))["Policy"]
iam.attach_user_policy(UserName="user3", PolicyArn=policy["Arn"])
# boto3 decodes documents into objects.
out["document"] = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]["Document"]
key = iam.create_access_key(UserName="user3")["AccessKey"]
trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/team/user3"}, "Action": "sts:AssumeRole"}}
role = iam.create_role(RoleName="work", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
user = session(key["AccessKeyId"], key["SecretAccessKey"])
out["user"] = client(user, "sts").get_caller_identity()["Arn"]
given = client(user, "sts").assume_role(RoleArn=role["Arn"], RoleSessionName="boto")["Credentials"]
worker = session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
out["role"] = client(worker, "sts").get_caller_identity()["Arn"]
client(worker, "s3").create_bucket(Bucket="made-by-a-role")
client(worker, "s3").put_object(Bucket="made-by-a-role", Key="note", Body=b"x")
# Without it, boto3 presigns by version 2, which is not verified here.
v4 = worker.client("s3", endpoint_url=endpoint, config=Config(signature_version="s3v4"))
url = v4.generate_presigned_url("get_object", Params={"Bucket": "made-by-a-role", "Key": "note"})
import urllib.request
out["presigned"] = urllib.request.urlopen(url).read().decode()
try:
    client(worker, "sts").assume_role(RoleArn=role["Arn"], RoleSessionName="again")
except ClientError as error:
    out["error"] = error.response["Error"]
out["account"] = sorted(d["UserName"] for p in iam.get_paginator("get_account_authorization_details").paginate() for d in p["UserDetailList"])
print(json.dumps(out))
`;

test.skipIf(!found)("a user, a role and what they sign", async () => {
  await using mikan = await startMikan({ rootKey });
  const { stdout } = await promisify(execFile)("python3", ["-c", program], {
    env: { ...process.env, ENDPOINT: mikan.url },
  });
  expect(JSON.parse(stdout)).toEqual({
    pages: [3, 3, 1],
    document: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "s3:Get*", Resource: "*" }] },
    user: "arn:aws:iam::000000000000:user/team/user3",
    role: "arn:aws:sts::000000000000:assumed-role/work/boto",
    presigned: "x",
    error: {
      Type: "Sender",
      Code: "AccessDenied",
      Message:
        "User: arn:aws:sts::000000000000:assumed-role/work/boto is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::000000000000:role/work",
    },
    account: [0, 1, 2, 3, 4, 5, 6].map((n) => `user${n}`),
  });
});
