/** Where the targets of a group are, and what they speak. Pure. */
import type { CreateTargetGroupInput } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Received } from "../../kit/handlers.ts";
import { invalid, notRun } from "./refusals.ts";

export type TargetType = "instance" | "ip" | "lambda";

const groupProtocols = ["HTTP", "HTTPS", "TCP", "TLS"] as const;
export type GroupProtocol = (typeof groupProtocols)[number];
const versions = ["HTTP1", "HTTP2", "GRPC"] as const;
export type ProtocolVersion = (typeof versions)[number];

/** Where and how targets are reached; absent for functions. */
export interface Address {
  port: number;
  vpcId: string;
  /** Absent: HTTP. */
  protocol?: GroupProtocol;
  /** Of HTTP and HTTPS; absent: HTTP1. */
  version?: ProtocolVersion;
}

/** What targets speak; undefined for functions. */
export const protocolOfGroup = ({ address }: { address?: Address }): GroupProtocol | undefined =>
  address === undefined ? undefined : (address.protocol ?? "HTTP");

/** Behind network load balancers: connections, not requests. */
export function isStream(settings: { address?: Address }): boolean {
  const protocol = protocolOfGroup(settings);
  return protocol === "TCP" || protocol === "TLS";
}

function versionOf(protocol: GroupProtocol, given: string | undefined): ProtocolVersion | undefined {
  if (protocol === "TCP" || protocol === "TLS") {
    if (given === undefined) return undefined;
    throw invalid(`Protocol version cannot be specified for target groups with protocol '${protocol}'`);
  }
  const version = versions.find((known) => known === (given ?? "HTTP1"));
  if (version === undefined) throw invalid(`Protocol version '${given}' must be one of [${versions.join(", ")}]`);
  return version;
}

/** The address of a new group. Throws in AWS's words, or by name at what is not run. */
export function addressOf(input: Received<CreateTargetGroupInput>): Address {
  const { Protocol, Port: port, VpcId: vpcId } = input;
  if (Protocol === undefined) throw invalid("A protocol must be specified");
  if (port === undefined) throw invalid("A port must be specified");
  if (vpcId === undefined || vpcId === "") throw invalid("A VPC ID must be specified");
  const protocol = groupProtocols.find((known) => known === Protocol);
  if (protocol === undefined) throw notRun(`target groups with protocol '${Protocol}'`);
  const version = versionOf(protocol, input.ProtocolVersion);
  return { port, vpcId, protocol, ...(version === undefined ? {} : { version }) };
}
