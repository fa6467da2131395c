/** Parameters: described without their values, tagged, and their versions labelled. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import { badToken, fault, invalid, noParameter, notYet, noVersion } from "./faults.ts";
import { matcher, scanParameters, type Filter } from "./filters.ts";
import { describePageMax, labelCharactersMax, labelsMax, tagsMax } from "./limits.ts";
import { parameterArn, selectorOf } from "./names.ts";
import {
  findParameter,
  isNamed,
  parameters,
  versions,
  versionsOf,
  type ParameterRow,
  type VersionRow,
} from "./tables.ts";
import type { SsmDeps } from "./writing.ts";

function described(row: ParameterRow) {
  return {
    Name: row.name,
    ARN: parameterArn(row),
    Type: row.type as "String",
    LastModifiedDate: new Date(row.modified_ms),
    LastModifiedUser: row.modified_by,
    Version: row.version,
    Tier: row.tier as "Standard",
    Policies: [],
    DataType: row.data_type,
    ...(row.key_id === null ? {} : { KeyId: row.key_id }),
    ...(row.description === null ? {} : { Description: row.description }),
    ...(row.allowed_pattern === null ? {} : { AllowedPattern: row.allowed_pattern }),
  };
}

/** Source: API reference, LabelParameterVersion. */
const isLabel = (label: string) =>
  label.length <= labelCharactersMax && /^[a-zA-Z0-9_.-]+$/.test(label) && !/^(\d|aws|ssm)/i.test(label);

const isVersion = (row: VersionRow) => sql`${isNamed(row, row.name)} and version = ${row.version}`;

export function describingOperations({ store }: SsmDeps) {
  const change = (type: string, id: string, call: Call, tagsAfter: (row: ParameterRow) => Record<string, string>) => {
    if (type !== "Parameter") throw notYet(`tags of ${type}`);
    const { name } = selectorOf(id, call);
    return store.tx(async (tx) => {
      const row = await findParameter(tx, call, name);
      if (row === undefined) throw noResource(name);
      const tags = tagsAfter(row);
      await tx.run(sql`update ${parameters.name} set ${assign(parameters, { tags })} where ${isNamed(call, name)}`);
      return {};
    });
  };
  const noResource = (name: string) => fault("InvalidResourceId", `The resource ID ${name} is not valid.`);

  const labelled = async (tx: Tx, given: string, wanted: number | undefined, call: Call) => {
    const { name } = selectorOf(given, call);
    const row = await findParameter(tx, call, name);
    if (row === undefined) throw noParameter(name);
    const all = await versionsOf(tx, call, name);
    const number = wanted ?? row.version;
    const chosen = all.find(({ version }) => version === number);
    if (chosen !== undefined) return { all, chosen };
    throw noVersion(`Systems Manager could not find version ${number} of ${name}. Verify the version and try again.`);
  };
  const setLabels = (tx: Tx, row: VersionRow, labels: string[]) =>
    tx.run(sql`update ${versions.name} set ${assign(versions, { labels })} where ${isVersion(row)}`);

  return {
    async DescribeParameters(input, call) {
      if (input.Shared === true) throw notYet("shared parameters");
      const { Filters = [], ParameterFilters = [] } = input;
      if (Filters.length > 0 && ParameterFilters.length > 0) {
        throw invalid("You can use either Filters or ParameterFilters in a single request.");
      }
      // The older form of Name begins with its value.
      const old: Filter[] = Filters.map(({ Key, Values }) => ({
        Key,
        Values,
        Option: Key === "Name" ? "BeginsWith" : "Equals",
      }));
      const filters = ParameterFilters.length > 0 ? ParameterFilters : old;
      const listing = { operation: "DescribeParameters", filters, call };
      const [after = ""] = pageKey(listing, input.NextToken, badToken) ?? [];
      const limit = input.MaxResults ?? describePageMax;
      const rows = await store.read((tx) =>
        scanParameters(tx, call, [], String(after), limit + 1, matcher(tx, filters)),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      return { Parameters: page.map(described), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    LabelParameterVersion: (input, call) =>
      store.tx(async (tx) => {
        const { all, chosen } = await labelled(tx, input.Name, input.ParameterVersion, call);
        const wanted = [...new Set(input.Labels)];
        const valid = wanted.filter(isLabel);
        const labels = [...new Set([...chosen.labels, ...valid])];
        if (labels.length > labelsMax) {
          throw fault(
            "ParameterVersionLabelLimitExceeded",
            `A parameter version can have a maximum of ${labelsMax} labels.`,
          );
        }
        for (const other of all) {
          const left = other.labels.filter((label) => !valid.includes(label));
          if (other.version !== chosen.version && left.length < other.labels.length) await setLabels(tx, other, left);
        }
        await setLabels(tx, chosen, labels);
        return { InvalidLabels: wanted.filter((label) => !isLabel(label)), ParameterVersion: chosen.version };
      }),

    UnlabelParameterVersion: (input, call) =>
      store.tx(async (tx) => {
        const { chosen } = await labelled(tx, input.Name, input.ParameterVersion, call);
        const isGone = (label: string) => input.Labels.includes(label);
        await setLabels(
          tx,
          chosen,
          chosen.labels.filter((label) => !isGone(label)),
        );
        return {
          RemovedLabels: chosen.labels.filter(isGone),
          InvalidLabels: input.Labels.filter((label) => !chosen.labels.includes(label)),
        };
      }),

    AddTagsToResource: (input, call) =>
      change(input.ResourceType, input.ResourceId, call, (row) => {
        const tags = { ...row.tags, ...Object.fromEntries(input.Tags.map(({ Key, Value }) => [Key, Value])) };
        if (Object.keys(tags).length <= tagsMax) return tags;
        throw fault("TooManyTagsError", `A parameter has at most ${tagsMax} tags.`);
      }),

    RemoveTagsFromResource: (input, call) =>
      change(input.ResourceType, input.ResourceId, call, ({ tags }) =>
        Object.fromEntries(Object.entries(tags).filter(([key]) => !input.TagKeys.includes(key))),
      ),

    async ListTagsForResource(input, call) {
      if (input.ResourceType !== "Parameter") throw notYet(`tags of ${input.ResourceType}`);
      const { name } = selectorOf(input.ResourceId, call);
      const row = await store.read((tx) => findParameter(tx, call, name));
      if (row === undefined) throw noResource(name);
      return { TagList: Object.entries(row.tags).map(([Key, Value]) => ({ Key, Value })) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-ssm")>;
}
