/** A function that stands behind custom resources, as a test sees it: called at least once, and answering at least once. */
import type { Call } from "../../kit/call.ts";
import type { Service } from "../../kit/service.ts";
import { countingIds } from "../../base/ids.ts";
import { must } from "../../base/errors.ts";
import { callbackAt } from "./callbacks.ts";
import { callOf, type NodeOptions } from "./node.suite.ts";

interface Event {
  RequestType: "Create" | "Update" | "Delete";
  ResponseURL: string;
  RequestId: string;
  StackId: string;
  LogicalResourceId: string;
  PhysicalResourceId?: string;
  ResourceProperties: { Name: string; Fails?: string };
}

export interface Provider {
  /** Physical ids of what exists. */
  alive: Set<string>;
  /** Every request, each id once. */
  requests: Map<string, Event>;
  /** How often a function was called. */
  calls: number;
  options(): Pick<NodeOptions, "peers">;
}

const retryMs = 1;
const triesMax = 20_000;

/** Makes `Name`, under its name as physical id; `Fails` names the request that it refuses. */
export function createProvider(): Provider {
  let service: (() => Service) | undefined;
  const provider: Provider = {
    alive: new Set(),
    requests: new Map(),
    calls: 0,
    options: () => ({
      peers(current) {
        service = current;
        return {
          lambda: {
            GetFunctionConfiguration: async () => ({ Runtime: "provided.al2023" }),
            Invoke: async ({ Payload }: { Payload?: Uint8Array }) => {
              void run(JSON.parse(Buffer.from(Payload ?? []).toString()) as Event);
              return { StatusCode: 202 };
            },
          } as never,
        };
      },
    }),
  };

  const work = ({ RequestType, PhysicalResourceId: id, ResourceProperties: { Name, Fails } }: Event) => {
    if (Fails === RequestType) return { Status: "FAILED", Reason: "as it was told", PhysicalResourceId: id ?? Name };
    if (RequestType === "Delete") provider.alive.delete(id ?? "");
    else provider.alive.add(Name);
    return { Status: "SUCCESS", PhysicalResourceId: RequestType === "Delete" ? id : Name, Data: { Value: Name } };
  };

  /** A node that is dead takes nothing: its next life calls the function again, or is answered by this one. */
  const run = async (event: Event) => {
    provider.calls += 1;
    provider.requests.set(event.RequestId, event);
    const { StackId, RequestId, LogicalResourceId } = event;
    const Body = Buffer.from(JSON.stringify({ ...work(event), StackId, RequestId, LogicalResourceId }));
    const { stack: Stack, callback: Callback } = must(callbackAt(event.ResponseURL), "a callback");
    const Secret = new URL(event.ResponseURL).searchParams.get("token") ?? "";
    for (let tries = 0; tries < triesMax; tries += 1) {
      try {
        const respond = must(service?.().internal?.["Respond"], "Respond") as (
          input: unknown,
          call: Call,
        ) => Promise<object>;
        const input = { Stack, Callback, Secret, Body };
        await respond(input, callOf(countingIds()));
        // Twice, as an asynchronous invocation that was tried again would.
        await respond(input, callOf(countingIds()));
        return;
      } catch {
        // The process is dead; whatever this test looks for, it finds elsewhere.
        await new Promise((resolve) => {
          setTimeout(resolve, retryMs);
        });
      }
    }
  };
  return provider;
}
