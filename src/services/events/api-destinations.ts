/** API destinations: HTTP endpoints as targets. Source: EventBridge user guide, "API destinations as targets". */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { destinationArn, findDestination } from "./destination-rows.ts";
import { connectionOfArn, findConnection } from "./connections.ts";
import type { EventsDeps } from "./deps.ts";
import { raiseEpoch } from "./epochs.ts";
import { badToken, fault, invalid } from "./faults.ts";
import { invocationsPerSecondDefault, listMax } from "./limits.ts";
import {
  apiDestinations,
  isIn,
  isNamed,
  targets,
  type ApiDestinationRow,
  type ConnectionRow,
  type TargetRow,
} from "./tables.ts";

export async function openDestination(tx: ReadTx, name: string, { account, region }: Pick<Call, "account" | "region">) {
  const row = await findDestination(tx, { account, region, name });
  if (row !== undefined) return row;
  throw fault(
    "ResourceNotFoundException",
    `Failed to describe the api-destination(s). An api-destination '${name}' does not exist.`,
  );
}

async function connectionOf(tx: ReadTx, arn: string, { account, region }: Pick<Call, "account" | "region">) {
  const ref = connectionOfArn(arn);
  const row = ref === undefined ? undefined : await findConnection(tx, ref);
  if (row === undefined || row.uid !== ref?.uid || row.account !== account || row.region !== region) {
    throw fault("ResourceNotFoundException", `Connection '${arn}' does not exist.`);
  }
  return row;
}

const isEndpoint = (text: string) => /^https?:\/\//.test(text) && URL.canParse(text);

export interface NewDestination {
  name: string;
  connectionArn: string;
  endpoint: string;
  method: string;
  perSecondMax?: number | undefined;
  description?: string | undefined;
  token: string | null;
}

/** Rules that have it as a target carry its rate. */
async function touchRules(tx: Tx, row: ApiDestinationRow): Promise<void> {
  const users = await tx.all<Pick<TargetRow, "account" | "region" | "bus" | "rule">>(sql`
    select distinct account, region, bus, rule from ${targets.name}
    where ${isIn(row)} and arn = ${destinationArn(row)}`);
  for (const user of users) await raiseEpoch(tx, user, "rule", user.rule);
}

export function destinationChanges({ store, clock, ids }: EventsDeps) {
  const checkEndpoint = (endpoint: string | undefined) => {
    if (endpoint === undefined || isEndpoint(endpoint)) return;
    throw invalid("Parameter InvocationEndpoint is not valid. Reason: It must be a valid HTTPS endpoint.");
  };
  return {
    async create(given: NewDestination, call: Call): Promise<{ row: ApiDestinationRow; connection: ConnectionRow }> {
      checkEndpoint(given.endpoint);
      const { account, region } = call;
      const now = clock.now();
      const row: ApiDestinationRow = {
        account,
        region,
        name: given.name,
        uid: ids.uuid(),
        connection_arn: given.connectionArn,
        endpoint: given.endpoint,
        method: given.method,
        per_second_max: given.perSecondMax ?? invocationsPerSecondDefault,
        description: given.description ?? null,
        created_ms: now,
        modified_ms: now,
        token: given.token,
      };
      return store.tx(async (tx) => {
        const connection = await connectionOf(tx, given.connectionArn, call);
        const found = await findDestination(tx, row);
        if (found !== undefined && given.token !== null && found.token === given.token)
          return { row: found, connection };
        if (found !== undefined) {
          throw fault("ResourceAlreadyExistsException", `An api-destination '${given.name}' already exists.`);
        }
        await tx.run(insert(apiDestinations, row));
        return { row, connection };
      });
    },

    async update(given: Omit<Partial<NewDestination>, "token"> & { name: string }, call: Call) {
      checkEndpoint(given.endpoint);
      const now = clock.now();
      return store.tx(async (tx) => {
        const found = await openDestination(tx, given.name, call);
        const row: ApiDestinationRow = {
          ...found,
          connection_arn: given.connectionArn ?? found.connection_arn,
          endpoint: given.endpoint ?? found.endpoint,
          method: given.method ?? found.method,
          per_second_max: given.perSecondMax ?? found.per_second_max,
          description: given.description ?? found.description,
          modified_ms: now,
        };
        const connection = await connectionOf(tx, row.connection_arn, call);
        await tx.run(upsert(apiDestinations, row));
        await touchRules(tx, row);
        return { row, connection };
      });
    },
  };
}

