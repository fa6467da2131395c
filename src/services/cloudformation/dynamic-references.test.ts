import { describe, expect, it } from "vitest";
import { Fault } from "../../base/errors.ts";
import { countingIds } from "../../base/ids.ts";
import type { Peers } from "../../kit/peers.ts";
import { checkReferences, resolved } from "./dynamic-references.ts";
import { callOf } from "./node.suite.ts";

const secretArn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";

/** Two services that say what they were asked. */
const peers = {
  ssm: {
    async GetParameter({ Name, WithDecryption }: { Name: string; WithDecryption: boolean }) {
      if (Name === "gone") throw new Fault("ParameterNotFound", "no such parameter");
      return { Parameter: { Type: Name === "hidden" ? "SecureString" : "String", Value: `${Name}/${WithDecryption}` } };
    },
  },
  secretsmanager: {
    async GetSecretValue(input: { SecretId: string; VersionStage?: string; VersionId?: string }) {
      return { SecretString: JSON.stringify({ user: "me", asked: Object.values(input).join(" ") }) };
    },
  },
} as unknown as Peers;

const read = async (text: string) => (await resolved({ Value: [text] }, peers, callOf(countingIds())))["Value"];

describe("dynamic references", () => {
  it.each([
    ["{{resolve:ssm:a}}", "a/false"],
    ["x-{{resolve:ssm:/a/b:3}}-{{resolve:ssm-secure:hidden}}", "x-/a/b:3/false-hidden/true"],
    ["{{resolve:secretsmanager:db:SecretString:user}}", "me"],
    ["{{resolve:secretsmanager:db:SecretString:asked:AWSPREVIOUS}}", "db AWSPREVIOUS"],
    [`{{resolve:secretsmanager:${secretArn}:SecretString:asked::v1}}`, `${secretArn} v1`],
    ["{{resolve:secretsmanager:db}}", '{"user":"me","asked":"db"}'],
    ["nothing", "nothing"],
  ])("%s", async (text, value) => {
    expect(await read(text)).toEqual([value]);
  });

  it.each([
    ["{{resolve:ssm:gone}}", "no such parameter"],
    ["{{resolve:ssm:hidden}}", "hidden is a SecureString, which only ssm-secure reads"],
    ["{{resolve:secretsmanager:db:SecretString:none}}", "the secret db has no key none"],
    ["{{resolve:secretsmanager:db:SecretBinary}}", "Incorrect format is used"],
    ["{{resolve:other:db}}", "Incorrect format is used"],
  ])("%s fails", async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  it("are checked before anything is made", () => {
    expect(() => checkReferences({ A: [{ B: "{{resolve:ssm:a:1:2}}" }] })).toThrow("Incorrect format is used");
  });
});
