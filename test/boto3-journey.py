"""The journey as a boto3 user writes it. Prints what it saw as JSON; an error ends it with its traceback."""
import io
import json
import os
import sys
import urllib.request
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

front, app, listener_port, monolith_port = sys.argv[1:]
no_retries = Config(retries={"max_attempts": 0})
cloudformation, s3, functions, elb, logs, iam, sts = (
    boto3.client(name, config=no_retries)
    for name in ("cloudformation", "s3", "lambda", "elbv2", "logs", "iam", "sts")
)
seen = {}
quick = {"Delay": 1, "MaxAttempts": 60}


def error_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        response = error.response
        return [type(error).__name__, response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]]
    return None


def parameters(**values):
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


def create(name, template, **values):
    with open(template) as file:
        body = file.read()
    stack = cloudformation.create_stack(
        StackName=name,
        TemplateBody=body,
        Parameters=parameters(**values),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Tags=[{"Key": "team", "Value": "map"}],
    )["StackId"]
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=quick)
    return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]


def get(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{listener_port}{path}") as response:
        return [response.status, response.read().decode()]


seen["account"] = sts.get_caller_identity()["Account"]
stack = create("front", front, ListenerPort=listener_port, MonolithPort=monolith_port)
seen["front"] = {key: stack[key] for key in ("StackStatus", "Tags")}
seen["outputs"] = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
seen["exports"] = [export["Name"] for page in cloudformation.get_paginator("list_exports").paginate() for export in page["Exports"]]
seen["before"] = get("/map/1")

archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as file:
    file.writestr(
        "index.mjs",
        """export const handler = async (event) => {
             console.log("asked", JSON.stringify(event));
             if (event.fail) throw new RangeError("on purpose");
             return { statusCode: 200, body: "function", echo: event };
           };""",
    )
s3.create_bucket(Bucket="code")
s3.upload_fileobj(io.BytesIO(archive.getvalue()), "code", "apps/map.zip")
s3.get_waiter("object_exists").wait(Bucket="code", Key="apps/map.zip")
seen["object"] = s3.get_object(Bucket="code", Key="apps/map.zip")["Body"].read() == archive.getvalue()
seen["listed"] = [item["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="code") for item in page["Contents"]]
large = os.urandom(3 << 20)
s3.put_object(Bucket="code", Key="large", Body=large, Metadata={"from": "boto3"}, ContentType="text/plain")
head = s3.head_object(Bucket="code", Key="large")
seen["head"] = [head["ContentLength"], head["ContentType"], head["Metadata"]]
seen["range"] = s3.get_object(Bucket="code", Key="large", Range="bytes=10-19")["Body"].read() == large[10:20]
seen["no key"] = error_of(s3.get_object, Bucket="code", Key="nothing")
seen["no bucket"] = error_of(s3.list_objects_v2, Bucket="nobodys")

stack = create("map", app, AppName="map", PathPattern="/map/*", Priority=10, ConcurrencyCap=4, CodeBucket="code", CodeKey="apps/map.zip")
seen["app"] = stack["StackStatus"]
seen["peeled"] = get("/map/1")
seen["resources"] = {
    resource["LogicalResourceId"]: resource["ResourceType"]
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName="map")
    for resource in page["StackResourceSummaries"]
}
seen["statuses"] = sorted({event["ResourceStatus"] for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName="map") for event in page["StackEvents"]})

functions.get_waiter("function_active_v2").wait(FunctionName="map", WaiterConfig=quick)
answer = functions.invoke(FunctionName="map", Payload=json.dumps({"a": "ü"}), LogType="Tail")
seen["invoked"] = [answer["StatusCode"], answer["ExecutedVersion"], "FunctionError" in answer, json.loads(answer["Payload"].read())]
failed = functions.invoke(FunctionName="map", Payload=b'{"fail": true}')
seen["failed"] = [failed["StatusCode"], failed["FunctionError"], json.loads(failed["Payload"].read())["errorType"]]
event = functions.invoke(FunctionName="map", InvocationType="Event", Payload=b'{"async": true}')
seen["event"] = [event["StatusCode"], event["Payload"].read().decode()]
dry = functions.invoke(FunctionName="map", InvocationType="DryRun")
seen["dry"] = [dry["StatusCode"], dry["Payload"].read().decode()]
configuration = functions.get_function_configuration(FunctionName="map")
seen["configuration"] = [configuration[key] for key in ("Runtime", "Handler", "State", "LastUpdateStatus", "PackageType")]
seen["concurrency"] = functions.get_function_concurrency(FunctionName="map")["ReservedConcurrentExecutions"]
seen["policy"] = [statement["Principal"] for statement in json.loads(functions.get_policy(FunctionName="map")["Policy"])["Statement"]]
seen["role"] = iam.get_role(RoleName=configuration["Role"].rsplit("/", 1)[1])["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
seen["no function"] = error_of(functions.get_function, FunctionName="nobody")
seen["bad value"] = error_of(functions.put_function_concurrency, FunctionName="map", ReservedConcurrentExecutions=5000)

balancer = elb.describe_load_balancers()["LoadBalancers"][0]
elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer["LoadBalancerArn"]], WaiterConfig=quick)
groups = elb.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
seen["groups"] = sorted(group["TargetType"] for group in groups)
for group in groups:
    if group["TargetType"] == "ip":
        elb.get_waiter("target_in_service").wait(TargetGroupArn=group["TargetGroupArn"], WaiterConfig=quick)
listener = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]
seen["rules"] = [rule["Priority"] for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]]
seen["no balancer"] = error_of(elb.describe_load_balancers, Names=["nobody"])

for attempt in range(100):
    lines = [
        event["message"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/map", filterPattern="asked")
        for event in page["events"]
    ]
    if len(lines) >= 4:
        break
seen["lines"] = sorted("async" in line for line in lines)

cloudformation.delete_stack(StackName="map")
cloudformation.get_waiter("stack_delete_complete").wait(StackName="map", WaiterConfig=quick)
seen["after"] = get("/map/1")
cloudformation.delete_stack(StackName="front")
cloudformation.get_waiter("stack_delete_complete").wait(StackName="front", WaiterConfig=quick)
seen["gone"] = error_of(cloudformation.describe_stacks, StackName="front")
seen["left"] = [len(functions.list_functions()["Functions"]), len(elb.describe_load_balancers()["LoadBalancers"]), len(iam.list_roles()["Roles"])]
print(json.dumps(seen))
