/** AWS::Events::EventBus and AWS::Events::EventBusPolicy. */
import type { Call } from "../../kit/call.ts";
import type { PolicyDocument } from "../../kit/authorize.ts";
import { asProperties, pairsOf, unlessAbsent, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { upsert } from "../../store/tables.ts";
import { findBus, refOf } from "./bus-rows.ts";
import { busCreation, removeBus, settingsOf } from "./buses.ts";
import type { EventsDeps } from "./deps.ts";
import { invalid, noBus, notYet } from "./faults.ts";
import { busArn, defaultBus } from "./names.ts";
import { checkedPolicy, policyChange, withoutStatement, withStatement } from "./permissions.ts";
import { buses, type BusRow } from "./tables.ts";
import { documentText, readInput, tagsIn } from "./template-input.ts";

const stateOf = (row: BusRow) => ({
  physicalId: row.name,
  attributes: { Arn: busArn(refOf(row)), Name: row.name },
});

/** Everything of a bus but its name: as CreateEventBus takes it, and its policy. */
function wantedOf(properties: JsonObject) {
  const { Policy, Tags: _, ...members } = properties;
  const input = readInput("CreateEventBus", members);
  if (input.EventSourceName !== undefined) throw notYet("partner event sources");
  const policy = documentText(Policy);
  return { input, policy: policy === undefined ? undefined : checkedPolicy(policy) };
}

export function busResource(deps: EventsDeps): Resource {
  const { store, clock } = deps;
  const create = busCreation(deps);
  const refIn = (bus: string, { account, region }: Call) => ({ account, region, bus });
  return {
    type: "AWS::Events::EventBus",
    properties: [
      "DeadLetterConfig",
      "Description",
      "EventSourceName",
      "KmsKeyIdentifier",
      "LogConfig",
      "Name",
      "Policy",
      "Tags",
    ],
    required: ["Name"],
    attributes: ["Arn", "Name"],
    replaceOn: ["Name", "EventSourceName"],
    async create({ properties, token, tags }, call) {
      const { input, policy } = wantedOf(properties);
      const given = { ...input, name: input.Name, description: input.Description };
      const row = await create({ ...given, tags: tagsIn(properties, tags), token }, call);
      if (policy !== undefined) await store.tx((tx) => tx.run(upsert(buses, { ...row, policy })));
      return stateOf(row);
    },
    async update({ physicalId, properties, former, tags }, call) {
      const { input, policy } = wantedOf(properties);
      const now = clock.now();
      return store.tx(async (tx) => {
        const row = await findBus(tx, refIn(physicalId, call));
        if (row === undefined) throw noBus(physicalId);
        // A policy of statements that are resources of their own stays.
        const without = former.properties["Policy"] === undefined ? row.policy : null;
        const after: BusRow = {
          ...row,
          description: input.Description ?? null,
          settings: settingsOf(input),
          policy: policy ?? without,
          tags: tagsIn(properties, tags),
          modified_ms: now,
        };
        await tx.run(upsert(buses, after));
        return stateOf(after);
      });
    },
    async read({ physicalId }, call) {
      const row = await store.read((tx) => findBus(tx, refIn(physicalId, call)));
      if (row === undefined) return undefined;
      return asProperties({
        Name: row.name,
        Description: row.description ?? undefined,
        KmsKeyIdentifier: row.settings.kmsKey,
        DeadLetterConfig: row.settings.deadLetterArn === undefined ? undefined : { Arn: row.settings.deadLetterArn },
        LogConfig: row.settings.log,
        Policy: row.policy ?? undefined,
        Tags: pairsOf(row.tags),
      });
    },
    comparison: { Policy: "exact" },
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const row = await findBus(tx, refIn(physicalId, call));
        if (row !== undefined && row.name !== defaultBus) await removeBus(tx, row);
      });
    },
  };
}

const textOf = (value: Json | undefined) => (typeof value === "string" ? value : undefined);

/** The statement that the properties mean, as a policy of one. */
function added(row: BusRow, properties: JsonObject): PolicyDocument {
  const id = textOf(properties["StatementId"]) ?? "";
  const { Statement } = properties;
  if (Statement === undefined) {
    const { Action, Principal, Condition } = properties;
    const input = readInput("PutPermission", { StatementId: id, Action, Principal, Condition });
    return withStatement(row, input);
  }
  const given = checkedPolicy(JSON.stringify({ Version: "2012-10-17", Statement }));
  const [statement] = given.Statement;
  if (statement === undefined || given.Statement.length > 1) throw invalid("Statement must be one statement.");
  const others = (row.policy?.Statement ?? []).filter(({ Sid }) => Sid !== id);
  return { Version: "2012-10-17", ...row.policy, Statement: [...others, { ...statement, Sid: id }] };
}

export function busPolicyResource(deps: EventsDeps): Resource {
  const change = policyChange(deps);
  const put = async (properties: JsonObject, call: Call) => {
    const bus = textOf(properties["EventBusName"]);
    await change(bus, "PutPermission", call, (row) => added(row, properties));
    return { physicalId: `${bus ?? defaultBus}|${textOf(properties["StatementId"])}`, attributes: {} };
  };
  return {
    type: "AWS::Events::EventBusPolicy",
    properties: ["Action", "Condition", "EventBusName", "Principal", "Statement", "StatementId"],
    required: ["StatementId"],
    attributes: [],
    replaceOn: ["EventBusName", "StatementId"],
    create: ({ properties }, call) => put(properties, call),
    update: ({ properties }, call) => put(properties, call),
    async delete({ properties }, call) {
      const id = textOf(properties["StatementId"]) ?? "";
      const removal = change(textOf(properties["EventBusName"]), "RemovePermission", call, (row) => {
        const isThere = row.policy?.Statement.some(({ Sid }) => Sid === id) ?? false;
        return isThere ? withoutStatement(row, id) : row.policy;
      });
      await unlessAbsent(removal, "ResourceNotFoundException");
    },
  };
}
