/** Long polling under a clock that stands still. */
import { describe, expect, it } from "vitest";
import { bodies, withQueues } from "./node.suite.ts";

describe("a receive that waits", () => {
  it("wakes a waiting receive by a send, and by a message that falls due", () =>
    withQueues(async ({ create, send, receive, clock }) => {
      const url = await create("orders", { VisibilityTimeout: "7" });
      const waiting = receive(url, { WaitTimeSeconds: 20 });
      await clock.advance(0);
      await send(url, "sent");
      expect(bodies(await waiting)).toEqual(["sent"]);
      const due = receive(url, { WaitTimeSeconds: 20 });
      await clock.advance(6_999);
      let isOver = false;
      void due.then(() => (isOver = true));
      await clock.advance(0);
      expect(isOver).toBe(false);
      await clock.advance(1);
      expect(bodies(await due)).toEqual(["sent"]);
    }));
});
