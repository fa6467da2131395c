/** A fault as a protocol will send it: the name, the status, who is to blame, and the members that its schema has. */
import type { Fault } from "../base/errors.ts";
import { commonError, s3Status, type Family } from "./common-errors.ts";
import type { ServiceModel, Structure } from "./model.ts";

export interface Described {
  /** The name of the error's schema, or the common one. */
  name: string;
  /** The name in query protocols, where it may be another. */
  queryCode: string;
  status: number;
  /** The caller is to blame. */
  sender: boolean;
  message: string;
  /** Undefined for what the service does not model. */
  structure: Structure | undefined;
  members: Readonly<Record<string, unknown>>;
}

export function describeFault(model: ServiceModel | undefined, family: Family, fault: Fault): Described {
  const own = modelled(model, fault.code);
  if (own !== undefined) return describe(own, fault, family);
  const common = commonError(fault.code, family);
  if (common === undefined) {
    const status = family === "s3" ? s3Status(fault.code) : 400;
    return plain(fault, fault.code, status);
  }
  const instead = common.modelled.map((name) => modelled(model, name)).find((found) => found !== undefined);
  return instead === undefined ? plain(fault, common.code, common.status) : describe(instead, fault, family);
}

function modelled(model: ServiceModel | undefined, name: string): Structure | undefined {
  const structure = model?.structure(name);
  return structure?.traits.error === undefined ? undefined : structure;
}

function plain(fault: Fault, code: string, status: number): Described {
  const { message, members } = fault;
  return { name: code, queryCode: code, status, sender: status < 500, message, structure: undefined, members };
}

function describe(structure: Structure, fault: Fault, family: Family): Described {
  const { error, httpError, awsQueryError } = structure.traits;
  const sender = error === "client";
  const ofQuery = family === "query" ? awsQueryError?.[1] : undefined;
  return {
    name: structure.name,
    queryCode: awsQueryError?.[0] ?? structure.name,
    status: ofQuery ?? httpError ?? (sender ? 400 : 500),
    sender,
    message: fault.message,
    structure,
    members: membersOf(structure, fault, sender),
  };
}

/** Lambda and others tell in a member `Type` who is to blame. */
function membersOf(structure: Structure, fault: Fault, sender: boolean): Readonly<Record<string, unknown>> {
  const members: Record<string, unknown> = { ...fault.members };
  for (const { name } of structure.members) {
    if (name === "Type") members[name] ??= sender ? "User" : "Service";
    else if (name.toLowerCase() === "message") members[name] = fault.message;
  }
  return members;
}

/** The schema has a member for the message, so that it is written with the others. */
export function carriesMessage(structure: Structure | undefined): boolean {
  return structure?.members.some(({ name }) => name.toLowerCase() === "message") ?? false;
}
