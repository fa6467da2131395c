import { describe, expect, it } from "vitest";
import { limitsOf } from "../h1/limits.ts";
import { readRequestHead } from "../h2/request.ts";
import { framingNameOf, isLookalike, isLookalikeName } from "./lookalike.ts";

const bytes = (text: string) => Buffer.from(text, "utf8");

describe("names that another server may take for one that frames", () => {
  it.each([
    "Transfer_Encoding",
    "transfer---encoding",
    "Transfer-Encoding ",
    "\tTransfer-Encoding",
    "transfer-\tencoding",
    "Transfer Encoding",
    "transferXencoding",
    "Tran\u017ffer-Encoding",
    "Transfer-Encod\u0131ng",
    "Transfer\u2010Encoding",
    "\u00a0Transfer-Encoding",
    "Content_Length",
    "Content.Length",
    "content-length\u3000",
  ])("%j", (name) => {
    expect(framingNameOf(bytes(name).toString("latin1"))).toBeDefined();
    expect(isLookalike(bytes(name), 0, bytes(name).length)).toBe(true);
    expect(isLookalikeName(bytes(name).toString("latin1").toLowerCase())).toBe(true);
  });

  it.each([
    "Transfer-Encodings",
    "X-Transfer-Encoding",
    "Content-Lengths",
    "transferencoding",
    "content-encoding",
    "Host",
  ])("not %s", (name) => {
    expect(framingNameOf(name)).toBeUndefined();
    expect(isLookalike(bytes(name), 0, name.length)).toBe(false);
    expect(isLookalikeName(name.toLowerCase())).toBe(false);
  });

  it("go no further over HTTP/2 either", () => {
    const pseudo = [":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/"];
    const fields = ["content_length", "3", "transfer_encoding", "chunked", "content-length", "0", "x-a", "1"];
    const reading = readRequestHead([...pseudo, ...fields], false, { limits: limitsOf("public"), desync: "monitor" });
    const text = "head" in reading ? reading.head.text : "";
    expect(text).toContain("content-length: 0\r\nx-a: 1\r\n");
    expect(text).not.toContain("_");
  });
});
