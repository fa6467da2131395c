/** What an environment's programs find at `AWS_LAMBDA_RUNTIME_API`: the Runtime, the Extensions and the Telemetry API. */
import type { Instant } from "../../base/clock.ts";
import type { HttpRequest, HttpResponse } from "../../base/http.ts";
import type { ServeHttp } from "./runtime-api.ts";
import { ExtensionApi, type ExtensionDeps, type ShutdownReason, extensionPrefix } from "./extension-api.ts";
import type { Link, LinkEvents } from "./link.ts";
import { RuntimeApi, fromBrowser, refused } from "./runtime-api.ts";
import { TelemetryApi, type TelemetryDeps, telemetryPaths } from "./telemetry-api.ts";

const loopback = "127.0.0.1";

export interface EnvironmentApi {
  /** What `AWS_LAMBDA_RUNTIME_API` holds. */
  address: string;
  /** The link to a runtime that speaks the Runtime API. */
  runtime: Link;
  /** What the link of another runtime reports to: extensions are waited for. */
  events: LinkEvents;
  /** Such a link, of whose invocations extensions are told. */
  told(link: Link): Link;
  /** What the environment logs, for those who subscribed. */
  record(type: string, record: () => unknown): void;
  /** Tells extensions that the environment ends; false when there is nobody to tell. */
  shutdown(reason: ShutdownReason, deadlineAt: Instant): boolean;
  close(): Promise<void>;
}

export interface ApiDeps extends Omit<ExtensionDeps, "registered">, TelemetryDeps {
  serveHttp: ServeHttp;
}

export async function openEnvironmentApi(deps: ApiDeps): Promise<EnvironmentApi> {
  const telemetry = new TelemetryApi(deps);
  const extensions = new ExtensionApi({
    ...deps,
    registered(name, events) {
      deps.events.logged(`EXTENSION\tName: ${name}\tState: Registered\tEvents: [${events.join(", ")}]`);
      telemetry.record("platform.extension", () => ({ name, state: "Registered", events }));
    },
  });
  const runtime = new RuntimeApi(extensions.events);

  const handle = async (request: HttpRequest): Promise<HttpResponse> => {
    if (fromBrowser(request)) return refused(403, "Forbidden", "this API answers no web page");
    const path = request.target.split("?", 1)[0] ?? "";
    if (path.startsWith(extensionPrefix)) return extensions.handle(request, path);
    if (telemetryPaths.includes(path)) return telemetry.handle(request, path, extensions.nameOf(request));
    return runtime.handle(request, path);
  };
  const server = await deps.serveHttp(handle, loopback, 0);
  const close = async () => {
    extensions.close();
    telemetry.close();
    await runtime.close();
    await server.close();
  };
  const told = (link: Link): Link => ({
    send(invocation, deadlineAt) {
      extensions.invoked(invocation, deadlineAt);
      link.send(invocation, deadlineAt);
    },
    close: () => link.close(),
  });
  return {
    address: `${loopback}:${server.port}`,
    runtime: told(runtime),
    events: extensions.events,
    told,
    record: (type, record) => telemetry.record(type, record),
    shutdown(reason, deadlineAt) {
      telemetry.flush();
      return extensions.shutdown(reason, deadlineAt);
    },
    close,
  };
}
