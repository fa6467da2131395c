/** Which requests an endpoint's protocol takes (ALB user guide, "Protocol version" and "HTTP 464"). */
import type { OwnAnswer } from "../answers.ts";
import type { ClientStream } from "../exchange.ts";
import { spanSize } from "../h1/scan.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ClusterConfig } from "../ports.ts";

/** ALB gives it no page. */
export const incompatible: OwnAnswer = { status: 464, contentType: "", body: "", lines: "" };

/**
 * True for a request that may not go to endpoints of `protocol`: HTTP/1.1 to HTTP/2 or gRPC, gRPC to HTTP/1.1, and
 * anything but POST to gRPC.
 */
export function mismatches(protocol: ClusterConfig["protocol"], { tls, head }: ClientStream): boolean {
  if (tls?.alpn !== "h2") return protocol === "http2" || protocol === "grpc";
  if (protocol === "grpc") return head.method !== "POST";
  return protocol !== "http2" && isGrpc(head);
}

function isGrpc({ text, spans, count }: RequestHead): boolean {
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    if (text.slice(spans[at + 1], spans[at + 2]).toLowerCase() !== "content-type") continue;
    // application/grpc, application/grpc+proto; not application/grpc-web, which is HTTP/1.1's.
    return /^application\/grpc(?:$|[+;])/i.test(text.slice(spans[at + 3], spans[at + 4]));
  }
  return false;
}
