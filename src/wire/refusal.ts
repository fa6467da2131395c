/** What `decode` throws, and all it throws. */
import type { Fault } from "../base/errors.ts";
import type { HttpResponse } from "../base/http.ts";

/** A request that never becomes a call: `response` answers it in the shape of its protocol. */
export class WireRefusal extends Error {
  override readonly name = "WireRefusal";
  readonly response: HttpResponse;
  readonly fault: Fault;
  /** As far as they were known. */
  readonly service: string | undefined;
  readonly operation: string | undefined;

  constructor(fault: Fault, response: HttpResponse, service?: string, operation?: string) {
    super(fault.message, { cause: fault });
    this.fault = fault;
    this.response = response;
    this.service = service;
    this.operation = operation;
  }
}
