/** A service in one of its protocols, with the codecs that were needed so far. */
import { Bug } from "../base/errors.ts";
import { checksOf, type Check } from "./constraints.ts";
import { bodyBytesMax } from "./limits.ts";
import type { Codec, Incoming } from "./message.ts";
import type { OperationModel, ServiceModel } from "./model.ts";
import { awsJson } from "./protocols/aws-json.ts";
import type { Protocol } from "./protocols/protocol.ts";
import { awsQuery, ec2Query } from "./protocols/query.ts";
import { rpcV2Cbor, speaksCbor } from "./protocols/rpcv2-cbor.ts";
import { restJson } from "./protocols/rest-json.ts";
import { restXml } from "./protocols/rest-xml.ts";
import { streamsInput } from "./protocols/rest.ts";
import type { ProtocolName } from "./table.ts";

export interface Endpoint {
  model: ServiceModel;
  protocol: Protocol;
  /** Everything compiled for an operation; on first use. */
  prepared(operation: OperationModel): Prepared;
}

export interface Prepared {
  codec: Codec;
  check: Check | undefined;
  /** Its body is passed on as it comes. */
  streams: boolean;
  bodyBytesMax: number;
}

/** What a service is spoken to in: its own protocol, or the one that only requests name. */
export type Spoken = ProtocolName | "rpcV2Cbor";

/**
 * The protocol of a request: a service may be spoken to in more than its own. SQS's old clients use awsQuery, and any
 * client of a service without REST may use CBOR.
 */
export function protocolOf({ protocol, table }: ServiceModel, { headers }: Incoming): Spoken {
  if (speaksCbor(headers) && protocol !== "restJson1" && protocol !== "restXml") return "rpcV2Cbor";
  return table.queryCompatible === true && !headers.has("x-amz-target") ? "awsQuery" : protocol;
}

export function createEndpoint(model: ServiceModel, name: Spoken, hosts: readonly string[]): Endpoint {
  const protocol = makeProtocol(model, name, hosts);
  const checks = checksOf();
  const made = new Map<OperationModel, Prepared>();
  return {
    model,
    protocol,
    prepared(operation) {
      const seen = made.get(operation);
      if (seen !== undefined) return seen;
      const prepared: Prepared = {
        codec: operation.opaque ? opaqueCodec : protocol.codec(operation),
        check: operation.opaque ? undefined : checks(operation.input),
        streams: streamsInput(operation),
        bodyBytesMax: bodyBytesMax(model.key, operation.name),
      };
      made.set(operation, prepared);
      return prepared;
    },
  };
}

function makeProtocol(model: ServiceModel, name: Spoken, hosts: readonly string[]): Protocol {
  switch (name) {
    case "awsJson1_0":
      return awsJson(model, "1.0");
    case "awsJson1_1":
      return awsJson(model, "1.1");
    case "awsQuery":
      return awsQuery(model);
    case "ec2Query":
      return ec2Query(model);
    case "restJson1":
      return restJson(model);
    case "rpcV2Cbor":
      return rpcV2Cbor(model);
    default:
      return restXml(model, hosts);
  }
}

/** A codec for what has none: the call is only there to be answered 501. */
const opaqueCodec: Codec = {
  decode: () => ({}),
  encode() {
    throw new Bug("an operation without a codec was answered with an output");
  },
};