/** It is as active as its connection is authorized. */
const stateOf = (connection: ConnectionRow | undefined) =>
  connection?.state === "AUTHORIZED" ? ("ACTIVE" as const) : ("INACTIVE" as const);

const answered = (row: ApiDestinationRow, connection: ConnectionRow | undefined) => ({
  ApiDestinationArn: destinationArn(row),
  ApiDestinationState: stateOf(connection),
  CreationTime: new Date(row.created_ms),
  LastModifiedTime: new Date(row.modified_ms),
});

const listed = (row: ApiDestinationRow, connection: ConnectionRow | undefined) => ({
  ...answered(row, connection),
  Name: row.name,
  ConnectionArn: row.connection_arn,
  InvocationEndpoint: row.endpoint,
  // Only what the SDK's own type names is ever written.
  HttpMethod: row.method as "POST",
  InvocationRateLimitPerSecond: row.per_second_max,
});

const theirConnection = async (tx: ReadTx, { connection_arn: arn }: ApiDestinationRow) => {
  const ref = connectionOfArn(arn);
  return ref === undefined ? undefined : findConnection(tx, ref);
};

export function destinationOperations(deps: EventsDeps) {
  const { store } = deps;
  const { create, update } = destinationChanges(deps);
  return {
    async CreateApiDestination(input, call) {
      const given: NewDestination = {
        name: input.Name,
        connectionArn: input.ConnectionArn,
        endpoint: input.InvocationEndpoint,
        method: input.HttpMethod,
        perSecondMax: input.InvocationRateLimitPerSecond,
        description: input.Description,
        token: null,
      };
      const { row, connection } = await create(given, call);
      return answered(row, connection);
    },

    async UpdateApiDestination(input, call) {
      const given = {
        name: input.Name,
        perSecondMax: input.InvocationRateLimitPerSecond,
        description: input.Description,
        ...(input.ConnectionArn === undefined ? {} : { connectionArn: input.ConnectionArn }),
        ...(input.InvocationEndpoint === undefined ? {} : { endpoint: input.InvocationEndpoint }),
        ...(input.HttpMethod === undefined ? {} : { method: input.HttpMethod }),
      };
      const { row, connection } = await update(given, call);
      return answered(row, connection);
    },

    async DescribeApiDestination({ Name }, call) {
      return store.read(async (tx) => {
        const row = await openDestination(tx, Name, call);
        return {
          ...listed(row, await theirConnection(tx, row)),
          ...(row.description === null ? {} : { Description: row.description }),
        };
      });
    },

    async ListApiDestinations({ NamePrefix = "", ConnectionArn, NextToken, Limit = listMax }, call) {
      const listing = { operation: "events:ListApiDestinations", filters: [NamePrefix, ConnectionArn], call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      return store.read(async (tx) => {
        const rows = await tx.all<ApiDestinationRow>(sql`
          select ${apiDestinations.columns} from ${apiDestinations.name}
          where ${isIn(call)} and ${beginsWith("name", NamePrefix)} and name > ${after}
            ${ConnectionArn === undefined ? sql`` : sql`and connection_arn = ${ConnectionArn}`}
          order by name limit ${Limit + 1}`);
        const { page, nextToken } = pageOf(listing, rows, Limit, ({ name }) => [name]);
        const ApiDestinations = [];
        for (const row of page) ApiDestinations.push(listed(row, await theirConnection(tx, row)));
        return { ApiDestinations, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
      });
    },

    async DeleteApiDestination({ Name }, call) {
      await store.tx(async (tx) => {
        const row = await openDestination(tx, Name, call);
        await tx.run(sql`delete from ${apiDestinations.name} where ${isNamed(row)}`);
        await touchRules(tx, row);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
