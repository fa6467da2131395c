/** EventBridge through real clients: the SDK, boto3 and the AWS CLI; refusals, policies of buses, what is absent. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as sdk from "@aws-sdk/client-eventbridge";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { absentOperations, refusals } from "./refusals.suite.ts";

const run = promisify(execFile);

let mikan: Mikan;
let events: sdk.EventBridgeClient;
let other: sdk.EventBridgeClient;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  const config = { ...mikan.clientConfig(), maxAttempts: 1 };
  events = new sdk.EventBridgeClient(config);
  other = new sdk.EventBridgeClient({
    ...config,
    credentials: { accessKeyId: "111111111111", secretAccessKey: "test" },
  });
  await events.send(new sdk.PutRuleCommand({ Name: "there", EventPattern: '{"source": ["shop"]}' }));
  const EventSourceArn = "arn:aws:events:us-east-1:000000000000:event-bus/default";
  await events.send(new sdk.CreateArchiveCommand({ ArchiveName: "kept", EventSourceArn }));
});
afterAll(async () => {
  for (const client of [events, other]) client.destroy();
  await mikan.close(0);
});

const hasCommand = async (command: string, ...arguments_: string[]) =>
  run(command, arguments_).then(
    () => true,
    () => false,
  );
const hasBoto = await hasCommand("python3", "-c", "import boto3");
const hasCli = await hasCommand("aws", "--version");

/** The SDK's own way to an operation by its name. */
function send(client: sdk.EventBridgeClient, operation: string, input: object): Promise<unknown> {
  const Command: unknown = Reflect.get(sdk, `${operation}Command`);
  const command = Reflect.construct(Command as typeof sdk.PutEventsCommand, [input]) as sdk.PutEventsCommand;
  return client.send(command);
}

const environment = () => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: "000000000000",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_ENDPOINT_URL: mikan.url,
});

