/** Random passwords. Source: API reference, GetRandomPassword. */
import { randomInt } from "node:crypto";
import { invalid } from "./faults.ts";
import { passwordLengthDefault } from "./limits.ts";

export interface PasswordRules {
  PasswordLength?: number | undefined;
  ExcludeCharacters?: string | undefined;
  ExcludeNumbers?: boolean | undefined;
  ExcludePunctuation?: boolean | undefined;
  ExcludeUppercase?: boolean | undefined;
  ExcludeLowercase?: boolean | undefined;
  IncludeSpace?: boolean | undefined;
  RequireEachIncludedType?: boolean | undefined;
}

const lower = "abcdefghijklmnopqrstuvwxyz";
const digits = "0123456789";
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

function pick(letters: string): string {
  return letters.charAt(randomInt(letters.length));
}

/** Fisher and Yates, so that the required letters do not all stand in front. */
function shuffled(letters: string[]): string {
  const out = [...letters];
  for (let i = out.length - 1; i > 0; i -= 1) {
    const j = randomInt(i + 1);
    [out[i], out[j]] = [out[j] ?? "", out[i] ?? ""];
  }
  return out.join("");
}

export function randomPassword(rules: PasswordRules): string {
  const length = rules.PasswordLength ?? passwordLengthDefault;
  const excluded = new Set(rules.ExcludeCharacters);
  const types = [
    rules.ExcludeLowercase === true ? "" : lower,
    rules.ExcludeUppercase === true ? "" : lower.toUpperCase(),
    rules.ExcludeNumbers === true ? "" : digits,
    rules.ExcludePunctuation === true ? "" : punctuation,
    rules.IncludeSpace === true ? " " : "",
  ]
    .map((letters) =>
      Array.from(letters)
        .filter((letter) => !excluded.has(letter))
        .join(""),
    )
    .filter((letters) => letters !== "");
  const all = types.join("");
  if (all === "") throw invalid("The password can't be generated: every character is excluded.");
  const required = rules.RequireEachIncludedType === false ? [] : types.map(pick);
  if (required.length > length) {
    throw invalid(`The password length must be at least ${required.length} to include each type of character.`);
  }
  return shuffled([...required, ...Array.from({ length: length - required.length }, () => pick(all))]);
}
