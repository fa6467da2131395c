import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "./edge.suite.ts";
import type { EdgeConfig } from "./ports.ts";
import { echoes } from "./websocket.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const reloads = 100;

/** Everything changes but the WebSockets' own cluster: routes, other clusters, the endpoint of all other requests. */
function config(epoch: number, port: number, sockets: number, plain: readonly number[]): EdgeConfig {
  const upstream = plain[epoch % plain.length] ?? 0;
  const others = Array.from({ length: epoch % 7 }, (_, i) => ({
    ...all(`plain-${upstream}`),
    id: `other-${i}`,
    conditions: [{ kind: "path" as const, patterns: [`/other/${i}/*`] }],
  }));
  const chat = { ...all("sockets"), id: "chat", conditions: [{ kind: "path" as const, patterns: ["/chat"] }] };
  return {
    epoch,
    listeners: [listener(port, [...others, chat, all(`plain-${upstream}`)])],
    clusters: [cluster("sockets", [address(sockets)]), cluster(`plain-${upstream}`, [address(upstream)])],
  };
}

it("a hundred reloads under load fail no request, and lose no WebSocket", async () => {
  const sockets = await echoes(stage);
  const plain = await Promise.all(["first", "second"].map((name) => stage.http((_, response) => response.end(name))));
  const port = await freePort();
  const edge = stage.edge({ workers: 2 });
  await edge.apply(config(1, port, sockets, plain));

  const chats = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const chat = new WebSocket(`ws://127.0.0.1:${port}/chat`);
      stage.later(() => chat.close());
      await once(chat, "open");
      return chat;
    }),
  );
  const load = { on: true, answered: 0, statuses: new Set<number>() };
  const clients = Array.from({ length: 8 }, async () => {
    const client = stage.client(port);
    while (load.on) {
      const { status } = await client.send("GET /other/1/x HTTP/1.1\r\nHost: a\r\n\r\n").response();
      load.statuses.add(status);
      load.answered += 1;
    }
  });
  for (let epoch = 2; epoch < reloads + 2; epoch += 1) {
    await edge.apply(config(epoch, port, sockets, plain));
    const chat = chats[epoch % chats.length] as WebSocket;
    const heard = once(chat, "message");
    chat.send(String(epoch));
    expect(((await heard) as [MessageEvent])[0].data).toBe(String(epoch));
  }
  load.on = false;
  await Promise.all(clients);
  expect([...load.statuses]).toEqual([200]);
  expect(load.answered).toBeGreaterThan(reloads);
  expect(chats.filter(({ readyState }) => readyState !== WebSocket.OPEN)).toEqual([]);
}, 120_000);
