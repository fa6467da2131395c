/**
 * The public cases of http-desync-guardian as bytes on a wire, in each mode of a listener: the answer, whether anything may
 * follow on the client's connection and on the endpoint's, and what the endpoint saw, read by llhttp in its strict form.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cluster, address, all, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import { fieldOf } from "../raw-client.suite.ts";
import type { DesyncMode } from "../ports.ts";
import { guardianCases, type GuardianCase } from "./guardian.suite.ts";
import { verdictOf, type RequestClass } from "./verdict.ts";
import { bodyOf, bytesOf } from "./wire.suite.ts";

const stage = new Stage();
const modes: readonly DesyncMode[] = ["monitor", "defensive", "strictest"];
const ports = new Map<DesyncMode, number>();
/** What the endpoint saw. */
const seen: { request: IncomingMessage; body: string }[] = [];

function remember(request: IncomingMessage, response: ServerResponse): void {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    seen.push({ request, body: Buffer.concat(pieces).toString("latin1") });
    response.end("ok");
  });
}

beforeAll(async () => {
  const upstream = await stage.http(remember);
  for (const mode of modes) ports.set(mode, await freePort());
  const listeners = modes.map((desync) => listener(ports.get(desync) ?? 0, [all("c")], { desync }));
  await stage.edge().apply({ epoch: 1, listeners, clusters: [cluster("c", [address(upstream)])] });
});
afterAll(() => stage.strike());
beforeEach(() => {
  seen.length = 0;
});

/** The target as it may be sent on. */
function targetOf({ target, onWire }: GuardianCase): string {
  if (target === "") return "/";
  if (onWire === "SpaceInUri") return `${target}%20HTTP/1.1`;
  const line = onWire === undefined ? target : (target.split("\n")[0] ?? "").trimEnd();
  return Array.from(Buffer.from(line, "utf8"), (byte) => {
    const char = String.fromCharCode(byte);
    return /[!"$-~]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

type Fate = "passed" | "isolated" | "refused";

const classOf = ({ onWire, reason }: GuardianCase): RequestClass | "Compliant" => {
  const read = onWire ?? reason;
  return read === "Compliant" ? read : verdictOf(read).class;
};

function isBlocked(each: GuardianCase, mode: DesyncMode): boolean {
  const requestClass = classOf(each);
  if (mode === "strictest") return requestClass !== "Compliant";
  return mode === "defensive" && requestClass === "Severe";
}

/** It came in the one form that it is sent on in, and is odd only for what it means. */
function isCanonical({ reason, version, fields }: GuardianCase): boolean {
  return (
    reason.startsWith("Undefined") && version === "HTTP/1.1" && !fields.some((text) => /[^\t\x20-\x7e]/.test(text))
  );
}

function fateOf(each: GuardianCase, mode: DesyncMode): Fate {
  const requestClass = classOf(each);
  if (isBlocked(each, mode) || each.status !== undefined) return "refused";
  if (requestClass === "Compliant" || requestClass === "Acceptable") return "passed";
  return mode === "monitor" && isCanonical(each) ? "passed" : "isolated";
}

const next = "GET /next HTTP/1.1\r\nHost: z\r\nConnection: close\r\n\r\n";

async function check(each: GuardianCase, mode: DesyncMode): Promise<void> {
  const client = stage.client(ports.get(mode) ?? 0);
  client.send(bytesOf(each)).send(next);
  const fate = fateOf(each, mode);
  const response = await client.response(each.method === "HEAD" && fate !== "refused");
  expect(response.status).toBe(isBlocked(each, mode) ? 400 : (each.status ?? 200));
  // Before HTTP/1.1 a connection ends with its answer anyway.
  const goesOn = fate === "passed" && each.version >= "HTTP/1.1";
  if (goesOn) expect((await client.response()).status).toBe(200);
  else expect(fieldOf(response, "connection")).toBe("close");
  // What came behind is answered by nobody.
  expect(await client.all()).toBe("");
  expect(seen.map(({ request }) => request.url)).toEqual([
    ...(fate === "refused" ? [] : [targetOf(each)]),
    ...(goesOn ? ["/next"] : []),
  ]);
  const [first] = seen;
  if (first === undefined) return;
  expect(first.request.method).toBe(each.method);
  expect(first.body).toBe(bodyOf(each).read);
  // One field frames it, or none; nothing that could be taken for another came along.
  const names = first.request.rawHeaders.filter((_, i) => i % 2 === 0);
  const framing = names.filter((name) => /trans\w*[^a-z]+enc|content[^a-z]+length/i.test(name));
  expect(framing).toEqual(names.filter((name) => /^(?:transfer-encoding|content-length)$/i.test(name)));
  expect(framing.length).toBeLessThanOrEqual(1);
  if (fate === "isolated") await eventually(() => first.request.socket.destroyed);
  else expect(first.request.socket.destroyed).toBe(false);
}

describe.each(modes)("%s", (mode) => {
  describe.each(Object.entries(guardianCases))("%s", (_, cases) => {
    it.each(
      cases.map(
        (each) =>
          [
            each.onWire ?? each.reason,
            fateOf(each, mode),
            JSON.stringify(bytesOf(each).toString().slice(0, 150)),
            each,
          ] as const,
      ),
    )("%s is %s: %s", async (_reason, _fate, _text, each) => {
      await check(each, mode);
    });
  });
});
