/** Parameters: put, with a version for each value, and deleted. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { fault, invalid, noParameter, notYet } from "./faults.ts";
import { advancedParametersMax, standardParametersMax, tagsMax, versionsMax } from "./limits.ts";
import { checkNewName, parentOf, selectorOf } from "./names.ts";
import {
  findParameter,
  isIn,
  isNamed,
  parameters,
  versions,
  versionsOf,
  type ParameterRow,
  type Place,
} from "./tables.ts";
import { checkPattern, checkValue, defaultKey, tierOf, type Values } from "./values.ts";

export interface SsmDeps extends Deps {
  values: Values;
}

export interface NewParameter {
  name: string;
  value: string;
  type?: string | undefined;
  keyId?: string | undefined;
  tier?: string | undefined;
  dataType?: string | undefined;
  description?: string | undefined;
  allowedPattern?: string | undefined;
  policies?: string | undefined;
  overwrite?: boolean | undefined;
  tags?: Record<string, string>;
  token?: string;
}

/** `arn:aws:iam::123456789012:root`, or the role that called. */
function whoOf({ account, principal }: Call): string {
  if (principal.kind === "role") return principal.roleArn;
  return principal.kind === "user" ? `arn:aws:iam::${account}:root` : principal.service;
}

function checkAsked({ policies, dataType }: NewParameter): void {
  if (policies !== undefined && policies !== "[]" && policies !== "{}") throw notYet("parameter policies");
  if (dataType === undefined || dataType === "text") return;
  if (dataType === "aws:ec2:image" || dataType === "aws:ssm:integration") throw notYet(`the data type ${dataType}`);
  throw invalid(`The following data type is not supported: ${dataType} (Data type names are all lowercase.)`);
}

const textOrNull = (value: string | null | undefined) => (value === undefined || value === "" ? null : value);

const exists = () =>
  fault(
    "ParameterAlreadyExists",
    "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
  );

async function checkRoom(tx: Tx, place: Place, tier: string): Promise<void> {
  const max = tier === "Advanced" ? advancedParametersMax : standardParametersMax;
  const count = await tx.one<{ present: number }>(
    sql`select count(*) as present from ${parameters.name} where ${isIn(place)} and tier = ${tier}`,
  );
  if (Number(count?.present) >= max) {
    throw fault("ParameterLimitExceeded", `An account has at most ${max} parameters of the ${tier} tier in a Region.`);
  }
}

/** Makes room for one more version: the oldest goes, unless somebody labelled it. */
async function dropOldest(tx: Tx, { account, region, name }: ParameterRow): Promise<void> {
  const present = await versionsOf(tx, { account, region }, name);
  const [oldest] = present;
  if (oldest === undefined || present.length < versionsMax) return;
  if (oldest.labels.length > 0) {
    throw fault(
      "ParameterMaxVersionLimitExceeded",
      `You attempted to create a new version of ${name} by calling the PutParameter API with the overwrite flag. Version ${oldest.version}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.`,
    );
  }
  await tx.run(sql`delete from ${versions.name} where ${isNamed(oldest, name)} and version = ${oldest.version}`);
}

/** Puts a parameter; a second call with the same token gives what the first one made. */
export function parameterPut({ store, clock, values }: SsmDeps) {
  return async (given: NewParameter, call: Call): Promise<ParameterRow> => {
    const { name, value, token = null } = given;
    const { account, region } = call;
    checkNewName(name);
    checkAsked(given);
    checkValue(value);
    if (Object.keys(given.tags ?? {}).length > tagsMax) {
      throw fault("TooManyTagsError", `A parameter has at most ${tagsMax} tags.`);
    }
    const before = await store.read((tx) => findParameter(tx, call, name));
    if (before !== undefined && token !== null && before.token === token) return before;
    if (before !== undefined && given.overwrite !== true) throw exists();
    const type = given.type ?? before?.type;
    if (type === undefined) throw invalid("A parameter type is required when you create a parameter.");
    if (given.keyId !== undefined && type !== "SecureString") {
      throw invalid("KeyId is required only for SecureString type parameter.");
    }
    const tier = tierOf(given.tier, before?.tier, value);
    checkPattern(given.allowedPattern, value);
    const keyId = type === "SecureString" ? (given.keyId ?? defaultKey) : null;
    const kept = await values.keep(value, { type, tier, keyId, name }, call);
    const content = {
      type,
      tier,
      data_type: given.dataType ?? "text",
      key_id: keyId,
      description: textOrNull(given.description ?? before?.description),
      allowed_pattern: given.allowedPattern ?? null,
      modified_ms: clock.now(),
      modified_by: whoOf(call),
    };
    return store.tx(async (tx) => {
      const present = await findParameter(tx, call, name);
      if (present !== undefined && token !== null && present.token === token) return present;
      if (present !== undefined && given.overwrite !== true) throw exists();
      if (present?.version !== before?.version) {
        throw fault(
          "TooManyUpdates",
          "There are concurrent updates for a resource that supports one update at a time.",
        );
      }
      if (present === undefined) await checkRoom(tx, call, tier);
      else await dropOldest(tx, present);
      const version = (present?.version ?? 0) + 1;
      const row: ParameterRow = {
        account,
        region,
        name,
        parent: parentOf(name),
        version,
        tags: present?.tags ?? given.tags ?? {},
        token: present === undefined ? token : present.token,
        ...content,
      };
      await tx.run(upsert(parameters, row));
      await tx.run(insert(versions, { account, region, name, version, value: kept, labels: [], ...content }));
      return row;
    });
  };
}

/** Deletes a parameter with its versions; false when there was none. */
export async function deleteParameter(tx: Tx, place: Place, name: string): Promise<boolean> {
  await tx.run(sql`delete from ${versions.name} where ${isNamed(place, name)}`);
  return (await tx.run(sql`delete from ${parameters.name} where ${isNamed(place, name)}`)) > 0;
}

export function writingOperations(deps: SsmDeps) {
  const { store } = deps;
  const put = parameterPut(deps);
  return {
    async PutParameter(input, call) {
      const tags = (input.Tags ?? []).map(({ Key, Value }) => [Key, Value] as const);
      if (tags.length > 0 && input.Overwrite === true) {
        throw invalid(
          "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
        );
      }
      const row = await put(
        {
          name: input.Name,
          value: input.Value,
          type: input.Type,
          keyId: input.KeyId,
          tier: input.Tier,
          dataType: input.DataType,
          description: input.Description,
          allowedPattern: input.AllowedPattern,
          policies: input.Policies,
          overwrite: input.Overwrite,
          tags: Object.fromEntries(tags),
        },
        call,
      );
      return { Version: row.version, Tier: row.tier as "Standard" };
    },

    async DeleteParameter(input, call) {
      const { name } = selectorOf(input.Name, call);
      if (!(await store.tx((tx) => deleteParameter(tx, call, name)))) throw noParameter(name);
      return {};
    },

    DeleteParameters: (input, call) =>
      store.tx(async (tx) => {
        const DeletedParameters: string[] = [];
        const InvalidParameters: string[] = [];
        for (const given of input.Names) {
          const isGone = await deleteParameter(tx, call, selectorOf(given, call).name);
          (isGone ? DeletedParameters : InvalidParameters).push(given);
        }
        return { DeletedParameters, InvalidParameters };
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-ssm")>;
}
