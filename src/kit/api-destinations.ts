/** What EventBridge does for other services that call an API destination: its own rules' targets are not the only ones. */
import type { Call } from "./call.ts";

/** Values that take the places of `*` in the endpoint, and fields and parameters beside the connection's, which win. */
export interface DestinationHttp {
  PathParameterValues?: readonly string[] | undefined;
  HeaderParameters?: Readonly<Record<string, string>> | undefined;
  QueryStringParameters?: Readonly<Record<string, string>> | undefined;
}

export interface ApiDestinations {
  /**
   * One request to an API destination, authorized as its connection says. Gives the beginning of the answer's body, at
   * most `bytesMax`. Faults: `Refused` for an answer that another attempt may undo, `Rejected` for any other that is no
   * success, `Timeout`, `Unreachable`, `ResourceNotFoundException`.
   */
  InvokeApiDestination(
    input: { Arn: string; Text: string; Http?: DestinationHttp | undefined; bytesMax: number },
    call: Call,
  ): Promise<{ Text: string }>;
}
