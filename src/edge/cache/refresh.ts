/** The client of a request that the cache sends in the background: hears the answer for the cache alone. */
import type { Headers, Peer } from "../../base/http.ts";
import type { Clock } from "../../base/clock.ts";
import { answered, type ClientStream, type Exchange } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import type { ResponseHead } from "../h1/response.ts";
import { RequestRecord } from "../record.ts";
import { WheelEntry, type Wheel } from "../wheel.ts";
import type { Onward } from "./fetch.ts";
import { Keeper, type Errand } from "./keeper.ts";

/** It is given up after this long. */
const refreshMsMax = 60_000;
/** No client asked for it, so it has no line in the access log. */
const unlogged = { log: undefined };

export interface RefreshDeps {
  clock: Clock;
  wheel: Wheel;
}

export class Refresh implements ClientStream {
  readonly head: RequestHead;
  readonly client: Peer;
  readonly tls: ClientStream["tls"];
  readonly requestDone = true;
  readonly waitsForRequest = false;
  readonly connectionBytes = 0;
  readonly #keeper: Keeper;
  readonly #deps: RefreshDeps;
  readonly #timer: WheelEntry;
  readonly #record: RequestRecord;
  readonly #done: (confirmed: boolean) => void;
  #exchange: Exchange = answered;
  #confirmed = false;
  #over = false;

  /** @param done Called once, when it is over; `confirmed` when what is kept is still right. */
  constructor(
    request: RequestRecord,
    head: RequestHead,
    errand: Errand,
    deps: RefreshDeps,
    done: (confirmed: boolean) => void,
  ) {
    this.head = head;
    this.client = request.client.client;
    this.tls = request.client.tls;
    this.#keeper = new Keeper(errand, request);
    this.#deps = deps;
    this.#done = done;
    this.#timer = new WheelEntry(() => {
      this.#exchange.clientGone("request-timeout");
      this.#end();
    });
    this.#record = new RequestRecord(request.listener, this, unlogged);
    this.#record.route = request.route;
  }

  begin(onward: Onward): void {
    this.#deps.wheel.set(this.#timer, this.#deps.clock.monotonicMs(), refreshMsMax);
    this.#exchange = onward(this.#record);
    if (this.#over) return;
    this.#exchange.requestEnd([]);
    this.#exchange.requestFlush();
  }

  respond(head: ResponseHead): void {
    this.#confirmed = this.#keeper.confirmed(head) !== undefined;
    if (!this.#confirmed) this.#keeper.begin(head);
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    this.#keeper.data(bytes, start, end);
  }

  responseEnd(trailers: Headers): void {
    this.#keeper.end(trailers);
    this.#end();
  }

  reply(): void {
    this.#end();
  }

  destroy(): void {
    this.#end();
  }

  flush(): boolean {
    return true;
  }

  // What a client would be told, and this one need not know.
  interim(): void {}
  holdRequest(): void {}
  sendContinue(): void {}
  touch(): void {}

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#keeper.end(undefined);
    this.#deps.wheel.remove(this.#timer);
    this.#done(this.#confirmed);
  }
}
