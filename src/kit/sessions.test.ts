import { describe, expect, it } from "vitest";
import { createSessions, type RolePrincipal } from "./sessions.ts";

const role: RolePrincipal = {
  kind: "role",
  account: "111122223333",
  roleArn: "arn:aws:iam::111122223333:role/apps/map",
  session: "map",
};

describe("sessions", () => {
  it("gives keys that look like AWS's, the same for the same role, and knows them again", () => {
    const sessions = createSessions();
    const keys = sessions.issue(role);
    expect(keys.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
    expect(keys.secretAccessKey).toHaveLength(40);
    expect(sessions.issue({ ...role })).toEqual(keys);
    const known = sessions.resolve(keys.accessKeyId, keys.sessionToken);
    expect(known).toEqual({ principal: role, secret: keys.secretAccessKey });
  });

  it("knows no keys of another process, another role, or made up", () => {
    const sessions = createSessions();
    const keys = sessions.issue(role);
    const foreign = createSessions().issue(role);
    const other = sessions.issue({ ...role, account: "999999999999" });
    expect(sessions.resolve(foreign.accessKeyId, foreign.sessionToken)).toBeUndefined();
    expect(sessions.resolve(other.accessKeyId, keys.sessionToken)).toBeUndefined();
    expect(sessions.resolve(keys.accessKeyId, "")).toBeUndefined();
    expect(sessions.resolve(keys.accessKeyId, "FwoGZXIvYXdzEXAMPLE")).toBeUndefined();
    // A claim of another account behind the proof of one's own.
    const proof = keys.sessionToken.slice(0, "Mikan".length + 43);
    const claim = other.sessionToken.slice(proof.length);
    expect(sessions.resolve(other.accessKeyId, proof + claim)).toBeUndefined();
    expect(sessions.resolve(keys.accessKeyId, proof + claim)).toBeUndefined();
  });
});
