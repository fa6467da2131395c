/**
 * Writes `src/wire/tables/<service>.json` from the official clients' runtime schemas and botocore's models.
 *
 *     node tools/tables.ts           writes them (needs Python with botocore at the version below)
 *     node tools/tables.ts --check   fails where what is committed differs
 *
 * `--check` runs without Python too: it then takes constraints (and the table of ec2, which has no client among the
 * devDependencies) as they are committed, and says so.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { Table } from "../src/wire/table.ts";
import { botocoreVersion, findBotocore } from "./tables/botocore.ts";
import { ec2Table } from "./tables/ec2.ts";
import { formatTable } from "./tables/format.ts";
import { overlayOfModel, overlayOfTable } from "./tables/overlay.ts";
import { sdkTable, type SdkSource } from "./tables/sdk.ts";

/** service -> client package, botocore's folder, and the version of its model. */
const sources: readonly (SdkSource & { model: string; modelVersion: string })[] = [
  { service: "acm", client: "client-acm", model: "acm", modelVersion: "2015-12-08" },
  { service: "cloudformation", client: "client-cloudformation", model: "cloudformation", modelVersion: "2010-05-15" },
  {
    service: "elasticloadbalancing",
    client: "client-elastic-load-balancing-v2",
    model: "elbv2",
    modelVersion: "2015-12-01",
  },
  { service: "events", client: "client-eventbridge", model: "events", modelVersion: "2015-10-07" },
  { service: "iam", client: "client-iam", model: "iam", modelVersion: "2010-05-08" },
  { service: "kms", client: "client-kms", model: "kms", modelVersion: "2014-11-01" },
  { service: "lambda", client: "client-lambda", model: "lambda", modelVersion: "2015-03-31" },
  { service: "logs", client: "client-cloudwatch-logs", model: "logs", modelVersion: "2014-03-28" },
  { service: "pipes", client: "client-pipes", model: "pipes", modelVersion: "2015-10-07" },
  { service: "s3", client: "client-s3", model: "s3", modelVersion: "2006-03-01" },
  { service: "scheduler", client: "client-scheduler", model: "scheduler", modelVersion: "2021-06-30" },
  {
    service: "secretsmanager",
    client: "client-secrets-manager",
    model: "secretsmanager",
    modelVersion: "2017-10-17",
  },
  { service: "sns", client: "client-sns", model: "sns", modelVersion: "2010-03-31" },
  { service: "sqs", client: "client-sqs", model: "sqs", modelVersion: "2012-11-05" },
  { service: "ssm", client: "client-ssm", model: "ssm", modelVersion: "2014-11-06" },
  { service: "sts", client: "client-sts", model: "sts", modelVersion: "2011-06-15" },
];

const folder = new URL("../src/wire/tables/", import.meta.url);
const fileOf = (service: string) => new URL(`${service}.json`, folder);

function committed(service: string): { text: string; table: Table } | undefined {
  try {
    const text = readFileSync(fileOf(service), "utf8");
    return { text, table: JSON.parse(text) as Table };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function tables(checking: boolean): Promise<Table[]> {
  const models = findBotocore();
  if (models === undefined) {
    const advice = `botocore ${botocoreVersion} is not installed: pip install botocore==${botocoreVersion}`;
    if (!checking) throw new Error(advice);
    console.warn(`${advice}\nChecking against the clients only; constraints and ec2 are taken as committed.`);
  }
  const made: Table[] = [];
  for (const source of sources) {
    const bare = await sdkTable(source);
    const before = committed(source.service)?.table;
    if (models !== undefined) {
      made.push(overlayOfModel(bare, models(source.model, source.modelVersion)));
    } else if (before !== undefined) {
      made.push(overlayOfTable(bare, before));
    } else {
      made.push(bare);
    }
  }
  const ec2 = models === undefined ? committed("ec2")?.table : ec2Table(models("ec2", "2016-11-15"));
  if (ec2 !== undefined) made.push(ec2);
  return made;
}

async function main(): Promise<number> {
  const checking = process.argv.includes("--check");
  mkdirSync(folder, { recursive: true });
  const stale: string[] = [];
  for (const table of await tables(checking)) {
    const text = formatTable(table);
    if (!isDeepStrictEqual(JSON.parse(text), table))
      throw new Error(`${table.service}: the table does not survive JSON`);
    if (committed(table.service)?.text === text) continue;
    stale.push(table.service);
    if (!checking) writeFileSync(fileOf(table.service), text);
  }
  if (stale.length === 0) console.log("The tables are current.");
  else if (checking) console.error(`Not as committed: ${stale.join(", ")}. Run: npm run tables`);
  else console.log(`Written to ${fileURLToPath(folder)}: ${stale.join(", ")}`);
  return checking && stale.length > 0 ? 1 : 0;
}

process.exitCode = await main();
