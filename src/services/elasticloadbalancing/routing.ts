/** A change of routing as an operation makes it: stored with its epoch, answered when that epoch is in force. */
import type { Fault } from "../../base/errors.ts";
import type { Store, Tx } from "../../store/store.ts";
import { NotInForce, PortTaken, type Publisher } from "./publisher.ts";
import { fault } from "./refusals.ts";
import { raiseEpoch } from "./tables.ts";

export interface Routing {
  /** Runs `body` in a transaction that raises the epoch, and resolves when that epoch is in force. */
  change<T>(body: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * The same for a change that opens `port`. Where the port is somebody else's, `undo` takes the change back
   * in the store, and the operation is refused with the port and its holder.
   */
  open<T>(port: number, body: (tx: Tx) => Promise<T>, undo: (tx: Tx, made: T) => Promise<void>): Promise<T>;
}

function refusalOf(error: unknown): Fault | undefined {
  if (!(error instanceof NotInForce)) return undefined;
  const message = `The change is stored and will be in force shortly, but is not yet: ${error.message}`;
  return fault("ServiceUnavailable", message, {}, { cause: error });
}

/** AWS has no such error, since its load balancers share no address: the nearest modelled one names port and holder. */
function portRefusal(error: PortTaken): Fault {
  const holder = error.holder === undefined ? "another process" : error.holder;
  return fault(
    "InvalidConfigurationRequestException",
    `Port ${error.port} is in use by ${holder}. Listeners of load balancers bind ports of this machine.`,
    {},
    { cause: error },
  );
}

export function createRouting(store: Store, publisher: Pick<Publisher, "inForce">): Routing {
  const stored = <T>(body: (tx: Tx) => Promise<T>) =>
    store.tx(async (tx) => ({ made: await body(tx), epoch: await raiseEpoch(tx) }));

  const inForce = async (epoch: number, port?: number) => {
    try {
      await publisher.inForce(epoch, port);
    } catch (error) {
      throw refusalOf(error) ?? error;
    }
  };

  return {
    async change(body) {
      const { made, epoch } = await stored(body);
      await inForce(epoch);
      return made;
    },
    async open(port, body, undo) {
      const { made, epoch } = await stored(body);
      try {
        await inForce(epoch, port);
        return made;
      } catch (error) {
        if (!(error instanceof PortTaken)) throw error;
        const undone = await stored((tx) => undo(tx, made));
        await inForce(undone.epoch);
        throw portRefusal(error);
      }
    },
  };
}
