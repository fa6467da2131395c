/**
 * Takes a template of examples/templates through its life: created, changed, changed behind its back, changed badly and
 * rolled back, deleted. In this process always; by `mikan`, `aws` and `sam` where the scenario says so, and with
 * `MIKAN_ALL_CLIENTS=1` for every template. All must come to the same end.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { describe, expect, it } from "vitest";
import { isMap, isScalar, parseDocument } from "yaml";
import { missingCommands } from "../../bench/measure.ts";
import { byAws, byMikan, bySam, inProcess, type Deployer, type Deployment } from "./deployers.ts";
import { driftOf, outcomeOf, type Outcome } from "./outcome.ts";
import { openPlace, type Place } from "./place.ts";

const examples = fileURLToPath(new URL("../../examples/templates/", import.meta.url));
const allClients = process.env["MIKAN_ALL_CLIENTS"] === "1";
const clients = [byMikan, byAws, bySam];
const missing = await missingCommands(clients.flatMap(({ command }) => command ?? []));
if (missing.length > 0) console.warn(`SKIPPED: templates by ${missing.join()} (pip install awscli aws-sam-cli)`);
/** Five calls of a command that takes seconds to start, on a machine that does other things. */
const clientMsMax = 300_000;

type Parameters = Deployment["parameters"];

export interface Scenario {
  /** Its folder, and the name of the stack. */
  name: string;
  /** Default: `template.yaml`. */
  template?: string;
  /** A stack that must be there first, of a template in the same folder. */
  before?: { stack: string; template: string };
  parameters?(place: Place): Promise<Parameters> | Parameters;
  /** What is different in the update. */
  change: { template?: string; parameters?: Parameters };
  /** That it works. Also after the rollback, when it must be as it was before the bad update. */
  check(place: Place, stage: "created" | "changed"): Promise<void>;
  drift: {
    /** `LogicalId STATUS paths`, as drift detection must tell. */
    seen: readonly string[];
    make(place: Place): Promise<void>;
    mend(place: Place): Promise<void>;
  };
  /** When the stack is gone. */
  after?(place: Place): Promise<void>;
  /** Who deletes the stack of a client that cannot. */
  deletedBy?: Readonly<Record<string, Deployer>>;
  /** Tried by every client in each run of the tests, not only with `MIKAN_ALL_CLIENTS=1`. */
  byClients?: boolean;
}

/** The template with a resource that nobody can make, once all the others are there. */
async function writeBroken(template: string, file: string): Promise<void> {
  const text = await readFile(template, "utf8");
  const document = parseDocument(text, { logLevel: "silent" });
  const resources = document.get("Resources");
  if (!isMap(resources)) throw new Error(`${template} has no resources`);
  const names = resources.items.map(({ key }) => String(isScalar(key) ? key.value : key));
  const broken = {
    Type: "AWS::S3::BucketPolicy",
    DependsOn: names.filter((name) => !name.startsWith("Fn::")),
    Properties: {
      Bucket: "a-bucket-that-nobody-made",
      PolicyDocument: {
        Version: "2012-10-17",
        Statement: [
          { Effect: "Deny", Principal: "*", Action: "s3:*", Resource: "arn:aws:s3:::a-bucket-that-nobody-made" },
        ],
      },
    },
  };
  document.setIn(["Resources", "Broken"], document.createNode(broken));
  await writeFile(file, text.trimStart().startsWith("{") ? JSON.stringify(document.toJS()) : document.toString());
}

type Life = Readonly<Record<"created" | "changed" | "rolledBack", Outcome>> & { drifted: readonly string[] };

async function live(scenario: Scenario, by: Deployer, place: Place, directory: string): Promise<Life> {
  const { name: stack, template = "template.yaml", before, change, check, drift } = scenario;
  const parameters = (await scenario.parameters?.(place)) ?? {};
  const changed = { ...parameters, ...change.parameters };
  const bring = (file: string, given: Parameters, name = stack) =>
    by.deploy(place, { stack: name, template: join(directory, file), parameters: given });
  const brought = async (...of: [file: string, given: Parameters]) => {
    const { done, said } = await bring(...of);
    expect(done, said).toBe(true);
    return outcomeOf(place, stack);
  };

  if (before !== undefined) expect(await bring(before.template, {}, before.stack)).toMatchObject({ done: true });
  const created = await brought(template, parameters);
  expect(created.status).toBe("CREATE_COMPLETE");
  await check(place, "created");
  const stackId = await idOf(place, stack);

  const updated = await brought(change.template ?? template, changed);
  expect(updated.status).toBe("UPDATE_COMPLETE");
  await check(place, "changed");

  expect(await driftOf(place, stack)).toEqual([]);
  await drift.make(place);
  const drifted = await driftOf(place, stack, by.detectDrift);
  expect(drifted).toEqual(drift.seen);
  await drift.mend(place);
  expect(await driftOf(place, stack)).toEqual([]);

  // Back to how it began, with what cannot be made: all of it has been changed when that fails.
  const broken = `broken${template.slice(template.indexOf("."))}`;
  await writeBroken(join(directory, template), join(directory, broken));
  expect((await bring(broken, parameters)).done).toBe(false);
  const rolledBack = await outcomeOf(place, stack);
  expect(rolledBack.status).toBe("UPDATE_ROLLBACK_COMPLETE");
  expect(rolledBack.outputs).toEqual(updated.outputs);
  await check(place, "changed");

  await (scenario.deletedBy?.[by.name] ?? by).remove(place, stack);
  expect(await outcomeOf(place, stackId)).toMatchObject({ status: "DELETE_COMPLETE" });
  await scenario.after?.(place);
  if (before !== undefined) await by.remove(place, before.stack);
  return { created, changed: updated, drifted, rolledBack };
}

async function idOf({ clients: { cloudformation } }: Place, StackName: string): Promise<string> {
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  return Stacks?.[0]?.StackId ?? StackName;
}

/** One life, on a node of its own, in a copy of the example's folder. */
async function lifeOf(scenario: Scenario, by: Deployer): Promise<Life> {
  await using place = await openPlace();
  const directory = await mkdtemp(join(tmpdir(), `mikan-template-${by.name}-`));
  try {
    await cp(join(examples, scenario.name), directory, { recursive: true });
    return await live(scenario, by, place, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The tests of these templates. */
export function tryTemplates(scenarios: readonly Scenario[]): void {
  describe.each(scenarios)("$name", (scenario) => {
    let model: Promise<Life> | undefined;
    const modelLife = () => (model ??= lifeOf(scenario, inProcess));
    it("lives, in a test's process", { timeout: 120_000 }, async () => {
      await modelLife();
    });
    const wanted = allClients || scenario.byClients === true;
    it.skipIf(!wanted || missing.length > 0).each(clients)(
      "lives the same by $name",
      { timeout: clientMsMax },
      async (by) => {
        expect(await lifeOf(scenario, by)).toEqual(await modelLife());
      },
    );
  });
}
