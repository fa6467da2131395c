/** The lint rules, and the one allow-list that holds the walls between the rooms of `src/` (docs/architecture.md). */
import { defineConfig, type OxlintOverride } from "oxlint";

/** room -> the rooms it may import. What is not named here is forbidden; `ports.ts` of edge and compute is the one door. */
export const rooms: Record<string, readonly string[]> = {
  base: [],
  telemetry: ["base"],
  store: ["base", "telemetry"],
  edge: ["base", "telemetry"],
  compute: ["base", "telemetry"],
  wire: ["base"],
  kit: ["base", "telemetry", "store", "wire"],
  services: ["base", "telemetry", "store", "wire", "kit"],
  peel: ["base", "telemetry", "store", "kit"],
  api: ["base", "telemetry", "wire", "kit"],
  cli: ["base", "telemetry", "wire", "peel"],
};

/** Rooms that may name the types of the engines' ports, and nothing else of them. */
const mayUsePorts = ["kit", "services", "peel", "api"];
const roomNames = [...Object.keys(rooms), "console"];

function wall(room: string, allowed: readonly string[]) {
  const message = `${room}/ may import only: ${allowed.join(", ") || "nothing"} (the walls in oxlint.config.ts).`;
  const engines = mayUsePorts.includes(room) ? ["edge", "compute"] : [];
  const forbidden = roomNames.filter((other) => other !== room && !allowed.includes(other) && !engines.includes(other));
  const patterns: object[] = [{ regex: `^(\\.\\./)+(${forbidden.join("|")})/`, message }];
  for (const engine of engines) {
    patterns.push({ group: [`../**/${engine}/**`, `!../**/${engine}/ports.ts`], message });
  }
  if (room !== "cli") {
    patterns.push({
      regex: "^(\\.\\./)+(mikan|node|embedded)\\.ts$",
      message: "Only cli/ and tests start from the composition root.",
    });
  }
  return patterns;
}

const serviceWall = (depth: number) => ({
  regex: `^${"\\.\\./".repeat(depth)}[a-z0-9-]+/`,
  message: "A service talks to another through its API (deps.peers), never by import.",
});
const sdkWall = { group: ["@aws-sdk/*"], allowTypeImports: true, message: "SDK clients are types only in src/." };
const restrict = (patterns: object[]): NonNullable<OxlintOverride["rules"]> => ({
  "no-restricted-imports": ["error", { patterns }],
});

export default defineConfig({
  plugins: ["typescript", "import", "promise", "unicorn", "oxc", "node"],
  categories: { correctness: "error", suspicious: "error" },
  ignorePatterns: ["dist/**", "**/.build/**", "src/wire/tables/**", "examples/map-tiles/public/**"],
  rules: {
    "import/no-cycle": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-unsafe-type-assertion": "off",
    // `typeof import("@aws-sdk/client-sqs")` is how a service names its client's types.
    "typescript/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
    "typescript/no-unnecessary-type-parameters": "off",
    "no-empty": "error",
    // A loop that awaits is how a bounded sequence is written here.
    "no-await-in-loop": "off",
    "no-underscore-dangle": "off",
    "import/no-unassigned-import": "off",
    // Handlers close over deps by design; moving them out would only add parameters.
    "unicorn/consistent-function-scoping": "off",
    "no-shadow": "off",
    // Operations are plain functions in an object; none of them uses `this`.
    "typescript/unbound-method": "off",
    "promise/always-return": "off",
    "unicorn/no-array-sort": "off",
    "unicorn/no-array-reverse": "off",
  },
  overrides: [
    ...Object.entries(rooms).map(([room, allowed]) => ({
      files: [`src/${room}/**/*.ts`],
      rules: restrict([...wall(room, allowed), sdkWall]),
    })),
    ...[1, 2, 3].map((depth) => ({
      files: [`src/services/${"*/".repeat(depth)}*.ts`],
      rules: restrict([...wall("services", rooms["services"] ?? []), serviceWall(depth), sdkWall]),
    })),
    // Tests drive their room with real clients and engines; the walls are for what ships.
    { files: ["**/*.test.ts", "**/*.suite.ts", "test/**"], rules: { "no-restricted-imports": "off" } },
  ],
});
