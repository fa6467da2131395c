/** `npm start -- --exit`, as the first page of the README says: the whole journey, told, and exit code 0 because every step held. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { run } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Four times three seconds of visitors, twice over, on a machine that does something else too. */
const journeyMsMax = 120_000;

it("tells the journey, and ends well", { timeout: journeyMsMax }, async () => {
  const { code, out, err } = await run("npm", ["start", "--silent", "--", "--exit"], {
    cwd: root,
    msMax: journeyMsMax,
  });
  expect(code, `${out}\n${err}`).toBe(0);
  const held = [
    "the stack `front` is created",
    "no request failed through the load balancer",
    "the stack `map` is created",
    "no request failed while the route changed hands",
    "the tiles come from the function",
    "exactly 20 were served (20)",
    "every other got its 502 (80)",
    "at once: the slowest 502 took",
    "the monolith felt nothing",
    "the stack `map` is deleted",
    "no request failed while the route went back",
    "the tiles come from the monolith",
  ];
  for (const line of held) expect(out).toContain(`held  ${line}`);
  expect(out).toMatch(/\n +Every step held\.\n$/);
  expect(out).not.toMatch(/failed: |did not hold/);
});
