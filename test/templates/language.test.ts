/** Templates that use much of the language itself: conditions, loops, stacks of stacks, macros. */
import {
  CreateChangeSetCommand,
  DescribeChangeSetCommand,
  DeleteChangeSetCommand,
} from "@aws-sdk/client-cloudformation";
import {
  DeleteRetentionPolicyCommand,
  DescribeLogGroupsCommand,
  PutRetentionPolicyCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { DescribeParametersCommand, PutParameterCommand } from "@aws-sdk/client-ssm";
import { expect } from "vitest";
import { byMikan } from "./deployers.ts";
import type { Place } from "./place.ts";
import { tryTemplates } from "./scenario.ts";

/** The name of the stack's parameter that holds this value's resource. */
async function parameterNamed({ clients }: Place, part: string): Promise<string> {
  const { Parameters = [] } = await clients.ssm.send(new DescribeParametersCommand({}));
  return Parameters.find(({ Name }) => Name?.includes(part) === true)?.Name ?? "";
}
/** Gives the parameter whose name has this part another value. */
const say = (part: string, Value: string) => async (place: Place) => {
  const Name = await parameterNamed(place, part);
  await place.clients.ssm.send(new PutParameterCommand({ Name, Value, Overwrite: true }));
};
const keep =
  (logGroupName: string, retentionInDays?: number) =>
  async ({ clients: { logs } }: Place) => {
    if (retentionInDays === undefined) await logs.send(new DeleteRetentionPolicyCommand({ logGroupName }));
    else await logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays }));
  };
const groups = async ({ clients }: Place) => {
  const { logGroups = [] } = await clients.logs.send(new DescribeLogGroupsCommand({}));
  return logGroups.map(({ logGroupName = "", retentionInDays }) => ({ logGroupName, retentionInDays }));
};

tryTemplates([
  {
    name: "environments",
    change: { parameters: { Environment: "production", Audited: "yes" } },
    async check(place, stage) {
      const settings =
        stage === "created" ? "development replicas=1 cheap unaudited" : "production replicas=3 dear audited";
      expect(place.output("Settings")).toBe(settings);
      expect(place.output("Zones")).toBe(stage === "created" ? "a" : "a,b,c");
      const days = (await groups(place)).map(({ retentionInDays = 0 }) => retentionInDays);
      expect(days.toSorted((a, b) => a - b)).toEqual(stage === "created" ? [1] : [90, 3653]);
    },
    drift: {
      seen: ["Zones MODIFIED /Value"],
      make: say("-Zones-", "a"),
      mend: say("-Zones-", "a,b,c"),
    },
  },
  {
    name: "nested-stacks",
    // `sam delete` wants to delete the templates that it has uploaded, and knows no S3 but AWS's.
    deletedBy: { sam: byMikan },
    change: { parameters: { RetentionInDays: 14 } },
    async check(place, stage) {
      const name = place.output("LogGroup");
      expect(name).toBe(`/buckets/${place.output("Bucket")}`);
      expect(await groups(place)).toEqual([{ logGroupName: name, retentionInDays: stage === "created" ? 7 : 14 }]);
    },
    // What is in a nested stack is not looked at.
    drift: { seen: [], make: async () => {}, mend: async () => {} },
  },
  {
    name: "exports",
    before: { stack: "platform", template: "platform.yaml" },
    change: { parameters: { Path: "invoices" } },
    async check(place, stage) {
      const path = stage === "created" ? "orders" : "invoices";
      expect(place.output("Address")).toMatch(new RegExp(`^s3://platform-bucket-[a-z0-9]+/${path}/$`));
      expect((await groups(place)).map(({ retentionInDays }) => retentionInDays)).toEqual([14]);
    },
    drift: {
      seen: ["Log MODIFIED /RetentionInDays"],
      make: async (place) => keep((await groups(place))[0]?.logGroupName ?? "")(place),
      mend: async (place) => keep((await groups(place))[0]?.logGroupName ?? "", 14)(place),
    },
  },
  {
    name: "for-each",
    change: { parameters: { Apps: "Shop,Search,Mail" } },
    async check(place, stage) {
      const apps = stage === "created" ? ["Blog", "Shop"] : ["Shop", "Search", "Mail"];
      expect(place.output("Summary")).toBe(`${apps.length} apps: ${JSON.stringify(apps)}`);
      const names = apps.map((app) => `/for-each/${app}`);
      expect(apps.map((app) => place.output(`Name${app}`))).toEqual(names);
      expect((await groups(place)).map(({ logGroupName }) => logGroupName)).toEqual(names.toSorted());
    },
    drift: {
      seen: ["LogShop MODIFIED /RetentionInDays"],
      make: keep("/for-each/Shop"),
      mend: keep("/for-each/Shop", 7),
    },
  },
  {
    name: "intrinsic-functions",
    template: "template.json",
    change: { parameters: { Choice: "right" } },
    async check(place, stage) {
      const { OnlyRight, ...outputs } = place.outputs;
      const side = stage === "created" ? "left" : "right";
      expect(outputs).toEqual({
        Pseudo: "000000000000 us-east-1 aws amazonaws.com intrinsic-functions stack/intrinsic-functions/".concat(
          outputs["Pseudo"]?.slice(-36) ?? "",
        ),
        Notified: "",
        Base64: "bWlrYW4=",
        Cidr: "10.0.0.0/24 10.0.1.0/24 10.0.2.0/24",
        Mapped: side === "left" ? "sinister" : "dexter",
        Zone: "us-east-1a",
        Chosen: "two",
        Sub: `\${Literal} ${side} one+two+three in us-east-1`,
      });
      expect(OnlyRight === undefined).toBe(side === "left");
    },
    drift: {
      seen: ["Pseudo MODIFIED /Value"],
      make: say("-Pseudo-", "other"),
      mend: (place) => say("-Pseudo-", place.output("Pseudo"))(place),
    },
  },
  {
    name: "change-set",
    change: { parameters: { Value: "second", Name: "second" } },
    async check(place, stage) {
      expect(place.outputs).toEqual({
        InPlace: stage === "created" ? "first" : "second",
        Replaced: `/change-set/${stage === "created" ? "first" : "second"}`,
      });
      const at = { StackName: "change-set", ChangeSetName: "what-if" };
      const send = place.clients.cloudformation;
      const values = { Value: "third", Name: "third" };
      await send.send(
        new CreateChangeSetCommand({
          ...at,
          UsePreviousTemplate: true,
          Parameters: Object.entries(values).map(([ParameterKey, ParameterValue]) => ({
            ParameterKey,
            ParameterValue,
          })),
        }),
      );
      const { Changes = [] } = await send.send(new DescribeChangeSetCommand(at));
      const said = Changes.map(({ ResourceChange: change }) => [
        change?.Action,
        change?.LogicalResourceId,
        change?.Replacement,
      ]);
      expect(said).toEqual([
        ["Modify", "InPlace", "False"],
        ["Modify", "Replaced", "True"],
      ]);
      await send.send(new DeleteChangeSetCommand(at));
    },
    drift: {
      seen: ["InPlace MODIFIED /Value"],
      make: say("-InPlace-", "other"),
      mend: say("-InPlace-", "second"),
    },
  },
]);
