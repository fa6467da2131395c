import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { accessKeyIdOf, accountIn } from "./credentials.ts";
import { createSessions } from "./sessions.ts";

describe("access key ids", () => {
  it.each(["000000000000", "000000000001", "123456789012", "999999999999"])("hold the account %s", (account) => {
    for (const random of [Buffer.alloc(10, 0), Buffer.alloc(10, 255), randomBytes(10)]) {
      const id = accessKeyIdOf("AKIA", account, random);
      expect(id).toMatch(/^AKIA[A-Z2-7]{16}$/);
      expect(accountIn(id)).toBe(account);
    }
  });

  it("are read as AWS's own are, and nothing is read out of others", () => {
    // Published with its account by those who found out how AWS writes it.
    expect(accountIn("ASIAQNZGKIQY56JQ7WML")).toBe("029608264753");
    expect(accountIn("AKIAIOSFODNN7EXAMPLE")).toBeUndefined();
    expect(accountIn("test")).toBeUndefined();
    expect(accountIn(`AKIA${"7".repeat(16)}`)).toBeUndefined();
  });
});

describe("sessions of users", () => {
  it("are the user's, with a key of their own, until their time, and differ by their nonce", () => {
    const sessions = createSessions();
    const user = {
      kind: "user",
      account: "123456789012",
      accessKeyId: "AKIA",
      arn: "arn:x:user/ann",
      id: "AIDA",
    } as const;
    const keys = sessions.issue(user, { expiresMs: 7, nonce: "a" });
    expect(sessions.resolve(keys.accessKeyId, keys.sessionToken)).toEqual({
      principal: { ...user, accessKeyId: keys.accessKeyId },
      secret: keys.secretAccessKey,
      expiresMs: 7,
    });
    expect(accountIn(keys.accessKeyId)).toBe(user.account);
    expect(sessions.issue(user, { expiresMs: 7, nonce: "b" }).accessKeyId).not.toBe(keys.accessKeyId);
  });
});
