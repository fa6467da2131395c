/** Rotation and deletion by the calendar, with a stand-in for Lambda; the whole with real functions is in client.test.ts. */
import { describe, expect, it } from "vitest";
import { Fault, must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { kms } from "../kms/service.ts";
import { withServices, type TestServices } from "../services.suite.ts";
import { secretsmanager } from "./service.ts";

const dayMs = 24 * 3600_000;
const functionArn = "arn:aws:lambda:us-east-1:000000000000:function:rotate";
const first = "first secret value";
const token = "11111111-2222-4333-8444-555555555555";

interface Rotator {
  steps: string[];
  principals: Call["principal"][];
  /** Steps that fail, once each. */
  failing: Set<string>;
}

/** Does what AWS's own templates of rotation functions do. */
function addRotator({ standIn, peers, call }: TestServices): Rotator {
  const rotator: Rotator = { steps: [], principals: [], failing: new Set() };
  const secrets = peers.secretsmanager;
  standIn("lambda", {
    async Invoke(input: { InvocationType?: string; Payload?: Uint8Array }, by: Call) {
      rotator.principals.push(by.principal);
      if (input.InvocationType === "DryRun") return { StatusCode: 204 };
      const {
        Step,
        SecretId,
        ClientRequestToken: id,
      } = JSON.parse(Buffer.from(input.Payload ?? []).toString()) as {
        Step: string;
        SecretId: string;
        ClientRequestToken: string;
      };
      rotator.steps.push(Step);
      if (rotator.failing.delete(Step)) return { StatusCode: 200, FunctionError: "Unhandled" };
      const { VersionIdsToStages = {} } = await secrets.DescribeSecret({ SecretId }, call);
      if (Step === "createSecret") {
        expect(VersionIdsToStages[id]).toContain("AWSPENDING");
        const put = { SecretId, ClientRequestToken: id, VersionStages: ["AWSPENDING"] };
        await secrets.PutSecretValue({ ...put, SecretString: `value of ${id}` }, call);
      }
      if (Step === "finishSecret" && VersionIdsToStages[id]?.includes("AWSCURRENT") !== true) {
        const from = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes("AWSCURRENT"))?.[0];
        const move = { SecretId, VersionStage: "AWSCURRENT", MoveToVersionId: id, RemoveFromVersionId: from };
        await secrets.UpdateSecretVersionStage(move, call);
      }
      return { StatusCode: 200 };
    },
  });
  return rotator;
}

const inHouse = (body: (node: TestServices, rotator: Rotator, arn: string) => Promise<void>) =>
  withServices([kms, secretsmanager], async (node) => {
    const rotator = addRotator(node);
    const { ARN } = await node.peers.secretsmanager.CreateSecret({ Name: "db", SecretString: first }, node.call);
    await body(node, rotator, must(ARN, "ARN"));
  });

const valueOf = async ({ peers, call }: TestServices, VersionStage?: string) =>
  (await peers.secretsmanager.GetSecretValue({ SecretId: "db", ...(VersionStage && { VersionStage }) }, call))
    .SecretString;

const rotate = ({ peers, call }: TestServices, rest = {}) =>
  peers.secretsmanager.RotateSecret(
    {
      SecretId: "db",
      ClientRequestToken: token,
      RotationLambdaARN: functionArn,
      RotationRules: { AutomaticallyAfterDays: 30 },
      ...rest,
    },
    call,
  );

