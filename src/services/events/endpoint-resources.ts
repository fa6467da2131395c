/** AWS::Events::Connection and AWS::Events::ApiDestination. */
import { unlessAbsent, asProperties, type JsonObject, type Resource } from "../../kit/resource.ts";
import { destinationChanges, destinationOperations, openDestination } from "./api-destinations.ts";
import { connectionArn, connectionChanges, connectionOperations, openConnection, secretArn } from "./connections.ts";
import type { EventsDeps } from "./deps.ts";
import { destinationArn } from "./destination-rows.ts";
import { notYet } from "./faults.ts";
import type { ApiDestinationRow, ConnectionRow } from "./tables.ts";
import { readInput } from "./template-input.ts";

const nameLengthMax = 64;
const absent = "ResourceNotFoundException";

function wantedConnection({ InvocationConnectivityParameters, ...properties }: JsonObject, name: string) {
  if (InvocationConnectivityParameters !== undefined) throw notYet("private connectivity of connections");
  const input = readInput("CreateConnection", { ...properties, Name: name });
  return {
    name,
    type: input.AuthorizationType,
    auth: input.AuthParameters,
    description: input.Description ?? "",
    kmsKey: input.KmsKeyIdentifier,
  };
}

/** What a policy names: the ARN without the part that changes with each creation. */
const withoutUid = (arn: string) => arn.slice(0, arn.lastIndexOf("/"));

const connectionState = (row: ConnectionRow) => ({
  physicalId: row.name,
  attributes: { Arn: connectionArn(row), ArnForPolicy: withoutUid(connectionArn(row)), SecretArn: secretArn(row) },
});

export function connectionResource(deps: EventsDeps): Resource {
  const { create, update } = connectionChanges(deps);
  const operations = connectionOperations(deps);
  return {
    type: "AWS::Events::Connection",
    properties: [
      "AuthParameters",
      "AuthorizationType",
      "Description",
      "InvocationConnectivityParameters",
      "KmsKeyIdentifier",
      "Name",
    ],
    required: ["AuthParameters", "AuthorizationType"],
    attributes: ["Arn", "ArnForPolicy", "SecretArn"],
    name: { property: "Name", lengthMax: nameLengthMax },
    create: async ({ properties, physicalName, token }, call) =>
      connectionState(await create({ ...wantedConnection(properties, physicalName), token }, call)),
    update: async ({ physicalId, properties }, call) =>
      connectionState(await update(wantedConnection(properties, physicalId), call)),
    async read({ physicalId }, call) {
      const row = await unlessAbsent(
        deps.store.read((tx) => openConnection(tx, physicalId, call)),
        absent,
      );
      if (row === undefined) return undefined;
      return asProperties({
        Name: row.name,
        AuthorizationType: row.auth_type,
        Description: row.description ?? undefined,
      });
    },
    comparison: { AuthParameters: "unread" },
    async delete({ physicalId }, call) {
      await unlessAbsent(operations.DeleteConnection({ Name: physicalId }, call), absent);
    },
  };
}

const destinationState = (row: ApiDestinationRow) => ({
  physicalId: row.name,
  attributes: { Arn: destinationArn(row), ArnForPolicy: withoutUid(destinationArn(row)) },
});

function wantedDestination(properties: JsonObject, name: string) {
  const input = readInput("CreateApiDestination", { ...properties, Name: name });
  return {
    name,
    connectionArn: input.ConnectionArn,
    endpoint: input.InvocationEndpoint,
    method: input.HttpMethod,
    perSecondMax: input.InvocationRateLimitPerSecond,
    description: input.Description ?? "",
  };
}

export function destinationResource(deps: EventsDeps): Resource {
  const { create, update } = destinationChanges(deps);
  const operations = destinationOperations(deps);
  return {
    type: "AWS::Events::ApiDestination",
    properties: [
      "ConnectionArn",
      "Description",
      "HttpMethod",
      "InvocationEndpoint",
      "InvocationRateLimitPerSecond",
      "Name",
    ],
    required: ["ConnectionArn", "HttpMethod", "InvocationEndpoint"],
    attributes: ["Arn", "ArnForPolicy"],
    name: { property: "Name", lengthMax: nameLengthMax },
    async create({ properties, physicalName, token }, call) {
      const { row } = await create({ ...wantedDestination(properties, physicalName), token }, call);
      return destinationState(row);
    },
    async update({ physicalId, properties }, call) {
      const { row } = await update(wantedDestination(properties, physicalId), call);
      return destinationState(row);
    },
    async read({ physicalId }, call) {
      const row = await unlessAbsent(
        deps.store.read((tx) => openDestination(tx, physicalId, call)),
        absent,
      );
      if (row === undefined) return undefined;
      return asProperties({
        Name: row.name,
        ConnectionArn: row.connection_arn,
        Description: row.description ?? undefined,
        HttpMethod: row.method,
        InvocationEndpoint: row.endpoint,
        InvocationRateLimitPerSecond: row.per_second_max,
      });
    },
    async delete({ physicalId }, call) {
      await unlessAbsent(operations.DeleteApiDestination({ Name: physicalId }, call), absent);
    },
  };
}
