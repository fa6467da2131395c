/** What an infrastructure tool does with a load balancer, call for call, through a client that is not the SDK of JavaScript. */
import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../../../test/upstream.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
}, 60_000);
afterAll(() => mikan.close(0));

const script = `
import boto3, json, os
elb = boto3.client("elbv2", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1",
    aws_access_key_id="test", aws_secret_access_key="test")
pairs = lambda set: [{"Key": key, "Value": value} for key, value in set.items()]
told = lambda answer: {one["Key"]: one["Value"] for one in answer["Attributes"]}

lb = elb.create_load_balancer(Name="tool", Subnets=["subnet-a", "subnet-b"], Type="application")["LoadBalancers"][0]["LoadBalancerArn"]
elb.modify_load_balancer_attributes(LoadBalancerArn=lb, Attributes=pairs({
    "idle_timeout.timeout_seconds": "30", "routing.http.desync_mitigation_mode": "monitor",
    "routing.http.xff_client_port.enabled": "true", "access_logs.s3.enabled": "false", "access_logs.s3.bucket": ""}))
elb.set_ip_address_type(LoadBalancerArn=lb, IpAddressType="dualstack")
elb.set_security_groups(LoadBalancerArn=lb, SecurityGroups=["sg-2"])
elb.set_subnets(LoadBalancerArn=lb, Subnets=["subnet-a", "subnet-c"])
capacity = elb.describe_capacity_reservation(LoadBalancerArn=lb)["CapacityReservationState"]

groups = [elb.create_target_group(Name=name, Protocol="HTTPS", Port=443, VpcId="vpc-1", TargetType="ip",
    HealthCheckProtocol="HTTPS", HealthCheckPath="/up", Matcher={"HttpCode": "200-299"})["TargetGroups"][0]["TargetGroupArn"]
    for name in ("blue", "green")]
group = told(elb.modify_target_group_attributes(TargetGroupArn=groups[0], Attributes=pairs({
    "stickiness.enabled": "true", "stickiness.type": "app_cookie", "stickiness.app_cookie.cookie_name": "session",
    "slow_start.duration_seconds": "60", "deregistration_delay.timeout_seconds": "5"})))
elb.register_targets(TargetGroupArn=groups[0], Targets=[{"Id": "127.0.0.1", "Port": 1}])

forward = {"Type": "forward", "ForwardConfig": {
    "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(groups, (90, 10))],
    "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}}
listener = elb.create_listener(LoadBalancerArn=lb, Protocol="HTTP", Port=int(os.environ["PORT"]),
    DefaultActions=[forward], Tags=[{"Key": "by", "Value": "tool"}])["Listeners"][0]
arn = listener["ListenerArn"]
listener_set = told(elb.modify_listener_attributes(ListenerArn=arn, Attributes=pairs({
    "routing.http.response.server.enabled": "false",
    "routing.http.response.access_control_allow_origin.header_value": "*"})))
rule = elb.create_rule(ListenerArn=arn, Priority=5,
    Conditions=[{"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^shop\\\\."]}}], Actions=[forward],
    Transforms=[{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/old/(.*)", "Replace": "/$1"}]}}])["Rules"][0]
elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule["RuleArn"], "Priority": 9}])
reset = elb.modify_rule(RuleArn=rule["RuleArn"], ResetTransforms=True)["Rules"][0]
health = elb.describe_target_health(TargetGroupArn=groups[0], Include=["All"])["TargetHealthDescriptions"]

failures = []
for call in (lambda: elb.modify_target_group_attributes(TargetGroupArn=groups[0], Attributes=pairs({"slow_start.duration_seconds": "7"})),
             lambda: elb.create_rule(ListenerArn=arn, Priority=6, Actions=[forward],
                 Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["(?=a)"]}}]),
             lambda: elb.create_load_balancer(Name="gwy", Type="gateway", Subnets=["subnet-a"]),
             lambda: elb.describe_trust_stores(Names=["none"]),
             lambda: elb.create_trust_store(Name="t", CaCertificatesBundleS3Bucket="b", CaCertificatesBundleS3Key="k")):
    try: call(); failures.append(None)
    except elb.exceptions.ClientError as error: failures.append(error.response["Error"]["Code"])

print(json.dumps({
    "lb": told(elb.describe_load_balancer_attributes(LoadBalancerArn=lb)), "capacity": capacity, "group": group,
    "listener": listener, "listenerSet": listener_set, "rule": rule, "reset": [reset["Priority"], reset["Transforms"]],
    "health": [one["TargetHealth"]["State"] for one in health], "failures": failures,
    "certificates": elb.describe_listener_certificates(ListenerArn=arn)["Certificates"],
    "tags": elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"],
    "limits": len(elb.describe_account_limits()["Limits"]), "policies": len(elb.describe_ssl_policies()["SslPolicies"]) > 10}))
elb.delete_load_balancer(LoadBalancerArn=lb)
for arn in groups: elb.delete_target_group(TargetGroupArn=arn)
`;

const boto = spawnSync("python3", ["-c", "import boto3"]).status === 0;
const known =
  spawnSync("python3", [
    "-c",
    "import botocore.session as s; m = s.get_session().get_service_model('elbv2'); m.shape_for('RuleTransform')",
  ]).status === 0;

it.skipIf(!boto || !known)("a tool makes, reads, changes and deletes it all", { timeout: 120_000 }, async () => {
  const env = { ...process.env, ENDPOINT: mikan.url, PORT: String(await freePort()) };
  const child = spawn("python3", ["-c", script], { env });
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(errors).toBe("");
  expect(JSON.parse(out)).toMatchObject({
    lb: {
      "idle_timeout.timeout_seconds": "30",
      "routing.http.desync_mitigation_mode": "monitor",
      "routing.http.xff_client_port.enabled": "true",
    },
    capacity: [],
    group: { "stickiness.type": "app_cookie", "slow_start.duration_seconds": "60" },
    listener: {
      Protocol: "HTTP",
      DefaultActions: [{ ForwardConfig: { TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 } } }],
    },
    listenerSet: { "routing.http.response.server.enabled": "false" },
    rule: {
      Conditions: [{ Field: "host-header", HostHeaderConfig: { RegexValues: ["^shop\\."] } }],
      Transforms: [{ Type: "url-rewrite", UrlRewriteConfig: { Rewrites: [{ Regex: "^/old/(.*)", Replace: "/$1" }] } }],
    },
    reset: ["9", []],
    health: [expect.stringMatching(/^(?:initial|unhealthy)$/)],
    failures: ["ValidationError", "ValidationError", "ValidationError", "TrustStoreNotFound", "NotImplemented"],
    certificates: [],
    tags: [{ Key: "by", Value: "tool" }],
    limits: 16,
    policies: true,
  });
});
