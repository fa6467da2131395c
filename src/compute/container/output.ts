/**
 * What a container writes, as the engine passes it on: parts of both streams, each behind a head of eight bytes. Source:
 * Docker Engine API, "Attach to a container", stream format.
 */

const headBytes = 8;

/** Reads parts as they come; one may be cut anywhere. */
export function createOutputReader(wrote: (fd: 1 | 2, chunk: Buffer) => void): (chunk: Buffer) => void {
  let head = Buffer.alloc(0);
  let fd: 1 | 2 = 1;
  let left = 0;
  return (chunk) => {
    let rest = chunk;
    while (rest.length > 0) {
      if (left === 0) {
        const missing = headBytes - head.length;
        head = Buffer.concat([head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (head.length < headBytes) return;
        fd = head[0] === 2 ? 2 : 1;
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
        continue;
      }
      const part = rest.subarray(0, left);
      left -= part.length;
      rest = rest.subarray(part.length);
      wrote(fd, part);
    }
  };
}
