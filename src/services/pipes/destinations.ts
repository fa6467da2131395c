/** API destinations in a pipe: one request for each event, as enrichment or as target. */
import type { Call } from "../../kit/call.ts";
import type { DestinationHttp } from "../../kit/api-destinations.ts";
import type { Peers } from "../../kit/peers.ts";
import { destinationAnswerBytesMax } from "./limits.ts";
import { parameterOf } from "./paths.ts";

/** `HttpParameters` of an enrichment or a target; values that are paths look into the event. */
function httpFor(given: DestinationHttp | undefined, event: unknown): DestinationHttp {
  const filled = (texts: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, parameterOf(text, event)]));
  return {
    PathParameterValues: given?.PathParameterValues?.map((text) => parameterOf(text, event)),
    HeaderParameters: filled(given?.HeaderParameters),
    QueryStringParameters: filled(given?.QueryStringParameters),
  };
}

/** The body of the answer. */
export async function visitDestination(
  { peers, call }: { peers: Peers; call: Call },
  { arn, http, event, input }: { arn: string; http: DestinationHttp | undefined; event: unknown; input: unknown },
): Promise<string> {
  const { Text } = await peers.events.InvokeApiDestination(
    {
      Arn: arn,
      Text: typeof input === "string" ? input : JSON.stringify(input),
      Http: httpFor(http, event),
      bytesMax: destinationAnswerBytesMax,
    },
    call,
  );
  return Text;
}
