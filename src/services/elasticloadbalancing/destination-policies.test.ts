/** Policies of the way out, over `/_mikan/policies/egress`, and kept. */
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startUpstream } from "../../../test/upstream.ts";
import { startMikan } from "../../mikan.ts";

const intent = { "x-mikan-intent": "change" };

function statusOf(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port, host: "127.0.0.1", headers: { host }, agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    })
      .on("error", reject)
      .end();
  });
}

describe("policies of the way out", () => {
  it(
    "are set, read, listed and taken away over HTTP; and are in force after a restart",
    { timeout: 120_000 },
    async () => {
      const data = await mkdtemp(join(tmpdir(), "mikan-egress-"));
      await using upstream = await startUpstream();
      const host = `localhost.ccnproxy:${upstream.port}`;
      const begun = async () => {
        const mikan = await startMikan({ data, egress: { port: 0 } });
        const egress = (await (await fetch(`${mikan.url}/_mikan/egress`)).json()) as { port: number };
        return { mikan, port: egress.port };
      };
      const first = await begun();
      const policies = `${first.mikan.url}/_mikan/policies`;
      const put = async (of: string, document: object) => {
        const answer = await fetch(`${policies}/${of}`, {
          method: "PUT",
          headers: intent,
          body: JSON.stringify(document),
        });
        return [answer.status, await answer.json()];
      };
      expect(await statusOf(first.port, host)).toBe(200);
      const none = { Cap: { Max: 0, Answer: "native" } };
      expect(await put("egress/localhost", none)).toEqual([200, none]);
      expect(await statusOf(first.port, host)).toBe(429);
      expect(await put("egress", { Retry: 2, Timeouts: { ConnectMs: 250, RequestMs: 900 } })).toMatchObject([200, {}]);
      expect(await (await fetch(policies)).json()).toEqual({
        policies: [
          { arn: "egress", document: { Retry: 2, Timeouts: { ConnectMs: 250, RequestMs: 900 } } },
          { arn: "egress/localhost", document: none },
        ],
      });
      expect(await put("egress", { Mirror: "arn:aws:x" })).toEqual([
        400,
        { message: expect.stringContaining("Mikan has no Mirror; it takes Cap, Timeouts") },
      ]);
      expect(await put("egress/a%20b", {})).toEqual([400, { message: expect.stringContaining("'a b' is no host") }]);
      await first.mikan.close();

      const second = await begun();
      expect(await statusOf(second.port, host)).toBe(429);
      const gone = await fetch(`${second.mikan.url}/_mikan/policies/egress/localhost`, {
        method: "DELETE",
        headers: intent,
      });
      expect(gone.status).toBe(200);
      expect(await statusOf(second.port, host)).toBe(200);
      expect(await (await fetch(`${second.mikan.url}/_mikan/egress`)).json()).toMatchObject({
        address: "127.0.0.1",
        destinations: [{ origin: `http://localhost:${upstream.port}`, requests: 1, ownAnswers: { 429: 1 } }],
      });
      await second.mikan.close();
      await rm(data, { recursive: true, force: true });
    },
  );

  it("may be given at the start; the lists too", { timeout: 60_000 }, async () => {
    await using upstream = await startUpstream();
    await using mikan = await startMikan({
      egress: { port: 0, allow: ["localhost", "127.0.0.2"] },
      egressPolicies: { "*": { Cap: { Max: 0, Answer: "rest-api" } }, localhost: { Retry: 1 } },
    });
    const { port } = (await (await fetch(`${mikan.url}/_mikan/egress`)).json()) as { port: number };
    expect(await statusOf(port, `localhost.ccnproxy:${upstream.port}`)).toBe(200);
    expect(await statusOf(port, `127.0.0.2.ccnproxy:${upstream.port}`)).toBe(500);
    expect(await statusOf(port, `127.0.0.3.ccnproxy:${upstream.port}`)).toBe(403);
    await expect(startMikan({ egress: { port: 0 }, egressPolicies: { "*": { Cap: "none" } } })).rejects.toThrow(
      "Mikan.Cap.Max must be a whole number",
    );
  });
});
