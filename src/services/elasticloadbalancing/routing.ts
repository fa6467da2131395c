/** A change of routing as an operation makes it: stored with its epoch, answered when that epoch is in force. */
import type { Fault } from "../../base/errors.ts";
import type { Store, Tx } from "../../store/store.ts";
import { NotInForce, PortTaken, type Publisher } from "./publisher.ts";
import { fault } from "./refusals.ts";
import { raiseEpoch } from "./tables.ts";

export interface Routing {
  /**
   * Runs `body` in a transaction that raises the epoch, and resolves when that epoch is in force. Rejects with
   * `ServiceUnavailable` when it is not in time; the change stays stored then, and comes into force later.
   */
  change<T>(body: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * The same for what is new: when it cannot be put in force, `undo` takes it back in the store, so that nothing is
   * left of a creation that failed. `port`, where given, is one that the change opens; where it is somebody else's,
   * the operation is refused with the port and its holder.
   */
  create<T>(creation: Creation<T>): Promise<T>;
}

export interface Creation<T> {
  port?: number;
  body: (tx: Tx) => Promise<T>;
  undo: (tx: Tx, made: T) => Promise<void>;
}

const notInForce = (outcome: string, error: NotInForce): Fault =>
  fault(
    "ServiceUnavailable",
    `The routing could not be changed everywhere: ${error.message}. ${outcome}`,
    {},
    {
      cause: error,
    },
  );

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

  const inForce = async (epoch: number, outcome: string, port?: number) => {
    try {
      await publisher.inForce(epoch, port);
    } catch (error) {
      throw error instanceof NotInForce ? notInForce(outcome, error) : error;
    }
  };

  return {
    async change(body) {
      const { made, epoch } = await stored(body);
      await inForce(epoch, "The change is stored, and tried again.");
      return made;
    },
    async create({ port, body, undo }) {
      const { made, epoch } = await stored(body);
      const outcome = "Nothing was created.";
      try {
        await inForce(epoch, outcome, port);
        return made;
      } catch (error) {
        const undone = await stored((tx) => undo(tx, made));
        if (!(error instanceof PortTaken)) throw error;
        // A listener that kept its old port runs with its new rules by now.
        await inForce(undone.epoch, outcome);
        throw portRefusal(error);
      }
    },
  };
}
