/**
 * What happens to a request, top to bottom. Everything that its configuration decides was compiled when that came into
 * force (`compile.ts`); what is left is read here in the order in which it happens:
 *
 * 1. The head was scanned and understood strictly (`h1/`), or the connection has ended with a refusal.
 * 2. Refused at once where the worker already holds all that it may for slow clients, or for this one's connection.
 * 3. The route: the first whose conditions all hold; and its gates, in order: each may refuse.
 * 4. A redirect or a fixed response is answered at once.
 * 5. On a route with a response cache, what is kept and fresh answers (`cache/cache.ts`); what is not goes on.
 * 6. The cluster by weight, by what its client had before, or by priority (`balance/`); and host and URL as its
 *    endpoints are to see them.
 * 7. On a route with policies (timeouts, retries, fallback, mirror) what follows is done for each try of the request
 *    (`resilience/supervisor.ts`).
 * 8. The endpoint: the one that its client keeps, or whose turn it is among the healthy (`cluster.ts`); unless the
 *    cluster has as much under way as it may.
 * 9. The exchange: an address is dialled (`proxy.ts`; `tunnel.ts` where the client asks for another protocol, as
 *    WebSocket does), a function is called on the main thread (`call.ts`).
 */
import { CallExchange, type CallEndpoint, type CallLink } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import type { Shed } from "./clients/sheds.ts";
import type { CompiledAction, CompiledListener, CompiledRoute } from "./compile.ts";
import type { ClientStream, Exchange } from "./exchange.ts";
import { incompatible, mismatches } from "./h2/versions.ts";
import type { Upstream } from "./pool.ts";
import { ProxyExchange } from "./proxy.ts";
import { RequestRecord } from "./record.ts";
import { supervise } from "./resilience/supervisor.ts";
import { tooManyForwarded } from "./rewrite.ts";
import { protocolsWanted, TunnelExchange, wantsWebSocket } from "./tunnel.ts";

/** What the worker has for all requests. */
export interface PipelineDeps {
  calls: CallLink;
  /** See `clients/pressure.ts`. */
  pressure: { readonly high: boolean };
  shed: Shed;
}

/** From a request to what answers it. */
export function handle(deps: PipelineDeps, listener: CompiledListener, client: ClientStream): Exchange {
  const request = new RequestRecord(listener, client);
  if (deps.pressure.high) {
    deps.shed("memory");
    return request.refuse(503, "overloaded");
  }
  if (client.connectionBytes > listener.limits.connectionBytesMax) {
    deps.shed("connection-memory");
    return request.refuse(503, "connection-full");
  }
  const index = listener.match(request);
  const route = listener.routes[index];
  if (route === undefined) return request.refuse(503, "no-route");
  listener.counts.routed(index);
  request.route = route;

  for (const gate of route.gates) {
    const refusal = gate(request);
    if (refusal !== undefined) return request.answer(refusal.answer, refusal.reason);
  }

  const { action } = route;
  if (action.kind === "answer") {
    const answer = action.answer(request);
    if (answer === undefined) {
      listener.counts.add("redirectsTooLong", 1);
      return request.refuse(500, "redirect-too-long");
    }
    listener.counts.add(route.config.action.kind === "redirect" ? "redirects" : "fixedResponses", 1);
    return request.answer(answer);
  }

  const { cache } = route;
  return cache === undefined
    ? send(deps, request, route, action)
    : cache.handle(request, (asked) => send(deps, asked, route, action));
}

type ForwardAction = Extract<CompiledAction, { kind: "forward" }>;

function send(deps: PipelineDeps, request: RequestRecord, route: CompiledRoute, action: ForwardAction): Exchange {
  const cluster = action.choose(request);
  if (cluster === undefined) return request.refuse(503, "no-endpoints");
  if (route.rewrite?.(request) === false) return request.refuse(500, "transform-failed");

  const { resilience } = route;
  return resilience === undefined
    ? forward(deps, request, cluster)
    : supervise(request, cluster, resilience, (attempt, of) => forward(deps, attempt, of));
}

function forward(deps: PipelineDeps, request: RequestRecord, cluster: Cluster): Exchange {
  const endpoint = cluster.pick(request);
  if (endpoint === undefined) {
    cluster.stats.refused("no-endpoints");
    return request.refuse(503, "no-endpoints");
  }
  request.cluster = cluster;
  request.endpoint = endpoint;

  const full = cluster.guard?.enter(request, endpoint);
  if (full !== undefined) {
    cluster.stats.refused(full);
    return request.refuse(503, full);
  }
  return endpoint.kind === "address"
    ? proxy(request, cluster, endpoint.upstream)
    : call(deps, request, cluster, endpoint);
}

function proxy(request: RequestRecord, cluster: Cluster, upstream: Upstream): Exchange {
  const { listener, head } = request;
  if (mismatches(cluster.config.protocol, request.client)) return request.answer(incompatible, "protocol-mismatch");
  const text = listener.rewriter.head(head, request.client, request.log);
  if (text === tooManyForwarded) return request.refuse(463, "too-many-forwarded");
  if (head.upgrade !== undefined) {
    const protocols = protocolsWanted(head);
    if (protocols.length > 0)
      return new TunnelExchange(request, cluster, upstream.tunnels ?? upstream, text, protocols);
  }
  return new ProxyExchange(request, cluster, upstream, {
    method: head.method,
    text,
    chunked: head.framing === "chunked",
    last: head.isolated,
  });
}

function call({ calls }: PipelineDeps, request: RequestRecord, cluster: Cluster, endpoint: CallEndpoint): Exchange {
  // ALB: a WebSocket to a function is the client's mistake.
  if (wantsWebSocket(request.head)) return request.refuse(400, "websocket-to-function");
  const fields = request.listener.rewriter.fields(request.head, request.client, request.log);
  if (fields === tooManyForwarded) return request.refuse(463, "too-many-forwarded");
  return new CallExchange(request, cluster, endpoint, fields, calls);
}
