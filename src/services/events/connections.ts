/** Connections: how API destinations are authorized. Source: EventBridge user guide, "Connections for API targets". */
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { checkAuth, openAuth, sealAuth, shownAuth } from "./auth.ts";
import type { EventsDeps } from "./deps.ts";
import { badToken, fault, notYet, tooMany } from "./faults.ts";
import { connectionsMax, listMax } from "./limits.ts";
import {
  connections,
  isIn,
  isNamed,
  type AuthParameters,
  type AuthType,
  type ConnectionRow,
  type Named,
} from "./tables.ts";
import { wholeAuth } from "./whole-auth.ts";

export type State = "AUTHORIZED" | "AUTHORIZING" | "DEAUTHORIZED" | "DELETING";

export const connectionArn = ({ account, region, name, uid }: Named & { uid: string }) =>
  formatArn({ service: "events", region, account, resource: `connection/${name}/${uid}` });

/** AWS keeps a secret of its own for each; here it is the connection's row, and this names it. */
export const secretArn = ({ account, region, name, uid }: ConnectionRow) =>
  formatArn({ service: "secretsmanager", region, account, resource: `secret:events!connection/${name}/${uid}` });

export function connectionOfArn(text: string): (Named & { uid: string }) | undefined {
  const arn = parseArn(text);
  const [, name, uid] = /^connection\/([^/]+)\/([^/]+)$/.exec(arn?.resource ?? "") ?? [];
  if (arn === undefined || name === undefined || uid === undefined) return undefined;
  return { account: arn.account, region: arn.region, name, uid };
}

export const findConnection = (tx: ReadTx, ref: Named) =>
  tx.one<ConnectionRow>(sql`select ${connections.columns} from ${connections.name} where ${isNamed(ref)}`);

export async function openConnection(tx: ReadTx, name: string, call: Pick<Call, "account" | "region">) {
  const row = await findConnection(tx, { account: call.account, region: call.region, name });
  if (row !== undefined) return row;
  throw fault(
    "ResourceNotFoundException",
    `Failed to describe the connection(s). Connection '${name}' does not exist.`,
  );
}

export interface NewConnection {
  name: string;
  type: AuthType;
  auth: AuthParameters;
  description?: string | undefined;
  kmsKey?: string | undefined;
  token: string | null;
}

/** With OAuth it is authorized when its endpoint has said so. */
const beginning = (type: AuthType, now: number) =>
  type === "OAUTH_CLIENT_CREDENTIALS"
    ? { state: "AUTHORIZING", due_ms: now }
    : { state: "AUTHORIZED", due_ms: null, authorized_ms: now };

export function connectionChanges({ store, clock, ids, secrets }: EventsDeps) {
  return {
    async create(given: NewConnection, { account, region }: Call): Promise<ConnectionRow> {
      const { name, type } = given;
      const [now, uid] = [clock.now(), ids.uuid()];
      const auth = sealAuth(secrets, { account, region, name, uid }, checkAuth(type, given.auth));
      const row: ConnectionRow = {
        account,
        region,
        name,
        uid,
        auth_type: type,
        auth,
        description: given.description ?? null,
        kms_key: given.kmsKey ?? null,
        reason: null,
        access_token: null,
        token_until_ms: null,
        created_ms: now,
        modified_ms: now,
        authorized_ms: null,
        claims: 0,
        token: given.token,
        ...beginning(type, now),
      };
      return store.tx(async (tx) => {
        const found = await findConnection(tx, row);
        if (found !== undefined && given.token !== null && found.token === given.token) return found;
        if (found !== undefined) throw fault("ResourceAlreadyExistsException", `Connection ${name} already exists.`);
        const count = await tx.one<{ there: number }>(
          sql`select count(*) as there from ${connections.name} where ${isIn(row)}`,
        );
        if ((count?.there ?? 0) >= connectionsMax) throw tooMany();
        await tx.run(insert(connections, row));
        return row;
      });
    },

    /** What is not named stays; new parameters take the place of the former ones as a whole. */
    async update(given: Omit<Partial<NewConnection>, "token"> & { name: string }, call: Call): Promise<ConnectionRow> {
      const now = clock.now();
      return store.tx(async (tx) => {
        const row = await openConnection(tx, given.name, call);
        const type = given.type ?? row.auth_type;
        const auth = checkAuth(type, given.auth ?? openAuth(secrets, row));
        const after: ConnectionRow = {
          ...row,
          auth_type: type,
          auth: sealAuth(secrets, row, auth),
          description: given.description ?? row.description,
          kms_key: given.kmsKey ?? row.kms_key,
          reason: null,
          access_token: null,
          token_until_ms: null,
          modified_ms: now,
          ...beginning(type, now),
        };
        await tx.run(upsert(connections, after));
        return after;
      });
    },
  };
}

