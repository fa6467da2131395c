/** The public cases as bytes on a wire, and the body that goes with each. */
import { guardianCases, type GuardianCase } from "./guardian.suite.ts";

const host = "Host: a\r\n";

function field({ fields }: GuardianCase, name: string): string | undefined {
  const at = fields.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return at < 0 ? undefined : fields[at + 1]?.trim();
}

/** The body that the exact fields announce, as it is sent and as it is to be read. */
export function bodyOf(each: GuardianCase): { sent: string; read: string } {
  if (field(each, "transfer-encoding")?.toLowerCase().includes("chunked") === true) {
    return { sent: "3\r\nabc\r\n0\r\n\r\n", read: "abc" };
  }
  const length = /^\d{1,8}/.exec(field(each, "content-length") ?? "")?.[0] ?? "0";
  const body = "x".repeat(Number(length));
  return { sent: body, read: body };
}

/** The head alone. */
export function headOf({ method, target, version, fields }: GuardianCase): Buffer {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) {
    // A value that ends in a line's end would end the head.
    lines += `${fields[i]}: ${fields[i + 1]?.replace(/\r\n$/, "")}\r\n`;
  }
  // A case that begins with a fold is to have nothing before it.
  lines = /^[ \t]/.test(lines) ? lines + host : host + lines;
  return Buffer.from(`${method} ${target} ${version}\r\n${lines}\r\n`, "utf8");
}

export function bytesOf(each: GuardianCase): Buffer {
  return Buffer.concat([headOf(each), Buffer.from(bodyOf(each).sent)]);
}

/** All heads, a character per byte. */
export const guardianHeads: readonly string[] = Object.values(guardianCases)
  .flat()
  .map((each) => headOf(each).toString("latin1"));