describe("rotation", () => {
  it("runs the four steps as Secrets Manager, and the labels follow", () =>
    inHouse(async (node, rotator, arn) => {
      expect((await rotate(node)).VersionId).toBe(token);
      await expect(
        node.peers.secretsmanager.GetSecretValue({ SecretId: "db", VersionStage: "AWSPENDING" }, node.call),
      ).rejects.toMatchObject({ code: "ResourceNotFoundException" });
      await node.deliver();
      expect(rotator.steps).toEqual(["createSecret", "setSecret", "testSecret", "finishSecret"]);
      expect(rotator.principals.at(-1)).toEqual({
        kind: "service",
        service: "secretsmanager.amazonaws.com",
        sourceArn: arn,
        sourceAccount: "000000000000",
      });
      expect(await valueOf(node)).toBe(`value of ${token}`);
      expect(await valueOf(node, "AWSPREVIOUS")).toBe(first);
      const described = await node.peers.secretsmanager.DescribeSecret({ SecretId: "db" }, node.call);
      expect(described).toMatchObject({ RotationEnabled: true, RotationLambdaARN: functionArn });
      expect(described.NextRotationDate?.getTime()).toBe(node.clock.now() + 30 * dayMs);
    }));

  it("is tried again as a whole when a step fails, without another version", () =>
    inHouse(async (node, rotator) => {
      rotator.failing.add("testSecret");
      await rotate(node);
      await node.deliver();
      expect(await valueOf(node)).toBe(first);
      await expect(rotate(node, { ClientRequestToken: token.replace("1", "2") })).rejects.toMatchObject({
        code: "InvalidRequestException",
        message: "A previous rotation isn't complete. That rotation will be reattempted.",
      });
      await node.clock.advance(60_000);
      await node.deliver();
      expect(rotator.steps).toHaveLength(7);
      expect(await valueOf(node)).toBe(`value of ${token}`);
      const { Versions } = await node.peers.secretsmanager.ListSecretVersionIds({ SecretId: "db" }, node.call);
      expect(Versions).toHaveLength(2);
    }));

  it("goes by the calendar, and not once it is cancelled", () =>
    inHouse(async (node, rotator) => {
      await rotate(node);
      await node.deliver();
      await node.clock.advance(30 * dayMs);
      await node.runJob("secretsmanager:rotation");
      await node.deliver();
      expect(rotator.steps).toHaveLength(8);
      expect(await valueOf(node, "AWSPREVIOUS")).toBe(`value of ${token}`);
      await node.peers.secretsmanager.CancelRotateSecret({ SecretId: "db" }, node.call);
      await node.clock.advance(60 * dayMs);
      await node.runJob("secretsmanager:rotation");
      await node.deliver();
      expect(rotator.steps).toHaveLength(8);
    }));

  it("is refused when the function may not be invoked, and for schedules that are not run", () =>
    inHouse(async (node) => {
      node.standIn("lambda", {
        async Invoke() {
          throw new Fault("AccessDeniedException", "no");
        },
      });
      await expect(rotate(node)).rejects.toMatchObject({ code: "AccessDeniedException" });
      await expect(rotate(node, { RotationRules: { ScheduleExpression: "cron(0 8 1 * ? *)" } })).rejects.toMatchObject({
        code: "NotImplemented",
      });
      await expect(rotate(node, { RotationRules: { ScheduleExpression: "rate(1 hour)" } })).rejects.toMatchObject({
        code: "InvalidParameterException",
      });
    }));

  it("says nothing of the secret in the log, even when all fails", () =>
    inHouse(async (node, rotator) => {
      await rotate(node);
      for (let round = 0; round < 8; round += 1) {
        rotator.failing.add("setSecret");
        await node.deliver();
        await node.clock.advance(3600_000);
      }
      const log = node.logged.join("");
      expect(log).toContain("a secret could not be rotated");
      expect(log).not.toContain(first);
      expect(log).not.toContain("value of");
      rotator.failing.clear();
      await rotate(node);
      await node.deliver();
      expect(await valueOf(node)).toBe(`value of ${token}`);
    }));
});

it("a deleted secret can be restored within its window, and is gone after it", () =>
  inHouse(async (node) => {
    const { peers, call, clock, runJob } = node;
    await peers.secretsmanager.DeleteSecret({ SecretId: "db", RecoveryWindowInDays: 7 }, call);
    await expect(valueOf(node)).rejects.toMatchObject({ code: "InvalidRequestException" });
    await clock.advance(6 * dayMs);
    await runJob("secretsmanager:deletion");
    await peers.secretsmanager.RestoreSecret({ SecretId: "db" }, call);
    expect(await valueOf(node)).toBe(first);
    await peers.secretsmanager.DeleteSecret({ SecretId: "db", RecoveryWindowInDays: 7 }, call);
    await clock.advance(7 * dayMs);
    await runJob("secretsmanager:deletion");
    await expect(valueOf(node)).rejects.toMatchObject({ code: "ResourceNotFoundException" });
    await peers.secretsmanager.CreateSecret({ Name: "db", SecretString: "again" }, call);
    expect(await valueOf(node)).toBe("again");
    expect((await peers.secretsmanager.ListSecretVersionIds({ SecretId: "db" }, call)).Versions).toHaveLength(1);
  }));
