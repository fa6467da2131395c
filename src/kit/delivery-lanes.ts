/** What this node has under way in each lane of the outbox, and how much more a lane takes. */
import type { Clock, Instant, Timer } from "../base/clock.ts";
import type { LaneRow } from "./delivery-queue.ts";

export interface LaneUse {
  /** Lanes that take none now. */
  full(): string[];
  roomIn(lane: LaneRow): number;
  begin(lane: LaneRow): void;
  end(lane: string): void;
  /** Calls `wake` when a lane that waits for its rate takes the next. */
  wakeForTokens(wake: () => void): void;
  /** Whether as many wait in the lane as may; `count` is asked once in a while, since it costs more the more there are. */
  isCrowded(lane: string, count: () => Promise<number>): Promise<boolean>;
}

interface Use {
  running: number;
  concurrentMax: number;
  rate: Rate | undefined;
}

/** A bucket that holds a second's worth, at least one. */
interface Rate {
  perSecond: number;
  tokens: number;
  atMs: number;
}

interface Crowd {
  waiting: number;
  countedAt: Instant;
}

const countedForMs = 1_000;
/** Lanes whose number of waiting intents is remembered; the rest are counted each time. */
const crowdsMax = 1_000;
/** Buckets of lanes with nothing under way that are kept; a lane that comes back begins with a full one. */
const restingMax = 1_000;

export function createLaneUse(clock: Clock, waitingMax: number): LaneUse {
  const uses = new Map<string, Use>();
  const crowds = new Map<string, Crowd>();
  let timer: Timer | undefined;

  const refill = (rate: Rate) => {
    const nowMs = clock.monotonicMs();
    const more = ((nowMs - rate.atMs) * rate.perSecond) / 1_000;
    rate.tokens = Math.min(Math.max(1, rate.perSecond), rate.tokens + more);
    rate.atMs = nowMs;
  };

  const useOf = ({ lane, concurrent_max: concurrentMax, per_second_max: perSecond }: LaneRow): Use => {
    const use = uses.get(lane) ?? { running: 0, concurrentMax, rate: undefined };
    use.concurrentMax = concurrentMax;
    if (perSecond === null) use.rate = undefined;
    else if (use.rate === undefined) {
      use.rate = { perSecond, tokens: Math.max(1, perSecond), atMs: clock.monotonicMs() };
    } else use.rate.perSecond = perSecond;
    return use;
  };

  const roomOf = (use: Use): number => {
    if (use.rate === undefined) return use.concurrentMax - use.running;
    refill(use.rate);
    return Math.min(use.concurrentMax - use.running, Math.floor(use.rate.tokens));
  };

  return {
    full: () => [...uses].filter(([, use]) => roomOf(use) <= 0).map(([lane]) => lane),
    roomIn: (lane) => roomOf(useOf(lane)),
    begin(lane) {
      const use = useOf(lane);
      use.running += 1;
      if (use.rate !== undefined) use.rate.tokens -= 1;
      uses.set(lane.lane, use);
    },
    end(lane) {
      const use = uses.get(lane);
      if (use === undefined) return;
      use.running -= 1;
      if (use.running === 0 && (use.rate === undefined || uses.size > restingMax)) uses.delete(lane);
    },
    wakeForTokens(wake) {
      let waitMs = Infinity;
      for (const { rate } of uses.values()) {
        if (rate === undefined || rate.tokens >= 1) continue;
        waitMs = Math.min(waitMs, ((1 - rate.tokens) * 1_000) / rate.perSecond);
      }
      if (waitMs === Infinity || timer !== undefined) return;
      timer = clock.after(Math.ceil(waitMs), () => {
        timer = undefined;
        wake();
      });
    },
    async isCrowded(lane, count) {
      const nowMs = clock.monotonicMs();
      const known = crowds.get(lane);
      if (known !== undefined && nowMs - known.countedAt < countedForMs) {
        known.waiting += 1;
        return known.waiting > waitingMax;
      }
      const waiting = (await count()) + 1;
      if (crowds.size >= crowdsMax) crowds.clear();
      crowds.set(lane, { waiting, countedAt: nowMs });
      return waiting > waitingMax;
    },
  };
}
