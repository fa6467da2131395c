import { afterAll, beforeAll, expect, it } from "vitest";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import type { EndpointConfig } from "./ports.ts";
import { verdictOf } from "./desync/verdict.ts";
import { statusCases, type StatusCase } from "./statuses.suite.ts";

const stage = new Stage();
afterAll(() => stage.strike());

interface Outcome {
  port: number;
  endpoints: readonly EndpointConfig[];
  status: number;
  /** What the endpoint got. */
  got: string[];
  /** The lines of the access log. */
  lines: string[];
}

const outcomes: Outcome[] = [];

/** The endpoint of a case; what it gets goes to `got`. */
async function endpointsFor({ answer, hangs, route }: StatusCase, got: string[]): Promise<EndpointConfig[]> {
  if (route === "nobody") return [];
  if (route === "refuser") return [address(await freePort())];
  if (route === "function") return [{ kind: "function", id: "f", requestBytesMax: 1024 * 1024 }];
  const port = await stage.tcp((socket) => {
    socket.on("data", (bytes: Buffer) => {
      got.push(bytes.toString("latin1"));
      if (hangs !== true) socket.end(answer ?? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
  });
  return [address(port)];
}

// All at once, each with a listener of its own: a log is told once a second.
beforeAll(async () => {
  const edge = stage.edge();
  edge.onAccessLog(({ loadBalancerId, text }) => {
    outcomes[Number(loadBalancerId)]?.lines.push(...text.split("\n").slice(0, -1));
  });
  for (const each of statusCases) {
    const got: string[] = [];
    outcomes.push({ port: await freePort(), endpoints: await endpointsFor(each, got), status: 0, got, lines: [] });
  }
  await edge.apply({
    epoch: 1,
    listeners: statusCases.map((each, i) =>
      listener(outcomes[i]?.port ?? 0, [all(`c${i}`)], {
        id: `l${i}`,
        accessLog: true,
        loadBalancerId: String(i),
        ...each.listener,
      }),
    ),
    clusters: outcomes.map(({ endpoints }, i) => cluster(`c${i}`, endpoints, statusCases[i]?.cluster)),
  });
  await Promise.all(
    statusCases.map(async ({ request }, i) => {
      const outcome = outcomes[i];
      if (outcome === undefined) return;
      outcome.status = (await stage.client(outcome.port).send(request).response()).status;
      await eventually(() => outcome.lines.length > 0);
    }),
  );
}, 60_000);

it.each(statusCases.map((each, i) => [each.status, each.when, each, i] as const))("%d when %s", (_, _when, each, i) => {
  const { status, reason, classification, answer, hangs } = each;
  const outcome = outcomes[i];
  expect(outcome?.status).toBe(status);
  if (answer === undefined && hangs !== true) expect(outcome?.got).toEqual([]);
  expect(outcome?.lines).toHaveLength(1);
  const line = outcome?.lines[0] ?? "";
  expect(Number(line.split(" ")[8])).toBe(status);
  expect(line.endsWith(` "${reason}"`)).toBe(true);
  const verdict = classification === undefined ? undefined : verdictOf(classification);
  expect(line).toContain(` "${verdict?.class ?? "-"}" "${verdict?.reason ?? "-"}" `);
});
