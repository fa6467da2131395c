/** Access logs as their users see them: traffic on one side, objects in a bucket on the other. */
import { gunzipSync } from "node:zlib";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  ModifyLoadBalancerAttributesCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { freePort } from "../../../test/upstream.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { must } from "./bench.suite.ts";

const account = "000000000000";
let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan({ clock: "fake", log: silentLog });
  clients = clientsOf(mikan.url);
}, 60_000);
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
});

const keysIn = async (Bucket: string) =>
  ((await clients.s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key ?? "");

async function bucketFor(Bucket: string, principal: object): Promise<void> {
  await clients.s3.send(new CreateBucketCommand({ Bucket }));
  const Statement = [
    { Effect: "Allow", Principal: principal, Action: "s3:PutObject", Resource: `arn:aws:s3:::${Bucket}/*` },
  ];
  await clients.s3.send(
    new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: "2012-10-17", Statement }) }),
  );
}

const logTo = (LoadBalancerArn: string, bucket: string, prefix: string) =>
  clients.elb.send(
    new ModifyLoadBalancerAttributesCommand({
      LoadBalancerArn,
      Attributes: [
        { Key: "access_logs.s3.enabled", Value: "true" },
        { Key: "access_logs.s3.bucket", Value: bucket },
        { Key: "access_logs.s3.prefix", Value: prefix },
      ],
    }),
  );

it("arrive in the bucket every five minutes, under AWS's keys, behind a test file", async () => {
  const { elb, s3 } = clients;
  const { LoadBalancers } = await elb.send(new CreateLoadBalancerCommand({ Name: "web", Subnets: ["a", "b"] }));
  const arn = must(LoadBalancers?.[0]?.LoadBalancerArn);
  const port = await freePort();
  await elb.send(
    new CreateListenerCommand({
      LoadBalancerArn: arn,
      Protocol: "HTTP",
      Port: port,
      DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "418" } }],
    }),
  );
  await bucketFor("logs", { Service: "logdelivery.elasticloadbalancing.amazonaws.com" });
  await logTo(arn, "logs", "lb");
  expect(await keysIn("logs")).toEqual([`lb/AWSLogs/${account}/ELBAccessLogTestFile`]);

  await fetch(`http://127.0.0.1:${port}/tea?pot=1`);
  const name = arn.split("/").slice(-2);
  const pattern = new RegExp(
    `^lb/AWSLogs/${account}/elasticloadbalancing/us-east-1/\\d{4}/\\d{2}/\\d{2}/${account}_elasticloadbalancing_` +
      `us-east-1_app\\.${name.join("\\.")}_\\d{8}T\\d{4}Z_127\\.0\\.0\\.1_[0-9a-f]+\\.log\\.gz$`,
  );
  let key: string | undefined;
  while (key === undefined) {
    await mikan.clock.advance(5 * 60_000);
    key = (await keysIn("logs")).find((candidate) => pattern.test(candidate));
  }
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: "logs", Key: key }));
  const text = gunzipSync(await must(Body).transformToByteArray()).toString();
  expect(text).toMatch(
    new RegExp(
      `^http \\S+ app/${name.join("/")} 127\\.0\\.0\\.1:\\d+ - -1 -1 -1 418 - \\d+ \\d+ "GET http://127\\.0\\.0\\.1:`,
    ),
  );
  expect(text).toContain(":" + port + '/tea?pot=1 HTTP/1.1"');
}, 60_000);

it("are taken by a bucket whose policy names AWS's account of the region, and must be there", async () => {
  const { LoadBalancers } = await clients.elb.send(
    new CreateLoadBalancerCommand({ Name: "other", Subnets: ["a", "b"] }),
  );
  const arn = must(LoadBalancers?.[0]?.LoadBalancerArn);
  await bucketFor("old-logs", { AWS: "arn:aws:iam::127311923021:root" });
  await logTo(arn, "old-logs", "");
  expect(await keysIn("old-logs")).toEqual([`AWSLogs/${account}/ELBAccessLogTestFile`]);
  await expect(logTo(arn, "nowhere", "")).rejects.toMatchObject({ name: "InvalidConfigurationRequestException" });
}, 60_000);
