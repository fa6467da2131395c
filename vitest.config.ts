import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts", "tools/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/.build/**"],
    pool: "forks",
    // Threads that run TypeScript strip its types in WebAssembly; V8 13.6 may end the process when it frees what such code
    // was compiled to and its thread is gone (docs/decisions/009).
    execArgv: ["--no-wasm-code-gc"],
    // Two cores: more workers only make the tests that start processes wait for one another.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
