/** Messages between threads, those of one turn of the loop in one: waking the other thread costs more than carrying one more. */

/** Gathers what is given in a turn, and sends it at its end, in order. */
export function createBundle<T>(send: (messages: T[]) => void): (message: T) => void {
  let waiting: T[] = [];
  const flush = () => {
    const messages = waiting;
    waiting = [];
    send(messages);
  };
  return (message) => {
    waiting.push(message);
    if (waiting.length === 1) setImmediate(flush);
  };
}