describe("EventBridge", () => {
  it.each(refusals)("$operation: $message", async ({ operation, input, code, message }) => {
    await expect(send(events, operation, input)).rejects.toMatchObject({
      name: code,
      message: expect.stringContaining(message),
    });
  });

  it("implements every operation of the model but those that are absent on purpose", async () => {
    const commands = Object.keys(sdk).filter((name) => name.endsWith("Command") && name !== "$Command");
    const all = commands.map((name) => name.slice(0, -"Command".length));
    const coverage: unknown = await (await fetch(`${mikan.url}/_mikan/coverage`)).json();
    const text = JSON.stringify(coverage);
    const missing = all.filter((name) => !text.includes(`"${name}"`));
    expect(all.filter((name) => absentOperations.includes(name)).toSorted()).toEqual(absentOperations);
    expect(missing.filter((name) => !absentOperations.includes(name))).toEqual([]);
  });

  it.each(absentOperations)("%s is answered 501", async (operation) => {
    const name = operation.includes("Endpoint") ? "n" : "aws.partner/shop.example/a";
    const input = {
      Name: name,
      AccountId: "111111111111",
      Account: "111111111111",
      NamePrefix: name,
      EventSourceName: "aws.partner/a/b",
      Entries: [{}],
      RoutingConfig: {
        FailoverConfig: {
          Primary: { HealthCheck: "arn:aws:route53:::healthcheck/a" },
          Secondary: { Route: "us-east-1" },
        },
      },
      EventBuses: [
        { EventBusArn: "arn:aws:events:us-east-1:000000000000:event-bus/a" },
        { EventBusArn: "arn:aws:events:us-west-2:000000000000:event-bus/a" },
      ],
    };
    await expect(send(events, operation, input)).rejects.toMatchObject({
      name: "NotImplemented",
      $metadata: { httpStatusCode: 501 },
    });
  });

  it("tells of each entry what became of it", async () => {
    const whole = { Source: "shop", DetailType: "t", Detail: "{}" };
    const { FailedEntryCount, Entries } = await events.send(
      new sdk.PutEventsCommand({
        Entries: [
          whole,
          { ...whole, Source: undefined },
          { ...whole, DetailType: undefined },
          { ...whole, Detail: undefined },
          { ...whole, Detail: "{" },
          { ...whole, Detail: "[]" },
          { ...whole, Source: "aws.ec2" },
          // AWS takes events for a bus that is not there, and they are gone.
          { ...whole, EventBusName: "gone" },
        ],
      }),
    );
    const id = { EventId: expect.stringMatching(/^[0-9a-f-]{36}$/) };
    const argument = (name: string) => ({
      ErrorCode: "InvalidArgument",
      ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.`,
    });
    const malformed = { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." };
    expect(FailedEntryCount).toBe(6);
    expect(Entries).toEqual([
      id,
      argument("Source"),
      argument("DetailType"),
      argument("Detail"),
      malformed,
      malformed,
      { ErrorCode: "NotAuthorizedForSource", ErrorMessage: "Not authorized for the source." },
      id,
    ]);
  });

  it("lets other accounts in as far as the policy of the bus says", async () => {
    const { EventBusArn = "" } = await events.send(new sdk.CreateEventBusCommand({ Name: "shared" }));
    const entry = { EventBusName: EventBusArn, Source: "partner", DetailType: "t", Detail: "{}" };
    const put = () => other.send(new sdk.PutEventsCommand({ Entries: [entry] }));
    await expect(put()).rejects.toMatchObject({ name: "AccessDeniedException" });
    const statement = { EventBusName: "shared", StatementId: "one", Principal: "111111111111" };
    await events.send(new sdk.PutPermissionCommand({ ...statement, Action: "events:PutEvents" }));
    expect(await put()).toMatchObject({ FailedEntryCount: 0 });
    const rule = { Name: "r", EventBusName: EventBusArn, EventPattern: '{"source": ["a"]}' };
    await expect(other.send(new sdk.PutRuleCommand(rule))).rejects.toMatchObject({ name: "AccessDeniedException" });
    await events.send(new sdk.RemovePermissionCommand({ EventBusName: "shared", StatementId: "one" }));
    await expect(put()).rejects.toMatchObject({ name: "AccessDeniedException" });
    expect((await events.send(new sdk.DescribeEventBusCommand({ Name: "shared" }))).Policy).toBeUndefined();
  });

  it("lists in pages, and tags", async () => {
    for (const Name of ["a", "b", "c"]) {
      await events.send(new sdk.PutRuleCommand({ Name: `page-${Name}`, EventPattern: '{"source": ["x"]}' }));
    }
    const names: string[] = [];
    for await (const page of pagesOf("page-")) names.push(...page);
    expect(names).toEqual(["page-a", "page-b", "page-c"]);
    const ResourceARN = "arn:aws:events:us-east-1:000000000000:rule/page-a";
    await events.send(new sdk.TagResourceCommand({ ResourceARN, Tags: [{ Key: "k", Value: "v" }] }));
    expect((await events.send(new sdk.ListTagsForResourceCommand({ ResourceARN }))).Tags).toEqual([
      { Key: "k", Value: "v" },
    ]);
    await events.send(new sdk.UntagResourceCommand({ ResourceARN, TagKeys: ["k"] }));
    expect((await events.send(new sdk.ListTagsForResourceCommand({ ResourceARN }))).Tags).toEqual([]);
  });

  it.skipIf(!hasBoto)("works with boto3 (BOTO3 IS NOT INSTALLED where skipped)", { timeout: 60_000 }, async () => {
    const script = `
import boto3, json
events = boto3.client("events")
events.put_rule(Name="boto", EventPattern=json.dumps({"source": ["boto"]}))
events.put_targets(Rule="boto", Targets=[{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}])
put = events.put_events(Entries=[{"Source": "boto", "DetailType": "t", "Detail": "{}"}])
try:
    events.describe_rule(Name="gone")
except events.exceptions.ResourceNotFoundException as error:
    print(put["FailedEntryCount"], error.response["Error"]["Message"])
`;
    const { stdout } = await run("python3", ["-c", script], { env: environment() });
    expect(stdout.trim()).toBe("0 Rule gone does not exist on EventBus default.");
  });

  it.skipIf(!hasCli)(
    "works with the AWS CLI (THE AWS CLI IS NOT INSTALLED where skipped)",
    { timeout: 120_000 },
    async () => {
      const pattern = ["--event-pattern", '{"source": ["cli"]}'];
      const event = JSON.stringify({
        id: "1",
        account: "1",
        source: "cli",
        time: "t",
        region: "r",
        resources: [],
        "detail-type": "t",
      });
      const { stdout } = await run("aws", ["events", "test-event-pattern", ...pattern, "--event", event], {
        env: environment(),
      });
      expect(JSON.parse(stdout)).toEqual({ Result: true });
    },
  );
});

async function* pagesOf(NamePrefix: string): AsyncGenerator<string[]> {
  let NextToken: string | undefined;
  do {
    const answer: sdk.ListRulesCommandOutput = await events.send(
      new sdk.ListRulesCommand({ NamePrefix, Limit: 2, ...(NextToken === undefined ? {} : { NextToken }) }),
    );
    yield (answer.Rules ?? []).map(({ Name = "" }) => Name);
    NextToken = answer.NextToken;
  } while (NextToken !== undefined);
}
