/** What the wire asks of a protocol. */
import type { Fault } from "../../base/errors.ts";
import type { HttpResponse } from "../../base/http.ts";
import type { Family } from "../common-errors.ts";
import type { Problem } from "../constraints.ts";
import type { Pair } from "../form.ts";
import type { Codec, Incoming, Located, ResponseContext } from "../message.ts";
import type { OperationModel, ServiceModel } from "../model.ts";

/** A protocol, made for one service. */
export interface Protocol {
  family: Family;
  /** The operation is named in the body's form, so that it has to be read first. */
  namedInBody: boolean;
  /** Names the operation, or throws the protocol's fault for one that does not exist. `form` is the body's. */
  locate(incoming: Incoming, form: readonly Pair[]): Located;
  /** Refuses a request whose content type a web page could send unasked. */
  admit(incoming: Incoming, located: Located): void;
  /** Compiles the codec of an operation; asked once for each. */
  codec(operation: OperationModel): Codec;
  /** The fault for an input that breaks its constraints. */
  invalid(problems: readonly Problem[]): Fault;
  encodeFault(fault: Fault, context: ResponseContext): HttpResponse;
}

export type MakeProtocol = (model: ServiceModel) => Protocol;
