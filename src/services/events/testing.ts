/** TestEventPattern: a pattern and an event, without a bus. */
import { createMatcher } from "../../kit/event-pattern/matcher.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { invalid } from "./faults.ts";
import { checkPattern } from "./patterns.ts";

/** Source: API reference, TestEventPattern: what the event must have. */
const required = ["id", "account", "source", "time", "region", "resources", "detail-type"];

function eventOf(text: string): object {
  try {
    const event: unknown = JSON.parse(text);
    const isWhole = typeof event === "object" && event !== null && required.every((name) => Object.hasOwn(event, name));
    if (isWhole) return event;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw invalid("Parameter Event is not valid.");
}

export function testOperations() {
  return {
    async TestEventPattern({ EventPattern, Event }) {
      const event = eventOf(Event);
      const matcher = createMatcher<true>();
      matcher.add(checkPattern(EventPattern), true);
      return { Result: matcher.match(event).length > 0 };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
