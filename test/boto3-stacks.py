"""Updates, change sets, drift and stack policies by boto3, with its waiters, paginators and exceptions."""
import json
import time

import boto3
from botocore.exceptions import ClientError, WaiterError

cf = boto3.client("cloudformation")
logs = boto3.client("logs")
quick = {"Delay": 1, "MaxAttempts": 60}


def template(days, **more):
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": days}}
    return json.dumps({"Resources": {"Kept": group, **more}, "Outputs": {"Name": {"Value": {"Ref": "Kept"}}}})


def refused(code, operation, **arguments):
    try:
        operation(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response["Error"]["Message"]
    raise AssertionError("it was not refused")


name = "care"
cf.create_stack(StackName=name, TemplateBody=template(7))
cf.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=quick)
assert "No updates" in refused("ValidationError", cf.update_stack, StackName=name, TemplateBody=template(7))

# A change set, shown and executed.
cf.create_change_set(StackName=name, ChangeSetName="more", TemplateBody=template(14))
cf.get_waiter("change_set_create_complete").wait(StackName=name, ChangeSetName="more", WaiterConfig=quick)
shown = cf.describe_change_set(StackName=name, ChangeSetName="more")
change = shown["Changes"][0]["ResourceChange"]
assert (change["Action"], change["LogicalResourceId"], change["Replacement"]) == ("Modify", "Kept", "False")
assert change["Details"][0]["Target"]["Name"] == "RetentionInDays"
cf.execute_change_set(StackName=name, ChangeSetName="more")
cf.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=quick)

# Drift: changed by hand.
stack = cf.describe_stacks(StackName=name)["Stacks"][0]
assert stack["DriftInformation"]["StackDriftStatus"] == "NOT_CHECKED"
logs.put_retention_policy(logGroupName=stack["Outputs"][0]["OutputValue"], retentionInDays=30)
detection = cf.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
for _ in range(100):
    status = cf.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    if status["DetectionStatus"] != "DETECTION_IN_PROGRESS":
        break
    time.sleep(0.1)
assert (status["StackDriftStatus"], status["DriftedStackResourceCount"]) == ("DRIFTED", 1), status
drift = cf.describe_stack_resource_drifts(StackName=name)["StackResourceDrifts"][0]
assert json.loads(drift["ExpectedProperties"]) == {"RetentionInDays": 14}, drift
assert json.loads(drift["ActualProperties"]) == {"RetentionInDays": 30}, drift
difference = drift["PropertyDifferences"][0]
assert (difference["PropertyPath"], difference["DifferenceType"]) == ("/RetentionInDays", "NOT_EQUAL"), drift
logs.put_retention_policy(logGroupName=stack["Outputs"][0]["OutputValue"], retentionInDays=14)
again = cf.detect_stack_resource_drift(StackName=name, LogicalResourceId="Kept")["StackResourceDrift"]
assert again["StackResourceDriftStatus"] == "IN_SYNC", again

# A stack policy: what it denies fails the update, which is rolled back.
everything = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
kept = {"Effect": "Deny", "Action": "Update:Modify", "Principal": "*", "Resource": "LogicalResourceId/Kept"}
policy = json.dumps({"Statement": [everything, kept]})
cf.set_stack_policy(StackName=name, StackPolicyBody=policy)
assert cf.get_stack_policy(StackName=name)["StackPolicyBody"] == policy
cf.update_stack(StackName=name, TemplateBody=template(60))
try:
    cf.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=quick)
    raise AssertionError("the policy was not enforced")
except WaiterError:
    pass
pages = cf.get_paginator("describe_stack_events").paginate(StackName=name)
reasons = [event.get("ResourceStatusReason", "") for page in pages for event in page["StackEvents"]]
assert any(reason.startswith("Action denied by stack policy: Statement [#2]") for reason in reasons), reasons
assert cf.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
override = json.dumps({"Statement": [everything]})
cf.update_stack(StackName=name, TemplateBody=template(60), StackPolicyDuringUpdateBody=override)
cf.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=quick)
assert "Error validating stack policy" in refused(
    "ValidationError", cf.set_stack_policy, StackName=name, StackPolicyBody="{}"
)

# An update that is not rolled back, and the way back.
key = {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/none", "TargetKeyId": "no-such-key"}}
cf.update_stack(StackName=name, TemplateBody=template(60, Bad=key), DisableRollback=True)
for _ in range(100):
    status = cf.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    if not status.endswith("_IN_PROGRESS"):
        break
    time.sleep(0.1)
assert status == "UPDATE_FAILED", status
assert "rollback-stack" in refused("ValidationError", cf.update_stack, StackName=name, TemplateBody=template(60))
cf.rollback_stack(StackName=name)
cf.get_waiter("stack_rollback_complete").wait(StackName=name, WaiterConfig=quick)
assert cf.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

cf.update_termination_protection(StackName=name, EnableTerminationProtection=True)
refused("ValidationError", cf.delete_stack, StackName=name)
cf.update_termination_protection(StackName=name, EnableTerminationProtection=False)
cf.delete_stack(StackName=name)
cf.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=quick)
