/** Parameters: read one by one, by path, and in their history. */
import type { Parameter } from "@aws-sdk/client-ssm";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { badToken, invalid, noParameter, noVersion } from "./faults.ts";
import { matcher, scanParameters, underPath } from "./filters.ts";
import { historyPageMax, pathPageMax } from "./limits.ts";
import { parameterArn, selectorOf, type Selector } from "./names.ts";
import { secretReference } from "./references.ts";
import { findParameter, findVersion, isNamed, versions, versionsOf, type VersionRow } from "./tables.ts";
import type { SsmDeps } from "./writing.ts";

/** The version that a selector names; a parameter that is not there is told apart from a version that is not. */
async function findSelected(tx: ReadTx, { name, version, label }: Selector, call: Call): Promise<VersionRow> {
  const row = await findParameter(tx, call, name);
  if (row === undefined) throw noParameter(name);
  if (label !== undefined) {
    const labelled = (await versionsOf(tx, call, name)).find(({ labels }) => labels.includes(label));
    if (labelled !== undefined) return labelled;
    throw noVersion(
      `Systems Manager could not find label ${label} for parameter ${name}. Verify the label and try again.`,
    );
  }
  const found = await findVersion(tx, call, name, version ?? row.version);
  if (found !== undefined) return found;
  throw noVersion(`Systems Manager could not find version ${version} of ${name}. Verify the version and try again.`);
}

export function readingOperations(deps: SsmDeps) {
  const { store, values } = deps;
  const reference = secretReference(deps);

  const shown = async (row: VersionRow, selector: string | undefined, decrypt: boolean | undefined, call: Call) => {
    const parameter: Parameter = {
      Name: row.name,
      Type: row.type as "String",
      Value: await values.show(row, decrypt, call),
      Version: row.version,
      LastModifiedDate: new Date(row.modified_ms),
      ARN: parameterArn(row),
      DataType: row.data_type,
    };
    return selector === undefined ? parameter : { ...parameter, Selector: selector };
  };

  const get = async (given: string, decrypt: boolean | undefined, call: Call): Promise<Parameter> => {
    const secret = await reference(given, decrypt, call);
    if (secret !== undefined) return secret;
    const selector = selectorOf(given, call);
    const row = await store.read((tx) => findSelected(tx, selector, call));
    return shown(row, selector.selector, decrypt, call);
  };

  return {
    async GetParameter(input, call) {
      return { Parameter: await get(input.Name, input.WithDecryption, call) };
    },

    async GetParameters(input, call) {
      if (new Set(input.Names).size < input.Names.length) {
        throw invalid("Invalid request: parameter names must be unique.");
      }
      const Parameters: Parameter[] = [];
      const InvalidParameters: string[] = [];
      for (const name of input.Names) {
        try {
          Parameters.push(await get(name, input.WithDecryption, call));
        } catch (error) {
          if (!isFault(error, "ParameterNotFound") && !isFault(error, "ParameterVersionNotFound")) throw error;
          InvalidParameters.push(name);
        }
      }
      return { Parameters, InvalidParameters };
    },

    async GetParametersByPath(input, call) {
      const { Path, Recursive = false, ParameterFilters = [] } = input;
      if (!Path.startsWith("/")) {
        throw invalid(
          'The parameter doesn\'t meet the parameter name requirements. The parameter name must begin with a forward slash "/". It can\'t be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.',
        );
      }
      const listing = { operation: "GetParametersByPath", filters: [Path, Recursive, ParameterFilters], call };
      const [after = ""] = pageKey(listing, input.NextToken, badToken) ?? [];
      const limit = input.MaxResults ?? pathPageMax;
      const rows = await store.read(async (tx) => {
        const matches = matcher(tx, ParameterFilters, ["Type", "KeyId", "Label"]);
        const found = await scanParameters(tx, call, [underPath(Path, Recursive)], String(after), limit + 1, matches);
        const pairs = found.map(async (row) => findVersion(tx, call, row.name, row.version));
        return (await Promise.all(pairs)).filter((row) => row !== undefined);
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      const Parameters = await Promise.all(page.map((row) => shown(row, undefined, input.WithDecryption, call)));
      return { Parameters, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async GetParameterHistory(input, call) {
      const { name } = selectorOf(input.Name, call);
      const listing = { operation: "GetParameterHistory", filters: name, call };
      const [after = 0] = pageKey(listing, input.NextToken, badToken) ?? [];
      const limit = input.MaxResults ?? historyPageMax;
      const rows = await store.read(async (tx) => {
        if ((await findParameter(tx, call, name)) === undefined) throw noParameter(name);
        return tx.all<VersionRow>(sql`select ${versions.columns} from ${versions.name}
          where ${isNamed(call, name)} and version > ${Number(after)} order by version limit ${limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ version }) => [version]);
      const Parameters = await Promise.all(
        page.map(async (row) => ({
          Name: row.name,
          Type: row.type as "String",
          LastModifiedDate: new Date(row.modified_ms),
          LastModifiedUser: row.modified_by,
          Value: await values.show(row, input.WithDecryption, call),
          Version: row.version,
          Labels: row.labels,
          Tier: row.tier as "Standard",
          Policies: [],
          DataType: row.data_type,
          ...(row.key_id === null ? {} : { KeyId: row.key_id }),
          ...(row.description === null ? {} : { Description: row.description }),
          ...(row.allowed_pattern === null ? {} : { AllowedPattern: row.allowed_pattern }),
        })),
      );
      return { Parameters, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-ssm")>;
}