const stateOf = ({ state }: ConnectionRow) => state as State;

const answered = (row: ConnectionRow) => ({
  ConnectionArn: connectionArn(row),
  ConnectionState: stateOf(row),
  CreationTime: new Date(row.created_ms),
  LastModifiedTime: new Date(row.modified_ms),
});

const authorized = (row: ConnectionRow) =>
  row.authorized_ms === null ? {} : { LastAuthorizedTime: new Date(row.authorized_ms) };

const listed = (row: ConnectionRow) => ({
  ...answered(row),
  ...authorized(row),
  Name: row.name,
  AuthorizationType: row.auth_type,
  ...(row.reason === null ? {} : { StateReason: row.reason }),
});

export function connectionOperations(deps: EventsDeps) {
  const { store, clock, secrets } = deps;
  const { create, update } = connectionChanges(deps);
  return {
    async CreateConnection(input, call) {
      if (input.InvocationConnectivityParameters !== undefined) throw notYet("private connectivity of connections");
      const { Name: name, AuthorizationType: type, AuthParameters: auth, Description: description } = input;
      return answered(
        await create({ name, type, auth, description, kmsKey: input.KmsKeyIdentifier, token: null }, call),
      );
    },

    async UpdateConnection(input, call) {
      if (input.InvocationConnectivityParameters !== undefined) throw notYet("private connectivity of connections");
      const auth = input.AuthParameters;
      const row = await update(
        {
          name: input.Name,
          ...(input.AuthorizationType === undefined ? {} : { type: input.AuthorizationType }),
          // What is missing in them fails as in a new connection.
          ...(auth === undefined ? {} : { auth: wholeAuth(auth) }),
          description: input.Description,
          kmsKey: input.KmsKeyIdentifier,
        },
        call,
      );
      return { ...answered(row), ...authorized(row) };
    },

    async DescribeConnection({ Name }, call) {
      const row = await store.read((tx) => openConnection(tx, Name, call));
      return {
        ...listed(row),
        ...(row.description === null ? {} : { Description: row.description }),
        ...(row.kms_key === null ? {} : { KmsKeyIdentifier: row.kms_key }),
        SecretArn: secretArn(row),
        AuthParameters: shownAuth(openAuth(secrets, row)),
      };
    },

    async ListConnections({ NamePrefix = "", ConnectionState, NextToken, Limit = listMax }, call) {
      const listing = { operation: "events:ListConnections", filters: [NamePrefix, ConnectionState], call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read((tx) =>
        tx.all<ConnectionRow>(sql`select ${connections.columns} from ${connections.name}
          where ${isIn(call)} and ${beginsWith("name", NamePrefix)} and name > ${after}
            ${ConnectionState === undefined ? sql`` : sql`and state = ${ConnectionState}`}
          order by name limit ${Limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, Limit, ({ name }) => [name]);
      return { Connections: page.map(listed), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async DeauthorizeConnection({ Name }, call) {
      const now = clock.now();
      const row = await store.tx(async (tx) => {
        const found = await openConnection(tx, Name, call);
        const after: ConnectionRow = {
          ...found,
          state: "DEAUTHORIZED",
          access_token: null,
          token_until_ms: null,
          modified_ms: now,
          due_ms: null,
        };
        await tx.run(upsert(connections, after));
        return after;
      });
      return { ...answered(row), ...authorized(row) };
    },

    async DeleteConnection({ Name }, call) {
      const row = await store.tx(async (tx) => {
        const found = await openConnection(tx, Name, call);
        await tx.run(sql`delete from ${connections.name} where ${isNamed(found)}`);
        return found;
      });
      return { ...answered(row), ...authorized(row), ConnectionState: "DELETING" };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
